// The LibTorch side of the models; see models.hpp.
#include <torch/torch.h>

#include <functional>

#include "models.hpp"

namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;
using torch::Tensor;

nn::Conv2d conv(std::int64_t in, std::int64_t out, std::int64_t size, std::int64_t stride = 1,
                std::int64_t groups = 1) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, size).stride(stride).padding(size / 2).groups(groups).bias(false));
}

struct BlockImpl : nn::Module {
  BlockImpl(std::int64_t in, std::int64_t out, std::int64_t stride)
      : conv1(conv(in, out, 3, stride)), conv2(conv(out, out, 3)), norm1(out), norm2(out) {
    if (stride != 1 || in != out) {
      shortcut->push_back(conv(in, out, 1, stride));
      shortcut->push_back(nn::BatchNorm2d(out));
    }
    register_module("conv1", conv1);
    register_module("conv2", conv2);
    register_module("norm1", norm1);
    register_module("norm2", norm2);
    register_module("shortcut", shortcut);
  }
  nn::Conv2d conv1, conv2;
  nn::BatchNorm2d norm1, norm2;
  nn::Sequential shortcut;

  Tensor forward(const Tensor& x) {
    const Tensor h = norm2(conv2(torch::relu(norm1(conv1(x)))));
    return torch::relu(h + (shortcut->is_empty() ? x : shortcut->forward(x)));
  }
};
TORCH_MODULE(Block);

void add_head(nn::Sequential& model, std::int64_t in) {
  model->push_back(nn::AdaptiveAvgPool2d(nn::AdaptiveAvgPool2dOptions(1)));
  model->push_back(nn::Flatten());
  model->push_back(nn::Linear(in, 10));
}

nn::Sequential resnet18() {
  nn::Sequential model(conv(3, 64, 3), nn::BatchNorm2d(64), nn::ReLU());
  std::int64_t in = 64;
  for (const std::int64_t out : {64, 128, 256, 512}) {
    model->push_back(Block(in, out, out == 64 ? 1 : 2));
    model->push_back(Block(out, out, 1));
    in = out;
  }
  add_head(model, in);
  return model;
}

nn::Sequential mobilenet() {
  nn::Sequential model(conv(3, 32, 3), nn::BatchNorm2d(32), nn::ReLU6());
  std::int64_t in = 32;
  for (const std::int64_t out : {64, 128, 128, 256, 256}) {
    model->push_back(conv(in, in, 3, out == in ? 1 : 2, in));
    model->push_back(nn::BatchNorm2d(in));
    model->push_back(nn::ReLU6());
    model->push_back(conv(in, out, 1));
    model->push_back(nn::BatchNorm2d(out));
    model->push_back(nn::ReLU6());
    in = out;
  }
  add_head(model, in);
  return model;
}

struct LayerImpl : nn::Module {
  LayerImpl() {
    register_module("norm1", norm1);
    register_module("norm2", norm2);
    register_module("qkv", qkv);
    register_module("out", out);
    register_module("fc1", fc1);
    register_module("fc2", fc2);
  }
  nn::LayerNorm norm1{nn::LayerNormOptions({256})}, norm2{nn::LayerNormOptions({256})};
  nn::Linear qkv{256, 768}, out{256, 256}, fc1{256, 1024}, fc2{1024, 256};
  Tensor mask;

  Tensor forward(const Tensor& x) {
    const std::int64_t n = x.size(0);
    const std::int64_t length = x.size(1);
    const Tensor heads = qkv(norm1(x)).reshape({n, length, 3, 4, 64}).permute({2, 0, 3, 1, 4});
    Tensor scores = torch::matmul(heads.select(0, 0), heads.select(0, 1).transpose(-2, -1)) * 0.125;
    if (mask.defined()) {
      scores = scores + mask;
    }
    const Tensor mixed =
        torch::matmul(torch::softmax(scores, -1), heads.select(0, 2)).permute({0, 2, 1, 3}).reshape({n, length, 256});
    const Tensor h = x + out(mixed);
    return h + fc2(torch::gelu(fc1(norm2(h))));
  }
};
TORCH_MODULE(Layer);

