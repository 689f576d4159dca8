#include "normgrad/train/early_stopping.hpp"

#include <cmath>
#include <limits>

namespace normgrad {

EarlyStopping::EarlyStopping(EarlyStoppingOptions options)
    : options_(options),
      best_(options.mode == PlateauMode::min ? std::numeric_limits<double>::infinity()
                                             : -std::numeric_limits<double>::infinity()) {
  require<ValueError>(options.patience >= 1, "EarlyStopping: expected patience >= 1 but got ", options.patience);
  require<ValueError>(std::isfinite(options.min_delta) && options.min_delta >= 0.0,
                      "EarlyStopping: expected a finite min_delta >= 0 but got ", options.min_delta);
}

bool EarlyStopping::step(double metric) {
  ++epoch_;
  if (options_.check_finite && !std::isfinite(metric)) {
    stopped_ = 1;
    ++num_bad_epochs_;
    return false;
  }
  const bool is_best =
      options_.mode == PlateauMode::min ? metric < best_ - options_.min_delta : metric > best_ + options_.min_delta;
  if (is_best) {
    best_ = metric;
    best_epoch_ = epoch_;
    num_bad_epochs_ = 0;
  } else {
    ++num_bad_epochs_;
  }
  return is_best;
}

bool EarlyStopping::should_stop() const noexcept { return stopped_ != 0 || num_bad_epochs_ >= options_.patience; }

std::vector<detail::StateField> EarlyStopping::fields() {
  return {{"last_epoch", &epoch_},
          {"best", &best_},
          {"best_epoch", &best_epoch_},
          {"num_bad_epochs", &num_bad_epochs_},
          {"stopped", &stopped_}};
}

StateDict EarlyStopping::state_dict() const { return detail::state_of(const_cast<EarlyStopping*>(this)->fields()); }

std::function<void()> EarlyStopping::prepare_state_dict(const StateDict& state) {
  return [own = fields(), values = detail::read_fields("EarlyStopping", fields(), state)] {
    detail::set_values(own, values);
  };
}

}  // namespace normgrad
