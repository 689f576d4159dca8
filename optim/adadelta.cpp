#include "normgrad/optim/adadelta.hpp"

#include <array>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

Adadelta::Adadelta(ParameterList params, AdadeltaOptions options) { add_param_group({std::move(params), options}); }

Adadelta::Adadelta(std::vector<ParamGroup<AdadeltaOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> Adadelta::options_of(std::size_t group) {
  AdadeltaOptions& o = options(group);
  return {
      {"lr", &o.lr}, {"rho", &o.rho}, {"eps", &o.eps}, {"weight_decay", &o.weight_decay}, {"maximize", &o.maximize}};
}

void Adadelta::check_options(std::size_t group) const {
  const AdadeltaOptions& o = options(group);
  detail::check_at_least_zero("Adadelta", "lr", o.lr);
  detail::check_at_least_zero("Adadelta", "eps", o.eps);
  detail::check_at_least_zero("Adadelta", "weight_decay", o.weight_decay);
  require<ValueError>(o.rho >= 0.0 && o.rho <= 1.0, "Adadelta: expected rho in [0, 1] but got ", o.rho);
}

std::span<const char* const> Adadelta::slot_names() const {
  static constexpr std::array kNames = {"square_avg", "acc_delta"};
  return kNames;
}

Optimizer::SlotStarts Adadelta::slots_in_use(std::size_t /*group*/) const { return {0.0, 0.0, std::nullopt}; }

template class detail::OnePassOptimizer<AdadeltaOptions>;

}  // namespace normgrad
