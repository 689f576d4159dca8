// The LibTorch side of the comparison; see cases.hpp.
#include <torch/torch.h>

#include "cases.hpp"

namespace {

namespace nn = torch::nn;

nn::AnyModule make_layer(const bench::NormCase& c) {
  const std::string layer = c.layer;
  const std::int64_t channels = c.shape[1];
  if (layer == "BatchNorm1d") {
    return nn::AnyModule(nn::BatchNorm1d(channels));
  }
  if (layer == "BatchNorm2d") {
    return nn::AnyModule(nn::BatchNorm2d(channels));
  }
  if (layer == "BatchNorm3d") {
    return nn::AnyModule(nn::BatchNorm3d(channels));
  }
  if (layer == "LayerNorm") {
    return nn::AnyModule(nn::LayerNorm(nn::LayerNormOptions(c.normalized)));
  }
  if (layer == "GroupNorm") {
    return nn::AnyModule(nn::GroupNorm(c.groups, channels));
  }
  return nn::AnyModule(
      nn::InstanceNorm2d(nn::InstanceNorm2dOptions(channels).affine(true).track_running_stats(c.tracked)));
}

void time_norm(const bench::Options& options, const bench::NormCase& c) {
  nn::AnyModule layer = make_layer(c);
  torch::Tensor x = torch::randn(c.shape).requires_grad_();
  const torch::Tensor gy = torch::randn(c.shape);
  const auto parameters = layer.ptr()->parameters();
  bench::time_case(options, bench::name_of(c), [&] {
    x.mutable_grad() = torch::Tensor();
    for (const torch::Tensor& p : parameters) {
      p.mutable_grad() = torch::Tensor();
    }
    layer.forward(x).backward(gy);
  });
}

void add_norm(nn::Sequential& model, const std::string& norm, std::int64_t channels, bool image) {
  if (norm == "batch" && image) {
    model->push_back(nn::BatchNorm2d(channels));
  } else if (norm == "batch") {
    model->push_back(nn::BatchNorm1d(channels));
  } else if (norm == "layer") {
    model->push_back(nn::GroupNorm(1, channels));
  } else if (norm == "group") {
    model->push_back(nn::GroupNorm(8, channels));
  } else if (norm == "instance") {
    model->push_back(nn::InstanceNorm2d(nn::InstanceNorm2dOptions(channels).affine(true)));
  }
}

nn::Sequential make_model(const bench::StepCase& c) {
  nn::Sequential model;
  if (std::string(c.model) == "mlp") {
    std::int64_t in = 784;
    for (int i = 0; i < 3; ++i, in = 100) {
      model->push_back(nn::Linear(in, 100));
      add_norm(model, c.norm, 100, false);
      model->push_back(nn::Sigmoid());
    }
    model->push_back(nn::Linear(100, 10));
    return model;
  }
  std::int64_t in = 1;
  for (const std::int64_t out : {32, 64}) {
    model->push_back(nn::Conv2d(nn::Conv2dOptions(in, out, 3).padding(1)));
    add_norm(model, c.norm, out, true);
    model->push_back(nn::ReLU());
    model->push_back(nn::MaxPool2d(2));
    in = out;
  }
  model->push_back(nn::Flatten());
  model->push_back(nn::Linear(64 * 7 * 7, 128));
  model->push_back(nn::ReLU());
  model->push_back(nn::Linear(128, 10));
  return model;
}

void time_step(const bench::Options& options, const bench::StepCase& c) {
  const bool mlp = std::string(c.model) == "mlp";
  nn::Sequential model = make_model(c);
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.01));
  const torch::Tensor x = mlp ? torch::randn({60, 784}) : torch::randn({64, 1, 28, 28});
  const torch::Tensor target = torch::randint(10, {x.size(0)}, torch::kInt64);
  bench::time_case(options, bench::name_of(c), [&] {
    optimizer.zero_grad();
    nn::functional::cross_entropy(model->forward(x), target).backward();
    optimizer.step();
  });
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options = bench::parse_options(argc, argv);
  torch::set_num_threads(options.threads);
  torch::manual_seed(1);
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
