#include "normgrad/optim/lr_scheduler.hpp"

#include <cmath>
#include <numbers>

namespace normgrad {

LRScheduler::LRScheduler(Optimizer& optimizer) : optimizer_(optimizer) {
  for (std::size_t g = 0; g < optimizer.num_groups(); ++g) {
    base_lrs_.push_back(optimizer.lr(g));
  }
  last_lr_ = base_lrs_;
}

void LRScheduler::set_epoch(std::int64_t epoch) {
  require<ValueError>(epoch >= 0, "LRScheduler: expected an epoch of at least 0 but got ", epoch);
  epoch_ = epoch;
  for (std::size_t g = 0; g < base_lrs_.size(); ++g) {
    last_lr_[g] = lr_at(epoch, base_lrs_[g]);
    optimizer_.set_lr(last_lr_[g], g);
  }
}

StepLR::StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  require<ValueError>(step_size > 0, "StepLR: expected step_size > 0 but got ", step_size);
  require<ValueError>(gamma >= 0.0, "StepLR: expected gamma >= 0 but got ", gamma);
}

double StepLR::lr_at(std::int64_t epoch, double base_lr) const {
  const std::int64_t drops = epoch / step_size_;
  return base_lr * std::pow(gamma_, static_cast<double>(drops));
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, std::int64_t t_max, double eta_min)
    : LRScheduler(optimizer), t_max_(t_max), eta_min_(eta_min) {
  require<ValueError>(t_max > 0, "CosineAnnealingLR: expected t_max > 0 but got ", t_max);
  require<ValueError>(eta_min >= 0.0, "CosineAnnealingLR: expected eta_min >= 0 but got ", eta_min);
}

double CosineAnnealingLR::lr_at(std::int64_t epoch, double base_lr) const {
  const double phase = std::numbers::pi * static_cast<double>(epoch) / static_cast<double>(t_max_);
  return eta_min_ + (base_lr - eta_min_) * (1.0 + std::cos(phase)) / 2.0;
}

}  // namespace normgrad
