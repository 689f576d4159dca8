#include "normgrad/optim/rmsprop.hpp"

#include <array>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

RMSprop::RMSprop(ParameterList params, RMSpropOptions options) { add_param_group({std::move(params), options}); }

RMSprop::RMSprop(std::vector<ParamGroup<RMSpropOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> RMSprop::options_of(std::size_t group) {
  RMSpropOptions& o = options(group);
  return {{"lr", &o.lr},
          {"alpha", &o.alpha},
          {"eps", &o.eps},
          {"weight_decay", &o.weight_decay},
          {"momentum", &o.momentum},
          {"centered", &o.centered},
          {"maximize", &o.maximize}};
}

void RMSprop::check_options(std::size_t group) const {
  const RMSpropOptions& o = options(group);
  detail::check_at_least_zero("RMSprop", "lr", o.lr);
  detail::check_at_least_zero("RMSprop", "eps", o.eps);
  detail::check_at_least_zero("RMSprop", "weight_decay", o.weight_decay);
  detail::check_at_least_zero("RMSprop", "momentum", o.momentum);
  require<ValueError>(o.alpha >= 0.0 && o.alpha <= 1.0, "RMSprop: expected alpha in [0, 1] but got ", o.alpha);
}

std::span<const char* const> RMSprop::slot_names() const {
  static constexpr std::array kNames = {"square_avg", "grad_avg", "momentum_buffer"};
  return kNames;
}

Optimizer::SlotStarts RMSprop::slots_in_use(std::size_t group) const {
  const RMSpropOptions& o = options(group);
  const auto if_used = [](bool used) { return used ? std::optional(0.0) : std::nullopt; };
  return {0.0, if_used(o.centered), if_used(o.momentum > 0.0)};
}

template class detail::OnePassOptimizer<RMSpropOptions>;

}  // namespace normgrad
