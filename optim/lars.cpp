#include "normgrad/optim/lars.hpp"

#include <array>

#include "normgrad/optim/detail/layer_norms.hpp"
#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

LARS::LARS(ParameterList params, LARSOptions options) { add_param_group({std::move(params), options}); }

LARS::LARS(std::vector<ParamGroup<LARSOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> LARS::options_of(std::size_t group) {
  LARSOptions& o = options(group);
  return {{"lr", &o.lr},
          {"momentum", &o.momentum},
          {"weight_decay", &o.weight_decay},
          {"trust_coefficient", &o.trust_coefficient},
          {"eps", &o.eps},
          {"maximize", &o.maximize}};
}

void LARS::check_options(std::size_t group) const {
  const LARSOptions& o = options(group);
  detail::check_at_least_zero("LARS", "lr", o.lr);
  detail::check_at_least_zero("LARS", "momentum", o.momentum);
  detail::check_at_least_zero("LARS", "weight_decay", o.weight_decay);
  detail::check_at_least_zero("LARS", "trust_coefficient", o.trust_coefficient);
  detail::check_at_least_zero("LARS", "eps", o.eps);
}

std::span<const char* const> LARS::slot_names() const {
  static constexpr std::array kNames = {"momentum_buffer"};
  return kNames;
}

Optimizer::SlotStarts LARS::slots_in_use(std::size_t /*group*/) const { return {0.0, std::nullopt, std::nullopt}; }

void LARS::update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) {
  const LARSOptions& o = options(group);
  const double of_param = detail::layer_norm_of(param);
  const double of_grad = detail::layer_norm_of(grad);
  const bool is_zero = of_param == 0.0 || of_grad == 0.0;
  const double trust = is_zero ? 1.0 : o.trust_coefficient * of_param / (of_grad + o.weight_decay * of_param + o.eps);
  // The kernel takes the layer's rate as the scalar of a state, which is not kept.
  ParamState with_rate = state;
  with_rate.scalars = {o.lr * trust};
  detail::step_parameter(type_name(), o, param, grad, with_rate, slots_in_use(group));
}

}  // namespace normgrad
