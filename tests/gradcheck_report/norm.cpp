// The matrix {norm} x {full, scale only, bias only, none} x {train, eval} x {2 to 5 axes} x {row-major, channels-last}
// x {fresh, filled gradient}. Inputs have mean 3 and standard deviation 0.2, so that a missing 1 / sigma is detected.
#include "normgrad/core/ops/norm/norm.hpp"

#include <array>

#include "tests/gradcheck_report/cases.hpp"

namespace normgrad::tests {

namespace {

struct Subset {
  const char* name;
  bool scale;
  bool bias;
};
constexpr std::array<Subset, 4> kSubsets = {
    Subset{"affine", true, true}, {"scale only", true, false}, {"bias only", false, true}, {"no affine", false, false}};

// [N, C, *] with 2 to 5 axes and at least 3 values per statistic, for norms that do not need positions.
const std::vector<Shape> kInputs = {{5, 4}, {3, 4, 3}, {2, 4, 2, 2}, {2, 4, 2, 1, 2}};

using Norm = std::function<Tensor(const Tensor& x, const Tensor& weight, const Tensor& bias)>;

// One row of the matrix: fresh and filled, row-major and channels-last.
void add_norm(CaseList& list, const std::string& name, const Norm& norm, const Shape& x, const Shape& parameter,
              const Subset& subset) {
  const auto inputs = [&] {
    Inputs in = {list.normal(x, 3.0, 0.2)};
    if (subset.scale) {
      in.push_back(list.normal(parameter, 1.0, 0.5));
    }
    if (subset.bias) {
      in.push_back(list.normal(parameter));
    }
    return in;
  };
  const auto apply = [norm, subset](const Inputs& in) {
    return norm(in[0], subset.scale ? in[1] : Tensor(), subset.bias ? in.back() : Tensor());
  };
  const std::string label = name + ", " + subset.name;
  list.add(label, apply, inputs());
  list.add(label + ", into a filled gradient", apply, inputs()).into_filled_gradient = true;
  if (x.rank() >= 3) {
    list.add(
        label + ", channels last",
        [apply](const Inputs& in) {
          Inputs turned = in;
          turned[0] = channels_last(in[0]);
          return channels_last(apply(turned));
        },
        inputs());
  }
}

void add_orders(CaseList& list, const std::string& name, const Norm& norm, const Shape& x, const Shape& parameter) {
  list.add(name + ", to order 4", [norm](const Inputs& in) { return norm(in[0], in[1], {}); },
           {list.normal(x, 1.0, 0.7), list.normal(parameter, 1.0, 0.5)})
      .max_order = 4;
}

Tensor constant_of(const Tensor& x) { return x.detach(); }

void add_batch_and_instance(CaseList& list) {
  list.start_family("norm functions: batch");
  for (const Shape& x : kInputs) {
    const Shape channels = {x[1]};
    const Tensor mean = constant_of(list.normal(channels, 3.0, 0.1));
    const Tensor var = constant_of(list.uniform(channels, 0.02, 0.1));
    for (const Subset& subset : kSubsets) {
      add_norm(
          list, "batch_norm_training", [](auto& in, auto& w, auto& b) { return batch_norm_training(in, w, b).y; }, x,
          channels, subset);
      add_norm(
          list, "batch_norm (eval)", [=](auto& in, auto& w, auto& b) { return batch_norm(in, mean, var, w, b); }, x,
          channels, subset);
    }
  }
  add_orders(list, "batch_norm_training", [](auto& in, auto& w, auto&) { return batch_norm_training(in, w).y; }, {4, 2},
             {2});
  list.start_family("norm functions: instance");
  for (const Shape& x : {Shape{2, 4, 3}, Shape{2, 3, 2, 2}, Shape{2, 2, 2, 1, 2}}) {
    for (const Subset& subset : kSubsets) {
      add_norm(
          list, "instance_norm", [](auto& in, auto& w, auto& b) { return instance_norm(in, w, b); }, x, {x[1]}, subset);
    }
  }
  add_orders(list, "instance_norm", [](auto& in, auto& w, auto&) { return instance_norm(in, w); }, {1, 2, 4}, {2});
}

void add_layer_and_group(CaseList& list) {
  list.start_family("norm functions: layer");
  for (const Shape& x : {Shape{3, 4}, Shape{2, 3, 4}, Shape{2, 2, 3, 2}, Shape{1, 2, 2, 2, 3}}) {
    const Shape last = {x.back()};
    const Shape last_two = {x[x.rank() - 2], x.back()};
    for (const Subset& subset : kSubsets) {
      for (const Shape& normalized : {last, last_two}) {
        add_norm(
            list, "layer_norm over " + to_string(normalized),
            [=](auto& in, auto& w, auto& b) { return layer_norm(in, normalized, w, b); }, x, normalized, subset);
      }
      if (x.rank() > 2) {
        add_norm(
            list, "layer_norm_over axis 1", [](auto& in, auto& w, auto& b) { return layer_norm_over(in, 1, w, b); }, x,
            {x[1]}, subset);
      }
    }
  }
  add_orders(list, "layer_norm", [](auto& in, auto& w, auto&) { return layer_norm(in, {4}, w); }, {2, 4}, {4});
  list.start_family("norm functions: group");
  for (const Shape& x : {Shape{3, 6}, Shape{2, 4, 3}, Shape{2, 4, 2, 2}, Shape{1, 4, 2, 1, 2}}) {
    for (const Subset& subset : kSubsets) {
      for (const std::int64_t groups : {1, 2}) {
        const std::string suffix = " groups=" + std::to_string(groups);
        add_norm(
            list, "group_norm" + suffix, [=](auto& in, auto& w, auto& b) { return group_norm(in, groups, w, b); }, x,
            {x[1]}, subset);
        add_norm(
            list, "group_rms_norm" + suffix,
            [=](auto& in, auto& w, auto& b) { return group_rms_norm(in, groups, w, b); }, x, {x[1]}, subset);
      }
    }
  }
  add_orders(list, "group_norm", [](auto& in, auto& w, auto&) { return group_norm(in, 2, w); }, {1, 4, 2}, {4});
}

void add_rms_and_response(CaseList& list) {
  list.start_family("norm functions: rms");
  for (const Shape& x : {Shape{3, 4}, Shape{2, 3, 4}, Shape{2, 2, 3, 2}, Shape{1, 2, 2, 2, 3}}) {
    const Shape last = {x.back()};
    const Shape last_two = {x[x.rank() - 2], x.back()};
    for (const Subset& subset : {kSubsets[1], kSubsets[3]}) {
      for (const Shape& normalized : {last, last_two}) {
        add_norm(
            list, "rms_norm over " + to_string(normalized),
            [=](auto& in, auto& w, auto&) { return rms_norm(in, normalized, w); }, x, normalized, subset);
      }
      if (x.rank() > 2) {
        add_norm(
            list, "rms_norm_over axis 1", [](auto& in, auto& w, auto&) { return rms_norm_over(in, 1, w); }, x, {x[1]},
            subset);
      }
      add_norm(
          list, "rms_norm eps=0.1", [=](auto& in, auto& w, auto&) { return rms_norm(in, last, w, 0.1); }, x, last,
          subset);
    }
  }
  add_orders(list, "rms_norm", [](auto& in, auto& w, auto&) { return rms_norm(in, {4}, w); }, {2, 4}, {4});
  list.start_family("norm functions: local response");
  for (const Shape& x : {Shape{2, 5, 3}, Shape{1, 5, 2, 2}, Shape{1, 4, 2, 1, 2}}) {
    for (const std::int64_t size : {1, 2, 3, 5}) {
      list.add("local_response_norm size=" + std::to_string(size),
               [size](const Inputs& in) { return local_response_norm(in[0], size, 0.5, 0.75, 1.0); },
               {list.normal(x, 0.5, 1.0)});
    }
  }
}

// Inputs where implementations are known to fail: far from zero, nearly constant, and a gamma of zero.
void add_hard_inputs(CaseList& list) {
  list.start_family("norm functions: hard inputs");
  const auto all = [&](const std::string& name, double mean, double sigma) {
    const auto one = [&](const std::string& norm, TensorFunction f) {
      list.add(norm + ", " + name, std::move(f), {list.normal({2, 4, 4}, mean, sigma)});
    };
    one("batch_norm_training", [](const Inputs& in) { return batch_norm_training(in[0]).y; });
    one("layer_norm", [](const Inputs& in) { return layer_norm(in[0], {4, 4}); });
    one("group_norm", [](const Inputs& in) { return group_norm(in[0], 2); });
    one("instance_norm", [](const Inputs& in) { return instance_norm(in[0]); });
    one("rms_norm", [](const Inputs& in) { return rms_norm(in[0], {4, 4}); });
  };
  all("mean 100 sigma 1", 100, 1);
  all("mean 1000 sigma 1", 1000, 1);
  all("mean 0 sigma 30", 0, 30);
  all("mean 0 sigma 0.003, as eps", 0, 0.003);
  Tensor gamma = list.normal({4});
  gamma.mutable_data<double>()[1] = 0.0;
  gamma.mutable_data<double>()[2] = 0.0;
  list.add("batch_norm_training, gamma with zeros",
           [](const Inputs& in) { return batch_norm_training(in[0], in[1]).y; }, {list.normal({5, 4}), gamma});
  list.add("layer_norm, gamma with zeros", [](const Inputs& in) { return layer_norm(in[0], {4}, in[1]); },
           {list.normal({3, 4}), gamma.detach().clone().requires_grad_()});
  list.add("layer_norm, one tensor as x and gamma", [](const Inputs& in) { return layer_norm(in[0], {4}, in[0]); },
           {list.normal({4})});
}

}  // namespace

void add_norm_functions(CaseList& list) {
  add_batch_and_instance(list);
  add_layer_and_group(list);
  add_rms_and_response(list);
  add_hard_inputs(list);
}

}  // namespace normgrad::tests
