#include "normgrad/optim/sgd.hpp"

#include <array>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

SGD::SGD(ParameterList params, SGDOptions options) { add_param_group({std::move(params), options}); }

SGD::SGD(std::vector<ParamGroup<SGDOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> SGD::options_of(std::size_t group) {
  SGDOptions& o = options(group);
  return {{"lr", &o.lr},
          {"momentum", &o.momentum},
          {"dampening", &o.dampening},
          {"weight_decay", &o.weight_decay},
          {"nesterov", &o.nesterov},
          {"maximize", &o.maximize}};
}

void SGD::check_options(std::size_t group) const {
  const SGDOptions& o = options(group);
  detail::check_at_least_zero("SGD", "lr", o.lr);
  detail::check_at_least_zero("SGD", "momentum", o.momentum);
  detail::check_finite("SGD", "dampening", o.dampening);
  detail::check_at_least_zero("SGD", "weight_decay", o.weight_decay);
  require<ValueError>(!o.nesterov || (o.momentum > 0.0 && o.dampening == 0.0),
                      "SGD: expected momentum > 0 and dampening = 0 for nesterov but got momentum ", o.momentum,
                      " and dampening ", o.dampening);
}

std::span<const char* const> SGD::slot_names() const {
  static constexpr std::array kNames = {"momentum_buffer"};
  return kNames;
}

Optimizer::SlotStarts SGD::slots_in_use(std::size_t group) const {
  return {options(group).momentum != 0.0 ? std::optional(0.0) : std::nullopt, std::nullopt, std::nullopt};
}

template class detail::OnePassOptimizer<SGDOptions>;

}  // namespace normgrad
