#include "normgrad/optim/schedules/schedules.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace normgrad {

namespace {

std::vector<LRLambda> for_each_group(const char* where, std::vector<LRLambda> factors, std::size_t groups) {
  require<ValueError>(factors.size() == groups, where, ": expected a function for each of ", groups, " groups but got ",
                      factors.size());
  for (const LRLambda& factor : factors) {
    require<ValueError>(static_cast<bool>(factor), where, ": expected functions but got an empty one");
  }
  return factors;
}

double cosine(double phase) { return 1.0 + std::cos(std::numbers::pi * phase); }

void check_gamma(const char* where, double gamma) {
  require<ValueError>(gamma >= 0.0, where, ": expected gamma >= 0 but got ", gamma);
}

}  // namespace

LambdaLR::LambdaLR(Optimizer& optimizer, const LRLambda& factor)
    : LambdaLR(optimizer, std::vector<LRLambda>(optimizer.num_groups(), factor)) {}

LambdaLR::LambdaLR(Optimizer& optimizer, std::vector<LRLambda> factors)
    : LRScheduler(optimizer), factors_(for_each_group("LambdaLR", std::move(factors), num_groups())) {
  start();
}

double LambdaLR::next_lr(std::int64_t epoch, double /*lr*/, std::size_t group) const { return lr_at(epoch, group); }

double LambdaLR::lr_at(std::int64_t epoch, std::size_t group) const { return base_lr(group) * factors_[group](epoch); }

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, const LRLambda& factor)
    : MultiplicativeLR(optimizer, std::vector<LRLambda>(optimizer.num_groups(), factor)) {}

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, std::vector<LRLambda> factors)
    : LRScheduler(optimizer), factors_(for_each_group("MultiplicativeLR", std::move(factors), num_groups())) {
  start();
}

double MultiplicativeLR::next_lr(std::int64_t epoch, double lr, std::size_t group) const {
  return epoch > 0 ? lr * factors_[group](epoch) : lr;
}

double MultiplicativeLR::lr_at(std::int64_t epoch, std::size_t group) const {
  double lr = base_lr(group);
  for (std::int64_t e = 1; e <= epoch; ++e) {
    lr *= factors_[group](e);
  }
  return lr;
}

StepLR::StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  require<ValueError>(step_size > 0, "StepLR: expected step_size > 0 but got ", step_size);
  check_gamma("StepLR", gamma);
  start();
}

double StepLR::next_lr(std::int64_t epoch, double lr, std::size_t /*group*/) const {
  return epoch > 0 && epoch % step_size_ == 0 ? lr * gamma_ : lr;
}

double StepLR::lr_at(std::int64_t epoch, std::size_t group) const {
  const std::int64_t drops = epoch / step_size_;
  return base_lr(group) * std::pow(gamma_, static_cast<double>(drops));
}

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<std::int64_t> milestones, double gamma)
    : LRScheduler(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {
  check_gamma("MultiStepLR", gamma);
  start();
}

double MultiStepLR::next_lr(std::int64_t epoch, double lr, std::size_t /*group*/) const {
  return lr * std::pow(gamma_, static_cast<double>(std::count(milestones_.begin(), milestones_.end(), epoch)));
}

double MultiStepLR::lr_at(std::int64_t epoch, std::size_t group) const {
  const auto passed = std::count_if(milestones_.begin(), milestones_.end(), [&](std::int64_t m) { return m <= epoch; });
  return base_lr(group) * std::pow(gamma_, static_cast<double>(passed));
}

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma) : LRScheduler(optimizer), gamma_(gamma) {
  check_gamma("ExponentialLR", gamma);
  start();
}

double ExponentialLR::next_lr(std::int64_t epoch, double lr, std::size_t /*group*/) const {
  return epoch > 0 ? lr * gamma_ : lr;
}

double ExponentialLR::lr_at(std::int64_t epoch, std::size_t group) const {
  return base_lr(group) * std::pow(gamma_, static_cast<double>(epoch));
}

ConstantLR::ConstantLR(Optimizer& optimizer, ConstantLROptions options) : LRScheduler(optimizer), options_(options) {
  require<ValueError>(options.factor > 0.0 && options.factor <= 1.0, "ConstantLR: expected factor in (0, 1] but got ",
                      options.factor);
  require<ValueError>(options.total_iters >= 0, "ConstantLR: expected total_iters >= 0 but got ", options.total_iters);
  start();
}

double ConstantLR::next_lr(std::int64_t epoch, double lr, std::size_t /*group*/) const {
  if (epoch == 0) {
    return options_.total_iters > 0 ? lr * options_.factor : lr;
  }
  return epoch == options_.total_iters ? lr * (1.0 / options_.factor) : lr;
}

double ConstantLR::lr_at(std::int64_t epoch, std::size_t group) const {
  return base_lr(group) * (epoch >= options_.total_iters ? 1.0 : options_.factor);
}

