// A generator of images and its adversary.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "lab/compare_norms/learner.hpp"
#include "lab/compare_norms/model_parts.hpp"
#include "lab/statistics.hpp"

namespace compare_norms {

using namespace normgrad;

namespace {

constexpr std::int64_t kLatent = 32;
constexpr std::int64_t kComparedImages = 500;
constexpr std::int64_t kParts = 5;                  // of the test images, whose distances vary
constexpr std::uint64_t kTestLatents = 20'140'610;  // the same for all models

std::int64_t quarter(std::int64_t size) { return (size + 3) / 4; }

/// [N, C h w] -> [N, C, h, w].
class Images final : public Module {
 public:
  Images(std::int64_t channels, std::int64_t height, std::int64_t width) : shape_{channels, height, width} {}
  NORMGRAD_MEMBERS(Images)
  Tensor forward(const Tensor& x) override { return x.reshape({x.size(0), shape_[0], shape_[1], shape_[2]}); }

 private:
  std::array<std::int64_t, 3> shape_;
};

/// Cuts images to a size, for sizes that 4 does not divide.
class Cut final : public Module {
 public:
  Cut(std::int64_t height, std::int64_t width) : height_(height), width_(width) {}
  NORMGRAD_MEMBERS(Cut)
  Tensor forward(const Tensor& x) override { return narrow(narrow(x, 2, 0, height_), 3, 0, width_); }

 private:
  std::int64_t height_;
  std::int64_t width_;
};

Sequential make_discriminator(const Shape& image) {
  const std::int64_t left = ((image[1] / 2) / 2) * ((image[2] / 2) / 2);
  return Sequential(spectral_norm(Conv2d(image[0], 32, 4, {.stride = 2, .padding = 1})), LeakyReLU(0.2),
                    spectral_norm(Conv2d(32, 64, 4, {.stride = 2, .padding = 1})), LeakyReLU(0.2), Flatten(),
                    spectral_norm(Linear(64 * left, 1)));
}

/// [n, d], [m, d] -> [n, m], by a product: cdist() has a difference for every element of every pair.
Tensor squared_distances(const Tensor& x, const Tensor& y) {
  const Tensor lengths = square(x).sum(1, true) + square(y).sum(1, true).transpose(0, 1);
  return clamp(lengths - matmul(x, y.transpose(0, 1)) * 2.0, 0.0, {});
}

class Gan final : public Learner {
 public:
  Gan(const Plan& plan, std::uint64_t seed, const Data& data, Sequential model)
      : generator_(std::move(model)),
        discriminator_(make_discriminator(data.images.train.image_shape())),
        generator_optimizer_(make_optimizer(plan, generator_.parameters())),
        discriminator_optimizer_(make_optimizer(plan, discriminator_.parameters())),
        latents_(seed),
        pixels_(data.pixels) {}
  double step(const Batch& batch) override {
    const std::int64_t n = batch.inputs.size(0);
    discriminator_optimizer_->zero_grad();
    generator_optimizer_->zero_grad();
    const Tensor made = make(randn({n, kLatent}, {}, &latents_));
    const Tensor loss = (softplus(-discriminator_(batch.inputs)) + softplus(discriminator_(made.detach()))).mean();
    loss.backward();
    discriminator_optimizer_->step();
    const Tensor own = softplus(-discriminator_(made)).mean();
    own.backward();
    generator_optimizer_->step();
    const double total = loss.item() + own.item();
    return std::isfinite(total) ? loss.item() : total;
  }
  void set_lr(double lr) override {
    generator_optimizer_->set_lr(lr);
    discriminator_optimizer_->set_lr(lr);
  }
  Score evaluate(const DatasetPtr& examples) override {
    const NoGradGuard no_grad;
    const std::int64_t n = std::min(kComparedImages, examples->size());
    std::vector<std::int64_t> first(static_cast<std::size_t>(n));
    std::iota(first.begin(), first.end(), 0);
    const Tensor real = flatten(examples->batch(first).inputs, 1);
    Generator same(kTestLatents);
    generator_.eval();
    const Tensor made = flatten(with_finite_pixels(make(randn({n, kLatent}, {}, &same))), 1);
    generator_.train();
    const double distance = kernel_distance(real, made);
    std::vector<double> parts;
    const std::int64_t size = std::max<std::int64_t>(2, n / kParts);
    for (std::int64_t at = 0; at + size <= n; at += size) {
      parts.push_back(kernel_distance(narrow(real, 0, at, size), narrow(made, 0, at, size)));
    }
    const double mean = std::accumulate(parts.begin(), parts.end(), 0.0) / static_cast<double>(parts.size());
    double squares = 0.0;
    for (const double part : parts) {
      squares += (part - mean) * (part - mean);
    }
    const auto count = static_cast<double>(parts.size());
    return {.loss = distance,
            .accuracy = -distance,
            .deviation = count > 1.0 ? std::sqrt(squares / (count - 1.0) / count) : 0.0};
  }
  Sequential& model() override { return generator_; }

 private:
  /// Standardized images, like those of the data.
  Tensor make(const Tensor& latent) { return (sigmoid(generator_(latent)) - pixels_.mean) / pixels_.std; }

  Sequential generator_;
  Sequential discriminator_;
  std::unique_ptr<Optimizer> generator_optimizer_;
  std::unique_ptr<Optimizer> discriminator_optimizer_;
  Generator latents_;
  PixelStatistics pixels_;
};

}  // namespace

Sequential make_dcgan(const ModelSpec& spec) {
  const std::int64_t height = quarter(spec.image_shape[1]);
  const std::int64_t width = quarter(spec.image_shape[2]);
  const ConvTransposeLayerOptions twice{.stride = 2, .padding = 1};
  Sequential net;
  net.push_back("fc", Linear(kLatent, 64 * height * width));
  net.push_back("images", Images(64, height, width));
  add_norm_and_activation(net, spec, "1", {.num_features = 64, .spatial_dims = 2});
  net.push_back("up1", ConvTranspose2d(64, 32, 4, twice));
  add_norm_and_activation(net, spec, "2", {.num_features = 32, .spatial_dims = 2});
  net.push_back("up2", ConvTranspose2d(32, spec.image_shape[0], 4, twice));
  net.push_back("cut", Cut(spec.image_shape[1], spec.image_shape[2]));
  return net;
}

std::unique_ptr<Learner> make_gan(const Plan& plan, std::uint64_t seed, const Data& data, Sequential model) {
  return std::make_unique<Gan>(plan, seed, data, std::move(model));
}

double kernel_distance(const Tensor& x, const Tensor& y) {
  const Tensor xx = squared_distances(x.to(kFloat64), x.to(kFloat64));
  const Tensor yy = squared_distances(y.to(kFloat64), y.to(kFloat64));
  const Tensor xy = squared_distances(x.to(kFloat64), y.to(kFloat64));
  const auto n = static_cast<double>(x.size(0));
  const auto m = static_cast<double>(y.size(0));
  const double width = std::max(lab::median(xx.to_vector<double>()), 1e-12);
  double sum = 0.0;
  for (const double factor : {0.25, 1.0, 4.0}) {
    const double scale = -1.0 / (2.0 * factor * width);
    // Without the pairs of an element with itself, whose kernel is 1.
    const double within_x = (exp(xx * scale).sum().item() - n) / (n * (n - 1.0));
    const double within_y = (exp(yy * scale).sum().item() - m) / (m * (m - 1.0));
    sum += within_x + within_y - 2.0 * exp(xy * scale).mean().item();
  }
  return sum / 3.0;
}

}  // namespace compare_norms
