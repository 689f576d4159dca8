// The normgrad side of the comparison; see cases.hpp.
#include <normgrad/normgrad.hpp>

#include "norm_layers.hpp"

namespace {

using namespace normgrad;  // NOLINT(google-build-using-namespace): a program of a user's kind

void time_norm(const bench::Options& options, const bench::NormCase& c) {
  const std::unique_ptr<Module> layer = bench::make_layer(c);
  Tensor x = randn(c.shape).requires_grad_();
  const Tensor gy = randn(c.shape);
  std::vector<Tensor> parameters = layer->parameters();
  bench::time_case(options, bench::name_of(c), [&] {
    x.set_grad({});
    for (Tensor& p : parameters) {
      p.set_grad({});
    }
    (*layer)(x).backward(gy);
  });
}

void add_norm(Sequential& model, const std::string& norm, std::int64_t channels, bool image) {
  if (norm == "batch" && image) {
    model.push_back(BatchNorm2d(channels));
  } else if (norm == "batch") {
    model.push_back(BatchNorm1d(channels));
  } else if (norm == "layer") {
    model.push_back(GroupNorm(1, channels));
  } else if (norm == "group") {
    model.push_back(GroupNorm(8, channels));
  } else if (norm == "instance") {
    model.push_back(InstanceNorm2d(channels, {.affine = true}));
  }
}

Sequential make_model(const bench::StepCase& c) {
  Sequential model;
  if (std::string(c.model) == "mlp") {
    std::int64_t in = 784;
    for (int i = 0; i < 3; ++i, in = 100) {
      model.push_back(Linear(in, 100));
      add_norm(model, c.norm, 100, false);
      model.push_back(Sigmoid());
    }
    model.push_back(Linear(100, 10));
    return model;
  }
  std::int64_t in = 1;
  for (const std::int64_t out : {32, 64}) {
    model.push_back(Conv2d(in, out, 3, {.padding = 1}));
    add_norm(model, c.norm, out, true);
    model.push_back(ReLU());
    model.push_back(MaxPool2d(2));
    in = out;
  }
  model.push_back(Flatten());
  model.push_back(Linear(64 * 7 * 7, 128));
  model.push_back(ReLU());
  model.push_back(Linear(128, 10));
  return model;
}

void time_step(const bench::Options& options, const bench::StepCase& c) {
  const bool mlp = std::string(c.model) == "mlp";
  Sequential model = make_model(c);
  SGD optimizer(model.parameters(), {.lr = 0.01});
  const Tensor x = mlp ? randn({60, 784}) : randn({64, 1, 28, 28});
  const Tensor target = randint(0, 10, {x.size(0)});
  bench::time_case(options, bench::name_of(c), [&] {
    optimizer.zero_grad();
    cross_entropy(model(x), target).backward();
    optimizer.step();
  });
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options = bench::parse_options(argc, argv);
  set_num_threads(options.threads);
  manual_seed(1);
  for (const bench::NormCase& c : bench::norm_cases()) {
    if (bench::is_wanted(options, bench::name_of(c))) {
      time_norm(options, c);
    }
  }
  for (const bench::StepCase& c : bench::step_cases()) {
    if (bench::is_wanted(options, bench::name_of(c))) {
      time_step(options, c);
    }
  }
}
