#include "normgrad/optim/schedules/cycle.hpp"

#include <cmath>
#include <numbers>

namespace normgrad {

namespace detail {

MomentumSchedule::MomentumSchedule(const char* where, Optimizer& optimizer, bool cycle_momentum)
    : LRScheduler(optimizer) {
  if (!cycle_momentum) {
    return;
  }
  momentum_ = optimizer.has_option("beta1") ? "beta1" : "momentum";
  require<ValueError>(optimizer.has_option(momentum_), where, ": expected an optimizer with momentum but got ",
                      optimizer.type_name(), "; set cycle_momentum = false");
  for (std::size_t g = 0; g < optimizer.num_groups(); ++g) {
    last_momentum_.push_back(optimizer.option(momentum_, g));
  }
}

void MomentumSchedule::enter_epoch(std::int64_t epoch) {
  std::vector<double> before;
  std::vector<double> momenta;
  for (std::size_t g = 0; g < last_momentum_.size(); ++g) {
    before.push_back(optimizer().option(momentum_, g));
    momenta.push_back(momentum_at(epoch, g));
  }
  std::size_t g = 0;
  try {
    for (; g < momenta.size(); ++g) {
      optimizer().set_option(momentum_, momenta[g], g);
    }
  } catch (...) {  // only the optimizer knows its limits; its old values are within them
    while (g > 0) {
      --g;
      optimizer().set_option(momentum_, before[g], g);
    }
    throw;
  }
  last_momentum_ = std::move(momenta);
}

std::vector<StateField> MomentumSchedule::fields() {
  std::vector<StateField> all = LRScheduler::fields();
  if (!momentum_.empty()) {
    all.emplace_back("last_momentum", &last_momentum_);
  }
  return all;
}

void MomentumSchedule::tell_optimizer() {
  LRScheduler::tell_optimizer();
  for (std::size_t g = 0; g < last_momentum_.size(); ++g) {
    set_unchecked(momentum_, last_momentum_[g], g);
  }
}

}  // namespace detail

namespace {

// Returns 0 on overflow.
std::int64_t product(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? 0 : result;
}

void check_momenta(const char* where, const std::vector<double>& base, const std::vector<double>& max) {
  for (std::size_t g = 0; g < base.size(); ++g) {
    require<ValueError>(base[g] >= 0.0 && base[g] < 1.0 && max[g] >= 0.0 && max[g] < 1.0, where,
                        ": expected base_momentum and max_momentum in [0, 1) but got ", base[g], " and ", max[g]);
  }
}

}  // namespace

OneCycleLR::OneCycleLR(Optimizer& optimizer, const PerGroup& max_lr, const OneCycleLROptions& options)
    : MomentumSchedule("OneCycleLR", optimizer, options.cycle_momentum),
      total_steps_(options.total_steps != 0 ? options.total_steps : product(options.epochs, options.steps_per_epoch)),
      options_(options),
      max_lrs_(max_lr.resolve("OneCycleLR", "max_lr", num_groups())),
      base_momentums_(options.base_momentum.resolve("OneCycleLR", "base_momentum", num_groups())),
      max_momentums_(options.max_momentum.resolve("OneCycleLR", "max_momentum", num_groups())) {
  require<ValueError>(total_steps_ > 0 && options.epochs >= 0 && options.steps_per_epoch >= 0,
                      "OneCycleLR: expected total_steps > 0, or epochs and steps_per_epoch > 0, but got ",
                      options.total_steps, ", ", options.epochs, " and ", options.steps_per_epoch);
  require<ValueError>(options.pct_start >= 0.0 && options.pct_start <= 1.0,
                      "OneCycleLR: expected pct_start in [0, 1] but got ", options.pct_start);
  require<ValueError>(options.div_factor > 0.0 && options.final_div_factor > 0.0,
                      "OneCycleLR: expected div_factor and final_div_factor > 0 but got ", options.div_factor, " and ",
                      options.final_div_factor);
  check_momenta("OneCycleLR", base_momentums_, max_momentums_);
  for (std::size_t g = 0; g < num_groups(); ++g) {
    require<ValueError>(max_lrs_[g] >= 0.0, "OneCycleLR: expected max_lr >= 0 but got ", max_lrs_[g]);
  }
  std::vector<double> base_lrs;
  for (std::size_t g = 0; g < num_groups(); ++g) {
    base_lrs.push_back(max_lrs_[g] / options.div_factor);
    set_base_lr(base_lrs[g], g);
  }
  const double rise = options.pct_start * static_cast<double>(total_steps_);
  const double last = static_cast<double>(total_steps_ - 1);
  if (options.three_phase) {
    phases_ = {{rise - 1.0, End::initial, End::top},
               {2.0 * rise - 2.0, End::top, End::initial},
               {last, End::initial, End::last}};
  } else {
    phases_ = {{rise - 1.0, End::initial, End::top}, {last, End::top, End::last}};
  }
  start(base_lrs);
}

void OneCycleLR::check_epoch(std::int64_t epoch) const {
  require<ValueError>(epoch <= total_steps_, "OneCycleLR: expected at most total_steps = ", total_steps_,
                      " steps but got one more");
}

template <class Value>
double OneCycleLR::anneal(std::int64_t epoch, Value value_of_end) const {
  const double step = static_cast<double>(epoch);
  double start_step = 0.0;
  std::size_t i = 0;
  while (i + 1 < phases_.size() && step > phases_[i].end_step) {
    start_step = phases_[i++].end_step;
  }
  const double length = phases_[i].end_step - start_step;
  const double part = length != 0.0 ? (step - start_step) / length : 1.0;
  const double from = value_of_end(phases_[i].from);
  const double to = value_of_end(phases_[i].to);
  if (options_.anneal_strategy == AnnealStrategy::linear) {
    return (to - from) * part + from;
  }
  return to + (from - to) / 2.0 * (std::cos(std::numbers::pi * part) + 1.0);
}

double OneCycleLR::lr_at(std::int64_t epoch, std::size_t group) const {
  const double initial = max_lrs_[group] / options_.div_factor;
  const double lr = anneal(epoch, [&](End end) {
    return end == End::initial ? initial : end == End::top ? max_lrs_[group] : initial / options_.final_div_factor;
  });
  return lr > 0.0 ? lr : 0.0;  // the linear strategy overshoots its end in the last step
}

double OneCycleLR::momentum_at(std::int64_t epoch, std::size_t group) const {
  return anneal(epoch, [&](End end) { return end == End::top ? base_momentums_[group] : max_momentums_[group]; });
}

CyclicLR::CyclicLR(Optimizer& optimizer, const PerGroup& base_lr, const PerGroup& max_lr,
                   const CyclicLROptions& options)
    : MomentumSchedule("CyclicLR", optimizer, options.cycle_momentum),
      options_(options),
      total_size_(static_cast<double>(options.step_size_up) +
                  static_cast<double>(options.step_size_down.value_or(options.step_size_up))),
      step_ratio_(static_cast<double>(options.step_size_up) / total_size_),
      max_lrs_(max_lr.resolve("CyclicLR", "max_lr", num_groups())),
      base_momentums_(options.base_momentum.resolve("CyclicLR", "base_momentum", num_groups())),
      max_momentums_(options.max_momentum.resolve("CyclicLR", "max_momentum", num_groups())) {
  require<ValueError>(options.step_size_up > 0 && options.step_size_down.value_or(1) > 0,
                      "CyclicLR: expected step_size_up and step_size_down > 0 but got ", options.step_size_up, " and ",
                      options.step_size_down.value_or(options.step_size_up));
  check_momenta("CyclicLR", base_momentums_, max_momentums_);
  const std::vector<double> base_lrs = base_lr.resolve("CyclicLR", "base_lr", num_groups());
  for (std::size_t g = 0; g < num_groups(); ++g) {
    require<ValueError>(base_lrs[g] >= 0.0 && max_lrs_[g] >= 0.0, "CyclicLR: expected base_lr and max_lr >= 0 but got ",
                        base_lrs[g], " and ", max_lrs_[g]);
  }
  for (std::size_t g = 0; g < num_groups(); ++g) {
    set_base_lr(base_lrs[g], g);
  }
  if (optimizer_has_initial_lr()) {
    start();
  } else {
    start(base_lrs);
  }
}

double CyclicLR::scale(std::int64_t epoch) const {
  const double position = static_cast<double>(epoch) / total_size_;
  const double cycle = std::floor(1.0 + position);
  const double x = 1.0 + position - cycle;
  const double height = x <= step_ratio_ ? x / step_ratio_ : (x - 1.0) / (step_ratio_ - 1.0);
  if (options_.scale_fn) {
    return height * options_.scale_fn(options_.scale_mode == ScaleMode::cycle ? cycle : static_cast<double>(epoch));
  }
  switch (options_.mode) {
    case CyclicMode::triangular2:
      return height / std::pow(2.0, cycle - 1.0);
    case CyclicMode::exp_range:
      return height * std::pow(options_.gamma, static_cast<double>(epoch));
    default:
      return height;
  }
}

double CyclicLR::lr_at(std::int64_t epoch, std::size_t group) const {
  return base_lr(group) + (max_lrs_[group] - base_lr(group)) * scale(epoch);
}

double CyclicLR::momentum_at(std::int64_t epoch, std::size_t group) const {
  return max_momentums_[group] - (max_momentums_[group] - base_momentums_[group]) * scale(epoch);
}

}  // namespace normgrad
