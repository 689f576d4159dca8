#include "normgrad/optim/schedules/reduce_lr_on_plateau.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace normgrad {

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, ReduceLROnPlateauOptions options)
    : optimizer_(&optimizer),
      options_(std::move(options)),
      min_lrs_(options_.min_lr.resolve("ReduceLROnPlateau", "min_lr", optimizer.num_groups())),
      best_(options_.mode == PlateauMode::min ? std::numeric_limits<double>::infinity()
                                              : -std::numeric_limits<double>::infinity()) {
  require<ValueError>(options_.factor >= 0.0 && options_.factor < 1.0,
                      "ReduceLROnPlateau: expected factor in [0, 1) but got ", options_.factor);
  require<ValueError>(options_.patience >= 0 && options_.cooldown >= 0,
                      "ReduceLROnPlateau: expected patience and cooldown >= 0 but got ", options_.patience, " and ",
                      options_.cooldown);
  require<ValueError>(std::isfinite(options_.threshold) && std::isfinite(options_.eps),
                      "ReduceLROnPlateau: expected a finite threshold and eps but got ", options_.threshold, " and ",
                      options_.eps);
  for (std::size_t g = 0; g < optimizer.num_groups(); ++g) {
    require<ValueError>(min_lrs_[g] >= 0.0, "ReduceLROnPlateau: expected min_lr >= 0 but got ", min_lrs_[g]);
    last_lr_.push_back(optimizer.lr(g));
  }
}

bool ReduceLROnPlateau::is_better(double metric) const {
  const bool lower = options_.mode == PlateauMode::min;
  if (!std::isfinite(best_)) {
    return lower ? metric < best_ : metric > best_;
  }
  const double step = lower ? -options_.threshold : options_.threshold;
  // The margin is relative to |best|, so its sign flips for a negative best. For others (1 + step) rounds as in
  // PyTorch.
  const double limit = options_.threshold_mode == ThresholdMode::abs ? best_ + step
                       : best_ < 0.0                                 ? best_ * (1.0 - step)
                                                                     : best_ * (1.0 + step);
  return lower ? metric < limit : metric > limit;
}

void ReduceLROnPlateau::step(double metric) {
  ++epoch_;
  if (is_better(metric)) {
    best_ = metric;
    num_bad_epochs_ = 0;
  } else {
    ++num_bad_epochs_;
  }
  if (cooldown_counter_ > 0) {
    --cooldown_counter_;
    num_bad_epochs_ = 0;
  }
  if (num_bad_epochs_ > options_.patience) {
    for (std::size_t g = 0; g < min_lrs_.size(); ++g) {
      const double lr = optimizer_->lr(g);
      const double reduced = std::max(lr * options_.factor, min_lrs_[g]);
      if (lr - reduced > options_.eps) {
        optimizer_->set_lr(reduced, g);
      }
    }
    cooldown_counter_ = options_.cooldown;
    num_bad_epochs_ = 0;
  }
  for (std::size_t g = 0; g < last_lr_.size(); ++g) {
    last_lr_[g] = optimizer_->lr(g);
  }
}

std::vector<detail::StateField> ReduceLROnPlateau::fields() {
  return {{"last_epoch", &epoch_},
          {"best", &best_},
          {"num_bad_epochs", &num_bad_epochs_},
          {"cooldown_counter", &cooldown_counter_},
          {"last_lr", &last_lr_}};
}

StateDict ReduceLROnPlateau::state_dict() const {
  return detail::state_of(const_cast<ReduceLROnPlateau*>(this)->fields());
}

std::function<void()> ReduceLROnPlateau::prepare_state_dict(const StateDict& state) {
  return [this, own = fields(), values = detail::read_fields("ReduceLROnPlateau", fields(), state)] {
    detail::set_values(own, values);
    for (std::size_t g = 0; g < last_lr_.size(); ++g) {
      optimizer_->set_lr(last_lr_[g], g);
    }
  };
}

}  // namespace normgrad
