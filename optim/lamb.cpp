#include "normgrad/optim/lamb.hpp"

#include <array>

#include "normgrad/optim/detail/layer_norms.hpp"
#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

LAMB::LAMB(ParameterList params, LAMBOptions options) { add_param_group({std::move(params), options}); }

LAMB::LAMB(std::vector<ParamGroup<LAMBOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> LAMB::options_of(std::size_t group) {
  LAMBOptions& o = options(group);
  return {{"lr", &o.lr},
          {"beta1", &o.betas[0]},
          {"beta2", &o.betas[1]},
          {"eps", &o.eps},
          {"weight_decay", &o.weight_decay},
          {"maximize", &o.maximize}};
}

void LAMB::check_options(std::size_t group) const {
  const LAMBOptions& o = options(group);
  detail::check_at_least_zero("LAMB", "lr", o.lr);
  detail::check_betas("LAMB", o.betas);
  detail::check_at_least_zero("LAMB", "eps", o.eps);
  detail::check_at_least_zero("LAMB", "weight_decay", o.weight_decay);
}

std::span<const char* const> LAMB::slot_names() const {
  static constexpr std::array kNames = {"exp_avg", "exp_avg_sq"};
  return kNames;
}

Optimizer::SlotStarts LAMB::slots_in_use(std::size_t /*group*/) const { return {0.0, 0.0, std::nullopt}; }

void LAMB::update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) {
  const LAMBOptions& o = options(group);
  // The kernel writes the direction r to a third slot, which is not kept.
  ParamState with_direction = state;
  Tensor& direction = with_direction.slots.emplace_back(Tensor::empty(param.shape(), param.dtype()));
  detail::step_parameter(type_name(), o, param, grad, with_direction, {0.0, 0.0, 0.0});
  const double ratio = detail::layer_ratio(detail::layer_norm_of(param), detail::layer_norm_of(direction));
  param.sub_(direction, o.lr * ratio);
}

}  // namespace normgrad
