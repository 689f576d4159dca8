// Learning rate schedules with a closed form. base_lr is the optimizer's initial rate.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "normgrad/optim/schedules/lr_scheduler.hpp"

namespace normgrad {

/// A factor as a function of the epoch.
using LRLambda = std::function<double(std::int64_t epoch)>;

/// torch.optim.lr_scheduler.LambdaLR: base_lr * factor(epoch).
class LambdaLR final : public LRScheduler {
 public:
  LambdaLR(Optimizer& optimizer, const LRLambda& factor);  ///< one function for all groups
  /// One function for each group. Throws ValueError if the count does not match.
  LambdaLR(Optimizer& optimizer, std::vector<LRLambda> factors);

 protected:
  const char* type_name() const noexcept override { return "LambdaLR"; }
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const override;
  double lr_at(std::int64_t epoch, std::size_t group) const override;

 private:
  std::vector<LRLambda> factors_;
};

/// torch.optim.lr_scheduler.MultiplicativeLR: the previous epoch's rate times factor(epoch).
class MultiplicativeLR final : public LRScheduler {
 public:
  MultiplicativeLR(Optimizer& optimizer, const LRLambda& factor);  ///< one function for all groups
  /// One function for each group. Throws ValueError if the count does not match.
  MultiplicativeLR(Optimizer& optimizer, std::vector<LRLambda> factors);

 protected:
  const char* type_name() const noexcept override { return "MultiplicativeLR"; }
  void restart() override { begin(); }  // continues from the rate of the previous part, as in PyTorch
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const override;
  double lr_at(std::int64_t epoch, std::size_t group) const override;

 private:
  std::vector<LRLambda> factors_;
};

/// torch.optim.lr_scheduler.StepLR: base_lr * gamma^floor(epoch / step_size).
class StepLR final : public LRScheduler {
 public:
  /// Throws ValueError unless step_size > 0 and gamma >= 0.
  StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma = 0.1);

 protected:
  const char* type_name() const noexcept override { return "StepLR"; }
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const override;
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  bool is_recursive() const noexcept override { return true; }

 private:
  std::int64_t step_size_;
  double gamma_;
};

/// torch.optim.lr_scheduler.MultiStepLR: base_lr times gamma for every milestone <= epoch; milestones may repeat.
class MultiStepLR final : public LRScheduler {
 public:
  /// Milestones in any order. Throws ValueError unless gamma >= 0.
  MultiStepLR(Optimizer& optimizer, std::vector<std::int64_t> milestones, double gamma = 0.1);

 protected:
  const char* type_name() const noexcept override { return "MultiStepLR"; }
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const override;
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  bool is_recursive() const noexcept override { return true; }

 private:
  std::vector<std::int64_t> milestones_;
  double gamma_;
};

/// torch.optim.lr_scheduler.ExponentialLR: base_lr * gamma^epoch.
class ExponentialLR final : public LRScheduler {
 public:
  /// Throws ValueError unless gamma >= 0.
  ExponentialLR(Optimizer& optimizer, double gamma);

 protected:
  const char* type_name() const noexcept override { return "ExponentialLR"; }
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const override;
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  bool is_recursive() const noexcept override { return true; }

 private:
  double gamma_;
};

/// Options of ConstantLR; names and defaults are PyTorch's.
struct ConstantLROptions {
  double factor = 1.0 / 3.0;     ///< in (0, 1]
  std::int64_t total_iters = 5;  ///< epochs with the factor
};
/// torch.optim.lr_scheduler.ConstantLR: base_lr * factor before epoch total_iters, then base_lr.
class ConstantLR final : public LRScheduler {
 public:
  /// Throws ValueError unless 0 < factor <= 1 and total_iters >= 0. (PyTorch accepts 0 and later divides by it.)
  explicit ConstantLR(Optimizer& optimizer, ConstantLROptions options = {});

 protected:
  const char* type_name() const noexcept override { return "ConstantLR"; }
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const override;
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  bool is_recursive() const noexcept override { return true; }

 private:
  ConstantLROptions options_;
};

/// Options of LinearLR; names and defaults are PyTorch's.
struct LinearLROptions {
  double start_factor = 1.0 / 3.0;  ///< in (0, 1]
  double end_factor = 1.0;          ///< in [0, 1]
  std::int64_t total_iters = 5;     ///< epochs from start_factor to end_factor
};
/// torch.optim.lr_scheduler.LinearLR: base_lr times a factor that changes linearly from start_factor in epoch 0 to
/// end_factor in epoch total_iters and then stays constant. Used for warm-up.
class LinearLR final : public LRScheduler {
 public:
  /// Throws ValueError unless 0 < start_factor <= 1, 0 <= end_factor <= 1 and total_iters > 0.
  explicit LinearLR(Optimizer& optimizer, LinearLROptions options = {});

 protected:
  const char* type_name() const noexcept override { return "LinearLR"; }
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const override;
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  bool is_recursive() const noexcept override { return true; }

 private:
  LinearLROptions options_;
};

/// Options of PolynomialLR; names and defaults are PyTorch's.
struct PolynomialLROptions {
  std::int64_t total_iters = 5;  ///< epochs until the rate is 0
  double power = 1.0;            ///< exponent; 1: linear
};
/// torch.optim.lr_scheduler.PolynomialLR: base_lr * (1 - epoch / total_iters)^power, 0 from total_iters on.
class PolynomialLR final : public LRScheduler {
 public:
  /// Throws ValueError unless total_iters > 0.
  explicit PolynomialLR(Optimizer& optimizer, PolynomialLROptions options = {});

 protected:
  const char* type_name() const noexcept override { return "PolynomialLR"; }
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const override;
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  bool is_recursive() const noexcept override { return true; }

 private:
  PolynomialLROptions options_;
};

/// torch.optim.lr_scheduler.CosineAnnealingLR (Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm
/// restarts", 2017, without restarts): eta_min + (base_lr - eta_min) * (1 + cos(pi * epoch / t_max)) / 2. The rate
/// rises again after t_max.
class CosineAnnealingLR final : public LRScheduler {
 public:
  /// Throws ValueError unless t_max > 0 and eta_min >= 0.
  CosineAnnealingLR(Optimizer& optimizer, std::int64_t t_max, double eta_min = 0.0);

 protected:
  const char* type_name() const noexcept override { return "CosineAnnealingLR"; }
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const override;
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  bool is_recursive() const noexcept override { return true; }

 private:
  std::int64_t t_max_;
  double eta_min_;
};

/// Options of CosineAnnealingWarmRestarts; names and defaults are PyTorch's.
struct WarmRestartOptions {
  std::int64_t t_mult = 1;  ///< factor between the lengths of successive periods
  double eta_min = 0.0;     ///< the rate at the end of a period
};
/// torch.optim.lr_scheduler.CosineAnnealingWarmRestarts (same paper): half a cosine from base_lr to eta_min in each
/// period. The first period has t_0 epochs.
class CosineAnnealingWarmRestarts final : public LRScheduler {
 public:
  /// Throws ValueError unless t_0 > 0, t_mult >= 1 and eta_min >= 0.
  CosineAnnealingWarmRestarts(Optimizer& optimizer, std::int64_t t_0, WarmRestartOptions options = {});

 protected:
  const char* type_name() const noexcept override { return "CosineAnnealingWarmRestarts"; }
  double next_lr(std::int64_t epoch, double lr, std::size_t group) const override;
  double lr_at(std::int64_t epoch, std::size_t group) const override;

 private:
  std::int64_t t_0_;
  WarmRestartOptions options_;
};

}  // namespace normgrad
