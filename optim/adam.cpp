#include "normgrad/optim/adam.hpp"

#include <array>

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad::detail {

template <class Options>
std::vector<Optimizer::Option> AdamLike<Options>::options_of(std::size_t group) {
  Options& o = this->options(group);
  return {{"lr", &o.lr},
          {"beta1", &o.betas[0]},
          {"beta2", &o.betas[1]},
          {"eps", &o.eps},
          {"weight_decay", &o.weight_decay},
          {"amsgrad", &o.amsgrad},
          {"maximize", &o.maximize}};
}

template <class Options>
void AdamLike<Options>::check_options(std::size_t group) const {
  const Options& o = this->options(group);
  const char* name = this->type_name();
  check_at_least_zero(name, "lr", o.lr);
  check_betas(name, o.betas);
  check_at_least_zero(name, "eps", o.eps);
  check_at_least_zero(name, "weight_decay", o.weight_decay);
}

template <class Options>
std::span<const char* const> AdamLike<Options>::slot_names() const {
  static constexpr std::array kNames = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  return kNames;
}

template <class Options>
Optimizer::SlotStarts AdamLike<Options>::slots_in_use(std::size_t group) const {
  return {0.0, 0.0, this->options(group).amsgrad ? std::optional(0.0) : std::nullopt};
}

template class OnePassOptimizer<AdamOptions>;
template class OnePassOptimizer<AdamWOptions>;
template class AdamLike<AdamOptions>;
template class AdamLike<AdamWOptions>;

}  // namespace normgrad::detail

namespace normgrad {

Adam::Adam(ParameterList params, AdamOptions options) { add_param_group({std::move(params), options}); }

Adam::Adam(std::vector<ParamGroup<AdamOptions>> groups) { add_param_groups(std::move(groups)); }

const char* Adam::type_name() const noexcept { return "Adam"; }

AdamW::AdamW(ParameterList params, AdamWOptions options) { add_param_group({std::move(params), options}); }

AdamW::AdamW(std::vector<ParamGroup<AdamWOptions>> groups) { add_param_groups(std::move(groups)); }

const char* AdamW::type_name() const noexcept { return "AdamW"; }

}  // namespace normgrad
