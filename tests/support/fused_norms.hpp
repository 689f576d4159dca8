// Compares norms with fused subsequent layers to the same layers applied separately.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "tests/support/fused_layers.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/layers/norm/group_norm.hpp"

namespace normgrad::tests {

struct NormPlace {
  std::string name;
  std::function<std::unique_ptr<Module>(bool affine, DType dtype)> make;
  Shape shape;
};
inline void PrintTo(const NormPlace& p, std::ostream* out) { *out << p.name; }

template <class Norm, class Size, class Options>
NormPlace place(const std::string& name, const Size& size, Options options, const Shape& shape) {
  const auto make = [=](bool affine, DType dtype) -> std::unique_ptr<Module> {
    Options of = options;
    if constexpr (requires { of.affine; }) {
      of.affine = affine;
    } else {
      of.elementwise_affine = affine;
    }
    of.dtype = dtype;
    return std::make_unique<Norm>(size, of);
  };
  return {name, make, shape};
}
inline NormPlace groups(const std::string& name, std::int64_t n, bool center, const Shape& shape) {
  const std::int64_t channels = shape[1];
  return {name,
          [=](bool affine, DType dtype) -> std::unique_ptr<Module> {
            return std::make_unique<GroupNorm>(n, channels,
                                               GroupNormOptions{.affine = affine, .center = center, .dtype = dtype});
          },
          shape};
}

template <class Place>
class FusedNormTest : public testing::TestWithParam<std::tuple<Place, DType>> {
 protected:
  void SetUp() override { manual_seed(5); }
  const Place& where() const { return std::get<0>(this->GetParam()); }
  DType dtype() const { return std::get<1>(this->GetParam()); }
  Tensor draw() const { return randn(where().shape, {.dtype = dtype()}); }
  std::unique_ptr<Module> norm(bool affine) const {
    auto made = where().make(affine, dtype());
    draw_parameters(*made);
    return made;
  }
};

template <class Place>
std::string name_of(const testing::TestParamInfo<std::tuple<Place, DType>>& param) {
  return std::get<0>(param.param).name + (std::get<1>(param.param) == kFloat32 ? "Float32" : "Float64");
}

// Runs `compare` for every combination of parameters that require gradients, with and without a gradient of x.
inline void for_every_subset_of_gradients(Module& fused, Module& plain,
                                          const std::function<void(unsigned learn, bool gradient_of_x)>& compare) {
  const std::size_t parameters = plain.parameters().size();
  for (unsigned learn = 0; learn < 1U << parameters; ++learn) {
    for (std::size_t i = 0; i < parameters; ++i) {
      plain.parameters()[i].requires_grad_((learn >> i & 1U) != 0);
      fused.parameters()[i].requires_grad_((learn >> i & 1U) != 0);
    }
    for (const bool gradient_of_x : {true, false}) {
      compare(learn, gradient_of_x);
      fused.zero_grad();
      plain.zero_grad();
    }
  }
}

inline void expect_threads_do_not_show(const std::function<Sequential()>& make, const Tensor& x, const Tensor& gy,
                                       bool channels_last, const std::vector<int>& counts) {
  const int before = get_num_threads();
  std::vector<Results> results;
  for (const int threads : counts) {
    set_num_threads(threads);
    Sequential model = make();
    results.push_back(results_of(
        model, [&](const Tensor& in) { return model(in); }, x, gy, channels_last, true));
  }
  set_num_threads(before);
  for (std::size_t i = 1; i < counts.size(); ++i) {
    expect_same(results[0], results[i], std::to_string(counts[i]) + " threads");
  }
}

struct Drawn {
  Tensor x;
  Tensor gy;
  Tensor again;  // gradient of the first gradient
};
// Gradients of the recorded backward, and their own gradients. The second gradients ignore the sign of zeros, because
// zeros propagate through several layers of which one variant omits some. If ReLU's slope is multiplied earlier, the
// first gradients ignore it too.
inline Results recorded_gradients(Module& model, const std::function<Tensor(const Tensor&)>& run, const Drawn& drawn,
                                  bool channels_last, bool signs_of_first) {
  const Tensor x = laid(drawn.x.clone(), channels_last).detach().requires_grad_();
  const Tensor g = drawn.gy.clone().requires_grad_();
  std::vector<Tensor> inputs{x};
  for (const Tensor& p : model.parameters()) {
    inputs.push_back(p);
  }
  const std::vector<Tensor> first = grad({run(x)}, inputs, {g}, {.create_graph = true});
  Results r;
  for (const Tensor& f : first) {
    r.add("first", signs_of_first ? f : f + 0.0);
  }
  inputs.push_back(g);
  for (const Tensor& second : grad({first[0]}, inputs, {drawn.again}, {.allow_unused = true})) {
    r.add("second", second.defined() ? second + 0.0 : second);
  }
  return r;
}

}  // namespace normgrad::tests