LinearLR::LinearLR(Optimizer& optimizer, LinearLROptions options) : LRScheduler(optimizer), options_(options) {
  require<ValueError>(options.start_factor > 0.0 && options.start_factor <= 1.0,
                      "LinearLR: expected start_factor in (0, 1] but got ", options.start_factor);
  require<ValueError>(options.end_factor >= 0.0 && options.end_factor <= 1.0,
                      "LinearLR: expected end_factor in [0, 1] but got ", options.end_factor);
  require<ValueError>(options.total_iters > 0, "LinearLR: expected total_iters > 0 but got ", options.total_iters);
  start();
}

double LinearLR::next_lr(std::int64_t epoch, double lr, std::size_t /*group*/) const {
  if (epoch == 0) {
    return lr * options_.start_factor;
  }
  if (epoch > options_.total_iters) {
    return lr;
  }
  const double rise = options_.end_factor - options_.start_factor;
  const double before =
      static_cast<double>(options_.total_iters) * options_.start_factor + static_cast<double>(epoch - 1) * rise;
  return std::max(0.0, lr * (1.0 + rise / before));  // rounding may make an end at 0 negative
}

double LinearLR::lr_at(std::int64_t epoch, std::size_t group) const {
  const double part =
      static_cast<double>(std::min(epoch, options_.total_iters)) / static_cast<double>(options_.total_iters);
  return base_lr(group) * (options_.start_factor + (options_.end_factor - options_.start_factor) * part);
}

PolynomialLR::PolynomialLR(Optimizer& optimizer, PolynomialLROptions options)
    : LRScheduler(optimizer), options_(options) {
  require<ValueError>(options.total_iters > 0, "PolynomialLR: expected total_iters > 0 but got ", options.total_iters);
  start();
}

double PolynomialLR::next_lr(std::int64_t epoch, double lr, std::size_t /*group*/) const {
  if (epoch == 0 || epoch > options_.total_iters) {
    return lr;
  }
  const double n = static_cast<double>(options_.total_iters);
  const double e = static_cast<double>(epoch);
  return lr * std::pow((1.0 - e / n) / (1.0 - (e - 1.0) / n), options_.power);
}

double PolynomialLR::lr_at(std::int64_t epoch, std::size_t group) const {
  const double part =
      static_cast<double>(std::min(epoch, options_.total_iters)) / static_cast<double>(options_.total_iters);
  return base_lr(group) * std::pow(1.0 - part, options_.power);
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, std::int64_t t_max, double eta_min)
    : LRScheduler(optimizer), t_max_(t_max), eta_min_(eta_min) {
  require<ValueError>(t_max > 0, "CosineAnnealingLR: expected t_max > 0 but got ", t_max);
  require<ValueError>(eta_min >= 0.0, "CosineAnnealingLR: expected eta_min >= 0 but got ", eta_min);
  start();
}

double CosineAnnealingLR::next_lr(std::int64_t epoch, double lr, std::size_t group) const {
  if (epoch == 0) {
    return lr;
  }
  const double n = static_cast<double>(t_max_);
  const double e = static_cast<double>(epoch);
  if ((epoch - 1) % t_max_ == 0 &&
      (epoch - 1) / t_max_ % 2 == 1) {  // from the minimum: the quotient below divides by 0
    return lr + (base_lr(group) - eta_min_) * (1.0 - std::cos(std::numbers::pi / n)) / 2.0;
  }
  return std::max(0.0, cosine(e / n) / cosine((e - 1.0) / n) * (lr - eta_min_) + eta_min_);
}

double CosineAnnealingLR::lr_at(std::int64_t epoch, std::size_t group) const {
  return eta_min_ +
         (base_lr(group) - eta_min_) * cosine(static_cast<double>(epoch) / static_cast<double>(t_max_)) / 2.0;
}

CosineAnnealingWarmRestarts::CosineAnnealingWarmRestarts(Optimizer& optimizer, std::int64_t t_0,
                                                         WarmRestartOptions options)
    : LRScheduler(optimizer), t_0_(t_0), options_(options) {
  require<ValueError>(t_0 > 0, "CosineAnnealingWarmRestarts: expected t_0 > 0 but got ", t_0);
  require<ValueError>(options.t_mult >= 1, "CosineAnnealingWarmRestarts: expected t_mult >= 1 but got ",
                      options.t_mult);
  require<ValueError>(options.eta_min >= 0.0, "CosineAnnealingWarmRestarts: expected eta_min >= 0 but got ",
                      options.eta_min);
  start();
}

double CosineAnnealingWarmRestarts::next_lr(std::int64_t epoch, double /*lr*/, std::size_t group) const {
  return lr_at(epoch, group);
}

double CosineAnnealingWarmRestarts::lr_at(std::int64_t epoch, std::size_t group) const {
  std::int64_t period = t_0_;
  std::int64_t current = epoch;
  if (options_.t_mult == 1) {
    current %= period;
  } else {
    while (current >= period) {
      current -= period;
      if (__builtin_mul_overflow(period, options_.t_mult, &period)) {
        period = std::numeric_limits<std::int64_t>::max();
      }
    }
  }
  const double phase = static_cast<double>(current) / static_cast<double>(period);
  return options_.eta_min + (base_lr(group) - options_.eta_min) * cosine(phase) / 2.0;
}

}  // namespace normgrad
