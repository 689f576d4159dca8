#include "normgrad/optim/adagrad.hpp"

#include <array>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

Adagrad::Adagrad(ParameterList params, AdagradOptions options) { add_param_group({std::move(params), options}); }

Adagrad::Adagrad(std::vector<ParamGroup<AdagradOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> Adagrad::options_of(std::size_t group) {
  AdagradOptions& o = options(group);
  return {{"lr", &o.lr},
          {"lr_decay", &o.lr_decay},
          {"weight_decay", &o.weight_decay},
          {"initial_accumulator_value", &o.initial_accumulator_value},
          {"eps", &o.eps},
          {"maximize", &o.maximize}};
}

void Adagrad::check_options(std::size_t group) const {
  const AdagradOptions& o = options(group);
  detail::check_at_least_zero("Adagrad", "lr", o.lr);
  detail::check_at_least_zero("Adagrad", "lr_decay", o.lr_decay);
  detail::check_at_least_zero("Adagrad", "weight_decay", o.weight_decay);
  detail::check_at_least_zero("Adagrad", "initial_accumulator_value", o.initial_accumulator_value);
  detail::check_at_least_zero("Adagrad", "eps", o.eps);
}

std::span<const char* const> Adagrad::slot_names() const {
  static constexpr std::array kNames = {"sum"};
  return kNames;
}

Optimizer::SlotStarts Adagrad::slots_in_use(std::size_t group) const {
  return {options(group).initial_accumulator_value, std::nullopt, std::nullopt};
}

template class detail::OnePassOptimizer<AdagradOptions>;

}  // namespace normgrad