struct TransformerImpl : nn::Module {
  TransformerImpl(std::int64_t words, bool causal) : embedding(words, 256), head(256, words) {
    for (int i = 0; i < 4; ++i) {
      Layer layer;
      if (causal) {
        layer->mask = torch::triu(torch::full({bench::kPositions, bench::kPositions}, -1e9), 1);
      }
      layers->push_back(layer);
    }
    register_module("embedding", embedding);
    register_module("layers", layers);
    register_module("norm", norm);
    register_module("head", head);
  }
  nn::Embedding embedding;
  nn::Sequential layers;
  nn::LayerNorm norm{nn::LayerNormOptions({256})};
  nn::Linear head;

  Tensor forward(const Tensor& tokens) { return head(norm(layers->forward(embedding(tokens)))); }
};
TORCH_MODULE(Transformer);

nn::Sequential twice(std::int64_t in, std::int64_t out) {
  return nn::Sequential(conv(in, out, 3), nn::GroupNorm(8, out), nn::SiLU(), conv(out, out, 3), nn::GroupNorm(8, out),
                        nn::SiLU());
}

nn::ConvTranspose2d up(std::int64_t in, std::int64_t out, std::int64_t size, std::int64_t stride, std::int64_t padding,
                       bool bias) {
  return nn::ConvTranspose2d(nn::ConvTranspose2dOptions(in, out, size).stride(stride).padding(padding).bias(bias));
}

struct UNetImpl : nn::Module {
  UNetImpl() {
    register_module("down1", down1);
    register_module("down2", down2);
    register_module("bottom", bottom);
    register_module("up2", up2);
    register_module("join2", join2);
    register_module("up1", up1);
    register_module("join1", join1);
    register_module("head", head);
  }
  nn::Sequential down1 = twice(3, 32), down2 = twice(32, 64), bottom = twice(64, 128);
  nn::ConvTranspose2d up2 = up(128, 64, 2, 2, 0, true);
  nn::Sequential join2 = twice(128, 64);
  nn::ConvTranspose2d up1 = up(64, 32, 2, 2, 0, true);
  nn::Sequential join1 = twice(64, 32);
  nn::Conv2d head{nn::Conv2dOptions(32, 2, 1)};

  Tensor forward(const Tensor& x) {
    const Tensor a = down1->forward(x);
    const Tensor b = down2->forward(torch::max_pool2d(a, 2));
    const Tensor d = join2->forward(torch::cat({up2(bottom->forward(torch::max_pool2d(b, 2))), b}, 1));
    return head(join1->forward(torch::cat({up1(d), a}, 1)));
  }
};
TORCH_MODULE(UNet);

nn::Sequential dcgan() {
  nn::Sequential model(up(100, 256, 4, 1, 0, false), nn::BatchNorm2d(256), nn::ReLU());
  std::int64_t in = 256;
  for (const std::int64_t out : {128, 64, 32}) {
    model->push_back(up(in, out, 4, 2, 1, false));
    model->push_back(nn::BatchNorm2d(out));
    model->push_back(nn::ReLU());
    in = out;
  }
  model->push_back(up(in, 3, 4, 2, 1, false));
  model->push_back(nn::Tanh());
  return model;
}

struct VaeImpl : nn::Module {
  VaeImpl() {
    register_module("fc1", fc1);
    register_module("mean", mean);
    register_module("log_var", log_var);
    register_module("fc2", fc2);
    register_module("fc3", fc3);
  }
  nn::Linear fc1{784, 400}, mean{400, 20}, log_var{400, 20}, fc2{20, 400}, fc3{400, 784};

  Tensor forward(const Tensor& x) {
    const Tensor h = torch::relu(fc1(x));
    const Tensor m = mean(h);
    const Tensor v = log_var(h);
    const Tensor z = m + torch::randn({x.size(0), 20}) * torch::exp(v * 0.5);
    divergence = (1.0 + v - m * m - torch::exp(v)).sum() * -0.5;
    return fc3(torch::relu(fc2(z)));
  }
  Tensor divergence;
};
TORCH_MODULE(Vae);

