#include "normgrad/optim/adamax.hpp"

#include <array>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

Adamax::Adamax(ParameterList params, AdamaxOptions options) { add_param_group({std::move(params), options}); }

Adamax::Adamax(std::vector<ParamGroup<AdamaxOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> Adamax::options_of(std::size_t group) {
  AdamaxOptions& o = options(group);
  return {{"lr", &o.lr},
          {"beta1", &o.betas[0]},
          {"beta2", &o.betas[1]},
          {"eps", &o.eps},
          {"weight_decay", &o.weight_decay},
          {"maximize", &o.maximize}};
}

void Adamax::check_options(std::size_t group) const {
  const AdamaxOptions& o = options(group);
  detail::check_at_least_zero("Adamax", "lr", o.lr);
  detail::check_at_least_zero("Adamax", "eps", o.eps);
  detail::check_at_least_zero("Adamax", "weight_decay", o.weight_decay);
  detail::check_betas("Adamax", o.betas);
}

std::span<const char* const> Adamax::slot_names() const {
  static constexpr std::array kNames = {"exp_avg", "exp_inf"};
  return kNames;
}

Optimizer::SlotStarts Adamax::slots_in_use(std::size_t /*group*/) const { return {0.0, 0.0, std::nullopt}; }

template class detail::OnePassOptimizer<AdamaxOptions>;

}  // namespace normgrad
