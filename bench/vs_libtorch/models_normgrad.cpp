// The normgrad side of the models; see models.hpp.
#include <functional>
#include <memory>
#include <normgrad/normgrad.hpp>

#include "models.hpp"

namespace {

using namespace normgrad;  // NOLINT(google-build-using-namespace): a program of a user's kind

struct Block : Module {
  Block(std::int64_t in, std::int64_t out, std::int64_t stride)
      : conv1(in, out, 3, {.stride = stride, .padding = 1, .bias = false}),
        norm1(out),
        conv2(out, out, 3, {.padding = 1, .bias = false}),
        norm2(out) {
    if (stride != 1 || in != out) {
      shortcut.push_back(Conv2d(in, out, 1, {.stride = stride, .bias = false}));
      shortcut.push_back(BatchNorm2d(out));
    }
  }
  Conv2d conv1;
  BatchNorm2d norm1;
  Conv2d conv2;
  BatchNorm2d norm2;
  Sequential shortcut;
  NORMGRAD_MEMBERS(Block, conv1, norm1, conv2, norm2, shortcut)

  Tensor forward(const Tensor& x) override {
    const Tensor h = norm2(conv2(relu(norm1(conv1(x)))));
    return relu(h + (shortcut.size() == 0 ? x : shortcut(x)));
  }
};

Sequential resnet18() {
  Sequential model(Conv2d(3, 64, 3, {.padding = 1, .bias = false}), BatchNorm2d(64), ReLU());
  std::int64_t in = 64;
  for (const std::int64_t out : {64, 128, 256, 512}) {
    model.push_back(Block(in, out, out == 64 ? 1 : 2));
    model.push_back(Block(out, out, 1));
    in = out;
  }
  model.push_back(AdaptiveAvgPool2d(1));
  model.push_back(Flatten());
  model.push_back(Linear(512, 10));
  return model;
}

Sequential mobilenet() {
  Sequential model(Conv2d(3, 32, 3, {.padding = 1, .bias = false}), BatchNorm2d(32), ReLU6());
  std::int64_t in = 32;
  for (const std::int64_t out : {64, 128, 128, 256, 256}) {
    const std::int64_t stride = out == in ? 1 : 2;
    model.push_back(Conv2d(in, in, 3, {.stride = stride, .padding = 1, .groups = in, .bias = false}));
    model.push_back(BatchNorm2d(in));
    model.push_back(ReLU6());
    model.push_back(Conv2d(in, out, 1, {.bias = false}));
    model.push_back(BatchNorm2d(out));
    model.push_back(ReLU6());
    in = out;
  }
  model.push_back(AdaptiveAvgPool2d(1));
  model.push_back(Flatten());
  model.push_back(Linear(in, 10));
  return model;
}

struct Layer : Module {
  LayerNorm norm1{{256}}, norm2{{256}};
  Linear qkv{256, 768}, out{256, 256}, fc1{256, 1024}, fc2{1024, 256};
  Tensor mask;  // added to the scores, if any; not a parameter
  NORMGRAD_MEMBERS(Layer, norm1, norm2, qkv, out, fc1, fc2)

  Tensor forward(const Tensor& x) override {
    const std::int64_t n = x.size(0);
    const std::int64_t length = x.size(1);
    const Tensor heads = qkv(norm1(x)).reshape({n, length, 3, 4, 64}).permute({2, 0, 3, 1, 4});
    Tensor scores = matmul(heads.select(0, 0), heads.select(0, 1).transpose(-2, -1)) * 0.125;
    if (mask.defined()) {
      scores = scores + mask;
    }
    const Tensor mixed =
        matmul(softmax(scores, -1), heads.select(0, 2)).permute({0, 2, 1, 3}).reshape({n, length, 256});
    const Tensor h = x + out(mixed);
    return h + fc2(gelu(fc1(norm2(h))));
  }
};

struct Transformer : Module {
  Transformer(std::int64_t words, bool causal) : embedding(words, 256), layers(4), head(256, words) {
    if (causal) {
      for (Layer& layer : layers) {
        layer.mask = triu(full({bench::kPositions, bench::kPositions}, -1e9), 1);
      }
    }
  }
  Embedding embedding;
  std::vector<Layer> layers;
  LayerNorm norm{{256}};
  Linear head;
  NORMGRAD_MEMBERS(Transformer, embedding, layers, norm, head)

  Tensor forward(const Tensor& tokens) override {
    Tensor h = embedding(tokens);
    for (Layer& layer : layers) {
      h = layer(h);
    }
    return head(norm(h));
  }
};

Sequential twice(std::int64_t in, std::int64_t out) {
  return Sequential(Conv2d(in, out, 3, {.padding = 1, .bias = false}), GroupNorm(8, out), SiLU(),
                    Conv2d(out, out, 3, {.padding = 1, .bias = false}), GroupNorm(8, out), SiLU());
}

struct UNet : Module {
  Sequential down1 = twice(3, 32), down2 = twice(32, 64), bottom = twice(64, 128);
  ConvTranspose2d up2{128, 64, 2, {.stride = 2}};
  Sequential join2 = twice(128, 64);
  ConvTranspose2d up1{64, 32, 2, {.stride = 2}};
  Sequential join1 = twice(64, 32);
  Conv2d head{32, 2, 1};
  NORMGRAD_MEMBERS(UNet, down1, down2, bottom, up2, join2, up1, join1, head)

