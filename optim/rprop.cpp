#include "normgrad/optim/rprop.hpp"

#include <array>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

Rprop::Rprop(ParameterList params, RpropOptions options) { add_param_group({std::move(params), options}); }

Rprop::Rprop(std::vector<ParamGroup<RpropOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> Rprop::options_of(std::size_t group) {
  RpropOptions& o = options(group);
  return {{"lr", &o.lr},
          {"eta_minus", &o.etas[0]},
          {"eta_plus", &o.etas[1]},
          {"step_size_min", &o.step_sizes[0]},
          {"step_size_max", &o.step_sizes[1]},
          {"maximize", &o.maximize}};
}

void Rprop::check_options(std::size_t group) const {
  const RpropOptions& o = options(group);
  detail::check_at_least_zero("Rprop", "lr", o.lr);
  require<ValueError>(o.etas[0] > 0.0 && o.etas[0] < 1.0 && o.etas[1] > 1.0 && std::isfinite(o.etas[1]),
                      "Rprop: expected etas in (0, 1) and above 1 but got ", o.etas[0], " and ", o.etas[1]);
  require<ValueError>(o.step_sizes[0] >= 0.0 && o.step_sizes[1] >= o.step_sizes[0] && std::isfinite(o.step_sizes[1]),
                      "Rprop: expected step_sizes with 0 <= smallest <= largest but got ", o.step_sizes[0], " and ",
                      o.step_sizes[1]);
}

std::span<const char* const> Rprop::slot_names() const {
  static constexpr std::array kNames = {"prev", "step_size"};
  return kNames;
}

Optimizer::SlotStarts Rprop::slots_in_use(std::size_t group) const { return {0.0, options(group).lr, std::nullopt}; }

template class detail::OnePassOptimizer<RpropOptions>;

}  // namespace normgrad
