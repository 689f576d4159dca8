#include "normgrad/optim/sign_sgd.hpp"

#include "normgrad/optim/detail/option_checks.hpp"
#include "normgrad/optim/detail/step.hpp"

namespace normgrad {

SignSGD::SignSGD(ParameterList params, SignSGDOptions options) { add_param_group({std::move(params), options}); }

SignSGD::SignSGD(std::vector<ParamGroup<SignSGDOptions>> groups) { add_param_groups(std::move(groups)); }

std::vector<Optimizer::Option> SignSGD::options_of(std::size_t group) {
  SignSGDOptions& o = options(group);
  return {{"lr", &o.lr}, {"weight_decay", &o.weight_decay}, {"maximize", &o.maximize}};
}

void SignSGD::check_options(std::size_t group) const {
  const SignSGDOptions& o = options(group);
  detail::check_at_least_zero("SignSGD", "lr", o.lr);
  detail::check_at_least_zero("SignSGD", "weight_decay", o.weight_decay);
}

std::span<const char* const> SignSGD::slot_names() const {
  static const std::vector<const char*> kNone;
  return kNone;
}

Optimizer::SlotStarts SignSGD::slots_in_use(std::size_t /*group*/) const { return {}; }

template class detail::OnePassOptimizer<SignSGDOptions>;

}  // namespace normgrad
