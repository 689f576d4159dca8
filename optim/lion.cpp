#include "normgrad/optim/lion.hpp"

#include <array>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

Lion::Lion(ParameterList params, LionOptions options) { add_param_group({std::move(params), options}); }

Lion::Lion(std::vector<ParamGroup<LionOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> Lion::options_of(std::size_t group) {
  LionOptions& o = options(group);
  return {{"lr", &o.lr},
          {"beta1", &o.betas[0]},
          {"beta2", &o.betas[1]},
          {"weight_decay", &o.weight_decay},
          {"maximize", &o.maximize}};
}

void Lion::check_options(std::size_t group) const {
  const LionOptions& o = options(group);
  detail::check_at_least_zero("Lion", "lr", o.lr);
  detail::check_at_least_zero("Lion", "weight_decay", o.weight_decay);
  detail::check_betas("Lion", o.betas);
}

std::span<const char* const> Lion::slot_names() const {
  static constexpr std::array kNames = {"exp_avg"};
  return kNames;
}

Optimizer::SlotStarts Lion::slots_in_use(std::size_t /*group*/) const { return {0.0, std::nullopt, std::nullopt}; }

template class detail::OnePassOptimizer<LionOptions>;

}  // namespace normgrad