  Tensor forward(const Tensor& x) override {
    const Tensor a = down1(x);
    const Tensor b = down2(max_pool2d(a, 2));
    const Tensor d = join2(cat({up2(bottom(max_pool2d(b, 2))), b}, 1));
    return head(join1(cat({up1(d), a}, 1)));
  }
};

Sequential dcgan() {
  Sequential model(ConvTranspose2d(100, 256, 4, {.bias = false}), BatchNorm2d(256), ReLU());
  std::int64_t in = 256;
  for (const std::int64_t out : {128, 64, 32}) {
    model.push_back(ConvTranspose2d(in, out, 4, {.stride = 2, .padding = 1, .bias = false}));
    model.push_back(BatchNorm2d(out));
    model.push_back(ReLU());
    in = out;
  }
  model.push_back(ConvTranspose2d(in, 3, 4, {.stride = 2, .padding = 1, .bias = false}));
  model.push_back(Tanh());
  return model;
}

struct Vae : Module {
  Linear fc1{784, 400}, mean{400, 20}, log_var{400, 20}, fc2{20, 400}, fc3{400, 784};
  NORMGRAD_MEMBERS(Vae, fc1, mean, log_var, fc2, fc3)

  Tensor forward(const Tensor& x) override {
    const Tensor h = relu(fc1(x));
    const Tensor m = mean(h);
    const Tensor v = log_var(h);
    const Tensor z = m + randn({x.size(0), 20}) * exp(v * 0.5);
    divergence = (1.0 + v - m * m - exp(v)).sum() * -0.5;
    return fc3(relu(fc2(z)));
  }
  Tensor divergence;
};

Sequential wide_mlp() {
  return Sequential(Linear(2048, 2048), BatchNorm1d(2048), ReLU(), Linear(2048, 2048), BatchNorm1d(2048), ReLU(),
                    Linear(2048, 10));
}

// Times one case, whose loss is a function of what the model gives.
void run(const bench::Options& options, const bench::ModelCase& c, Module& model, Optimizer& optimizer, const Tensor& x,
         const std::function<Tensor(const Tensor&)>& loss) {
  model.train(c.trains);
  bench::time_case(options, bench::name_of(c), [&] {
    if (!c.trains) {
      const NoGradGuard no_grad;
      model(x);
      return;
    }
    optimizer.zero_grad();
    loss(model(x)).backward();
    optimizer.step();
  });
}

template <class Model, class Loss>
void with_sgd(const bench::Options& options, const bench::ModelCase& c, Model&& model, const Tensor& x,
              const Loss& loss) {
  SGD optimizer(model.parameters(), {.lr = 0.01, .momentum = 0.9});
  run(options, c, model, optimizer, x, loss);
}
template <class Model, class Loss>
void with_adam(const bench::Options& options, const bench::ModelCase& c, Model&& model, const Tensor& x,
               const Loss& loss) {
  Adam optimizer(model.parameters(), {.lr = 1e-4});
  run(options, c, model, optimizer, x, loss);
}

void time_model(const bench::Options& options, const bench::ModelCase& c) {
  const std::string name = c.model;
  const std::int64_t n = c.batch;
  const Tensor labels = randint(0, 10, {n});
  const auto classes = [&](const Tensor& y) { return cross_entropy(y, labels); };
  if (name == "resnet18") {
    with_sgd(options, c, resnet18(), randn({n, 3, 32, 32}), classes);
  } else if (name == "mobilenet") {
    with_sgd(options, c, mobilenet(), randn({n, 3, 32, 32}), classes);
  } else if (name == "wide mlp") {
    with_sgd(options, c, wide_mlp(), randn({n, 2048}), classes);
  } else if (name == "encoder" || name == "language model") {
    const std::int64_t words = name == "encoder" ? 10 : bench::kWords;
    Transformer model(words, name == "language model");
    AdamW optimizer(model.parameters(), {.lr = 1e-4});
    const Tensor next = randint(0, words, {n * bench::kPositions});
    run(options, c, model, optimizer, randint(0, words, {n, bench::kPositions}), [&](const Tensor& y) {
      return cross_entropy(y.reshape({-1, words}), next);
    });
  } else if (name == "unet") {
    const Tensor masks = randint(0, 2, {n, 64, 64});
    with_adam(options, c, UNet(), randn({n, 3, 64, 64}), [&](const Tensor& y) { return cross_entropy(y, masks); });
  } else if (name == "dcgan") {
    const Tensor images = randn({n, 3, 64, 64});
    with_adam(options, c, dcgan(), randn({n, 100, 1, 1}), [&](const Tensor& y) { return mse_loss(y, images); });
  } else if (name == "vae") {
    const Tensor x = rand({n, 784});
    Vae model;
    with_adam(options, c, model, x, [&](const Tensor& y) {
      return binary_cross_entropy_with_logits(y, x).mean() * 784.0 + model.divergence;
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options = bench::parse_options(argc, argv);
  set_num_threads(options.threads);
  manual_seed(1);
  for (const bench::ModelCase& c : bench::model_cases()) {
    if (bench::is_wanted(options, bench::name_of(c))) {
      time_model(options, c);
    }
  }
}
