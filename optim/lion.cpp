#include "normgrad/optim/lion.hpp"

#include "normgrad/optim/adaptive.hpp"

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

const std::vector<const char*>& Lion::slot_names() const {
  static const std::vector<const char*> kNames = {"exp_avg"};
  return kNames;
}

Optimizer::SlotStarts Lion::slots_in_use(std::size_t /*group*/) const { return {0.0, std::nullopt, std::nullopt}; }

void Lion::update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) {
  const LionOptions& o = options(group);
  const kernels::LionStep step = {.common = detail::step_decay(o.lr, o.weight_decay, true, o.maximize),
                                  .lr = o.lr,
                                  .beta1 = o.betas[0],
                                  .beta2 = o.betas[1]};
  detail::adaptive_update(type_name(), param, grad, state.slots, step, slots_in_use(group));
}

}  // namespace normgrad
