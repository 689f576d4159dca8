// A network with skip connections that removes noise from images.
#include <cmath>
#include <numeric>

#include "lab/compare_norms/learner.hpp"
#include "lab/compare_norms/model_parts.hpp"

namespace compare_norms {

using namespace normgrad;

namespace {

constexpr std::int64_t kDenoisedImages = 500;
constexpr std::uint64_t kTestNoise = 20'150'518;  // the same for all models
constexpr double kNoiseOfPixel = 50.0 / 255.0;

/// conv 3x3, norm, activation, twice.
Sequential two_convolutions(const ModelSpec& spec, const std::string& i, std::int64_t in, std::int64_t out) {
  Sequential net;
  for (const char* part : {"a", "b"}) {
    net.push_back("conv" + i + part, Conv2d(in, out, 3, {.padding = 1}));
    add_norm_and_activation(net, spec, i + part, {.num_features = out, .spatial_dims = 2});
    in = out;
  }
  return net;
}

/// [N, C, H, W] -> [N, C, H, W]: three resolutions of 8, 16 and 32 channels, and back with skip connections
/// (Ronneberger et al., 2015). Predicts the noise, which is subtracted (Zhang et al., 2017).
class UNet final : public Module {
 public:
  explicit UNet(const ModelSpec& spec)
      : down1(two_convolutions(spec, "1", spec.image_shape[0], 8)),
        down2(two_convolutions(spec, "2", 8, 16)),
        bottom(two_convolutions(spec, "3", 16, 32)),
        up2(two_convolutions(spec, "4", 32 + 16, 16)),
        up1(two_convolutions(spec, "5", 16 + 8, 8)),
        last(8, spec.image_shape[0], 1) {}
  Sequential down1;
  Sequential down2;
  Sequential bottom;
  Sequential up2;
  Sequential up1;
  Conv2d last;
  NORMGRAD_MEMBERS(UNet, down1, down2, bottom, up2, up1, last)
  Tensor forward(const Tensor& x) override {
    const Tensor high = down1(x);
    const Tensor middle = down2(max_pool2d(high, 2));
    const Tensor low = bottom(max_pool2d(middle, 2));
    const Tensor risen = up2(cat({enlarged(low, middle), middle}, 1));
    return x - last(up1(cat({enlarged(risen, high), high}, 1)));
  }

 private:
  static Tensor enlarged(const Tensor& x, const Tensor& like) {
    return interpolate(x, {.size = {like.size(2), like.size(3)}});
  }
};

class Denoiser final : public Learner {
 public:
  Denoiser(const Plan& plan, std::uint64_t seed, double std, Sequential model)
      : model_(std::move(model)), optimizer_(make_optimizer(plan, model_.parameters())), noise_(seed), std_(std) {}
  double step(const Batch& batch) override {
    optimizer_->zero_grad();
    const Tensor loss = mse_loss(model_(noisy(batch.inputs, noise_)), batch.inputs);
    loss.backward();
    optimizer_->step();
    return loss.item();
  }
  void set_lr(double lr) override { optimizer_->set_lr(lr); }
  Score evaluate(const DatasetPtr& examples) override {
    const NoGradGuard no_grad;
    model_.eval();
    Generator same(kTestNoise);
    std::vector<std::int64_t> first(static_cast<std::size_t>(std::min(kDenoisedImages, examples->size())));
    std::iota(first.begin(), first.end(), 0);
    const Tensor images = examples->batch(first).inputs;
    // In units of a pixel's range of 1.
    const Tensor made = with_finite_pixels(model_(noisy(images, same)));
    const Tensor errors = square((made - images).to(kFloat64) * std_).mean(Axes{1, 2, 3});
    model_.train();
    const Tensor decibels = log10(errors + 1e-12) * -10.0;
    const auto n = static_cast<double>(first.size());
    return {.loss = errors.mean().item() / (std_ * std_),
            .accuracy = decibels.mean().item(),
            .deviation = std::sqrt(decibels.var(Axes{0}, false).item() / n)};
  }
  Sequential& model() override { return model_; }

 private:
  /// Images are standardized: noise of a pixel's range is larger by 1 / std.
  Tensor noisy(const Tensor& images, Generator& generator) const {
    return images + randn(images.shape(), {}, &generator) * (kNoiseOfPixel / std_);
  }

  Sequential model_;
  std::unique_ptr<Optimizer> optimizer_;
  Generator noise_;
  double std_;
};

}  // namespace

Sequential make_unet(const ModelSpec& spec) {
  Sequential net;
  net.push_back("unet", UNet(spec));
  return net;
}

std::unique_ptr<Learner> make_denoiser(const Plan& plan, std::uint64_t seed, const Data& data, Sequential model) {
  return std::make_unique<Denoiser>(plan, seed, data.pixels.std, std::move(model));
}

}  // namespace compare_norms
