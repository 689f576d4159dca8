#include "normgrad/optim/radam.hpp"

#include <cmath>

#include "normgrad/optim/adaptive.hpp"

namespace normgrad {

RAdam::RAdam(ParameterList params, RAdamOptions options) { add_param_group({std::move(params), options}); }

RAdam::RAdam(std::vector<ParamGroup<RAdamOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> RAdam::options_of(std::size_t group) {
  RAdamOptions& o = options(group);
  return {{"lr", &o.lr},
          {"beta1", &o.betas[0]},
          {"beta2", &o.betas[1]},
          {"eps", &o.eps},
          {"weight_decay", &o.weight_decay},
          {"decoupled_weight_decay", &o.decoupled_weight_decay},
          {"maximize", &o.maximize}};
}

void RAdam::check_options(std::size_t group) const {
  const RAdamOptions& o = options(group);
  detail::check_at_least_zero("RAdam", "lr", o.lr);
  detail::check_at_least_zero("RAdam", "eps", o.eps);
  detail::check_at_least_zero("RAdam", "weight_decay", o.weight_decay);
  detail::check_betas("RAdam", o.betas);
}

const std::vector<const char*>& RAdam::slot_names() const {
  static const std::vector<const char*> kNames = {"exp_avg", "exp_avg_sq"};
  return kNames;
}

Optimizer::SlotStarts RAdam::slots_in_use(std::size_t /*group*/) const { return {0.0, 0.0, std::nullopt}; }

void RAdam::update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) {
  const RAdamOptions& o = options(group);
  const auto t = static_cast<double>(state.step);
  const double beta2_t = std::pow(o.betas[1], t);
  const double longest = 2.0 / (1.0 - o.betas[1]) - 1.0;
  const double length = longest - 2.0 * t * beta2_t / (1.0 - beta2_t);
  const bool rectified = length > 5.0;
  double rate = o.lr / (1.0 - std::pow(o.betas[0], t));
  if (rectified) {
    rate *= std::sqrt((1.0 - beta2_t) * (length - 4.0) * (length - 2.0) * longest /
                      ((longest - 4.0) * (longest - 2.0) * length));
  }
  const kernels::RadamStep step = {
      .common = detail::step_decay(o.lr, o.weight_decay, o.decoupled_weight_decay, o.maximize),
      .beta1 = o.betas[0],
      .beta2 = o.betas[1],
      .eps = o.eps,
      .rate = rate,
      .rectified = rectified};
  detail::adaptive_update(type_name(), param, grad, state.slots, step, slots_in_use(group));
}

}  // namespace normgrad
