#include "normgrad/optim/radam.hpp"

#include <array>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

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

std::span<const char* const> RAdam::slot_names() const {
  static constexpr std::array kNames = {"exp_avg", "exp_avg_sq"};
  return kNames;
}

Optimizer::SlotStarts RAdam::slots_in_use(std::size_t /*group*/) const { return {0.0, 0.0, std::nullopt}; }

template class detail::OnePassOptimizer<RAdamOptions>;

}  // namespace normgrad