nn::Sequential wide_mlp() {
  return nn::Sequential(nn::Linear(2048, 2048), nn::BatchNorm1d(2048), nn::ReLU(), nn::Linear(2048, 2048),
                        nn::BatchNorm1d(2048), nn::ReLU(), nn::Linear(2048, 10));
}

template <class Model, class Loss>
void run(const bench::Options& options, const bench::ModelCase& c, Model& model, torch::optim::Optimizer& optimizer,
         const Tensor& x, const Loss& loss) {
  model->train(c.trains);
  bench::time_case(options, bench::name_of(c), [&] {
    if (!c.trains) {
      const torch::NoGradGuard no_grad;
      model->forward(x);
      return;
    }
    optimizer.zero_grad();
    loss(model->forward(x)).backward();
    optimizer.step();
  });
}

template <class Model, class Loss>
void with_sgd(const bench::Options& options, const bench::ModelCase& c, Model model, const Tensor& x,
              const Loss& loss) {
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.01).momentum(0.9));
  run(options, c, model, optimizer, x, loss);
}
template <class Model, class Loss>
void with_adam(const bench::Options& options, const bench::ModelCase& c, Model model, const Tensor& x,
               const Loss& loss) {
  torch::optim::Adam optimizer(model->parameters(), torch::optim::AdamOptions(1e-4));
  run(options, c, model, optimizer, x, loss);
}

void time_model(const bench::Options& options, const bench::ModelCase& c) {
  const std::string name = c.model;
  const std::int64_t n = c.batch;
  const Tensor labels = torch::randint(10, {n}, torch::kInt64);
  const auto classes = [&](const Tensor& y) { return F::cross_entropy(y, labels); };
  if (name == "resnet18") {
    with_sgd(options, c, resnet18(), torch::randn({n, 3, 32, 32}), classes);
  } else if (name == "mobilenet") {
    with_sgd(options, c, mobilenet(), torch::randn({n, 3, 32, 32}), classes);
  } else if (name == "wide mlp") {
    with_sgd(options, c, wide_mlp(), torch::randn({n, 2048}), classes);
  } else if (name == "encoder" || name == "language model") {
    const std::int64_t words = name == "encoder" ? 10 : bench::kWords;
    Transformer model(words, name == "language model");
    torch::optim::AdamW optimizer(model->parameters(), torch::optim::AdamWOptions(1e-4));
    const Tensor next = torch::randint(words, {n * bench::kPositions}, torch::kInt64);
    run(options, c, model, optimizer, torch::randint(words, {n, bench::kPositions}, torch::kInt64),
        [&](const Tensor& y) {
          return F::cross_entropy(y.reshape({-1, words}), next);
        });
  } else if (name == "unet") {
    const Tensor masks = torch::randint(2, {n, 64, 64}, torch::kInt64);
    with_adam(options, c, UNet(), torch::randn({n, 3, 64, 64}),
              [&](const Tensor& y) { return F::cross_entropy(y, masks); });
  } else if (name == "dcgan") {
    const Tensor images = torch::randn({n, 3, 64, 64});
    with_adam(options, c, dcgan(), torch::randn({n, 100, 1, 1}),
              [&](const Tensor& y) { return F::mse_loss(y, images); });
  } else if (name == "vae") {
    const Tensor x = torch::rand({n, 784});
    Vae model;
    with_adam(options, c, model, x, [&](const Tensor& y) {
      return F::binary_cross_entropy_with_logits(y, x).mean() * 784.0 + model->divergence;
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options = bench::parse_options(argc, argv);
  torch::set_num_threads(options.threads);
  torch::manual_seed(1);
  for (const bench::ModelCase& c : bench::model_cases()) {
    if (bench::is_wanted(options, bench::name_of(c))) {
      time_model(options, c);
    }
  }
}
