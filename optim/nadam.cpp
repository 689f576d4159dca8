#include "normgrad/optim/nadam.hpp"

#include <array>
#include <cmath>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

NAdam::NAdam(ParameterList params, NAdamOptions options) { add_param_group({std::move(params), options}); }

NAdam::NAdam(std::vector<ParamGroup<NAdamOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> NAdam::options_of(std::size_t group) {
  NAdamOptions& o = options(group);
  return {{"lr", &o.lr},
          {"beta1", &o.betas[0]},
          {"beta2", &o.betas[1]},
          {"eps", &o.eps},
          {"weight_decay", &o.weight_decay},
          {"momentum_decay", &o.momentum_decay},
          {"decoupled_weight_decay", &o.decoupled_weight_decay},
          {"maximize", &o.maximize}};
}

void NAdam::check_options(std::size_t group) const {
  const NAdamOptions& o = options(group);
  detail::check_at_least_zero("NAdam", "lr", o.lr);
  detail::check_at_least_zero("NAdam", "eps", o.eps);
  detail::check_at_least_zero("NAdam", "weight_decay", o.weight_decay);
  detail::check_at_least_zero("NAdam", "momentum_decay", o.momentum_decay);
  detail::check_betas("NAdam", o.betas);
}

std::span<const char* const> NAdam::slot_names() const {
  static constexpr std::array kNames = {"exp_avg", "exp_avg_sq"};
  return kNames;
}

std::span<const char* const> NAdam::scalar_names() const {
  static constexpr std::array kNames = {"mu_product"};
  return kNames;
}

Optimizer::SlotStarts NAdam::slots_in_use(std::size_t /*group*/) const { return {0.0, 0.0, std::nullopt}; }

void NAdam::update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) {
  const NAdamOptions& o = options(group);
  const auto t = static_cast<double>(state.step);
  state.scalars[0] *= o.betas[0] * (1.0 - 0.5 * std::pow(0.96, t * o.momentum_decay));  // P_t
  OnePassOptimizer::update(group, param, grad, state);
}

template class detail::OnePassOptimizer<NAdamOptions>;

}  // namespace normgrad
