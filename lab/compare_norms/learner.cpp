#include "lab/compare_norms/learner.hpp"

#include <cmath>
#include <numbers>

namespace compare_norms {

using namespace normgrad;

namespace {

class Classifier final : public Learner {
 public:
  Classifier(const Plan& plan, Sequential model)
      : model_(std::move(model)), optimizer_(make_optimizer(plan, model_.parameters())) {}
  double step(const Batch& batch) override {
    optimizer_->zero_grad();
    const Tensor loss = cross_entropy(model_(batch.inputs), batch.labels.flatten());
    loss.backward();
    optimizer_->step();
    return loss.item();
  }
  void set_lr(double lr) override { optimizer_->set_lr(lr); }
  Score evaluate(const DatasetPtr& examples) override {
    model_.eval();
    const Score result = score(model_, examples);
    model_.train();
    return result;
  }
  Sequential& model() override { return model_; }

 private:
  Sequential model_;
  std::unique_ptr<Optimizer> optimizer_;
};

}  // namespace

std::unique_ptr<Learner> make_learner(const Plan& plan, std::uint64_t seed, const Data& data,
                                      const std::shared_ptr<TapLog>& taps) {
  Sequential model = make_model({.model = plan.model,
                                 .norm = plan.norm,
                                 .activation = plan.activation,
                                 .placement = plan.placement,
                                 .qk_norm = plan.qk_norm,
                                 .image_shape = data.images.train.image_shape(),
                                 .num_classes = data.num_classes_of(plan.model),
                                 .taps = taps});
  if (plan.model == "unet") {
    return make_denoiser(plan, seed, data, std::move(model));
  }
  if (plan.model == "dcgan") {
    return make_gan(plan, seed, data, std::move(model));
  }
  return std::make_unique<Classifier>(plan, std::move(model));
}

Tensor with_finite_pixels(const Tensor& images) { return where(isfinite(images), images, 0.0); }

std::unique_ptr<Optimizer> make_optimizer(const Plan& plan, const std::vector<Tensor>& parameters) {
  // Adversaries move each other's goals: DCGAN's authors halve the inertia.
  const std::array<double, 2> betas = {plan.model == "dcgan" ? 0.5 : 0.9, 0.999};
  if (plan.optimizer == "adam") {
    return std::make_unique<Adam>(parameters, AdamOptions{.lr = plan.lr, .betas = betas});
  }
  if (plan.optimizer == "adamw") {
    return std::make_unique<AdamW>(parameters, AdamWOptions{.lr = plan.lr, .betas = betas});
  }
  return std::make_unique<SGD>(parameters, SGDOptions{.lr = plan.lr, .momentum = plan.momentum});
}

double lr_of(const Plan& plan, std::int64_t step) {
  constexpr double kRise = 0.3;
  constexpr double kInitial = 1.0 / 25.0;
  constexpr double kFinal = kInitial / 1e4;
  const auto all = static_cast<double>(plan.steps);
  const auto now = static_cast<double>(step);
  const auto warmup = static_cast<double>(plan.warmup);
  // Half a cosine from one value to another.
  const auto between = [](double from, double to, double part) {
    return to + (from - to) * (1.0 + std::cos(std::numbers::pi * part)) / 2.0;
  };
  if (plan.schedule == "onecycle") {
    const double top = std::max(1.0, plan.warmup > 0 ? warmup : std::floor(kRise * all));
    const double factor = now <= top ? between(kInitial, 1.0, top > 1.0 ? (now - 1.0) / (top - 1.0) : 1.0)
                                     : between(1.0, kFinal, (now - top) / std::max(1.0, all - top));
    return plan.lr * factor;
  }
  if (step < plan.warmup) {
    return plan.lr * now / warmup;
  }
  if (plan.schedule == "cosine") {
    const double start = std::max(1.0, warmup);
    return plan.lr * between(1.0, 0.0, (now - start) / std::max(1.0, all - start + 1.0));
  }
  return plan.lr;
}

}  // namespace compare_norms
