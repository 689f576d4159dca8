#include "normgrad/optim/adam.hpp"

#include <cmath>
#include <type_traits>

#include "normgrad/core/kernels/optim_step.hpp"
#include "normgrad/optim/option_checks.hpp"

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
const std::vector<const char*>& AdamLike<Options>::slot_names() const {
  static const std::vector<const char*> kNames = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  return kNames;
}

template <class Options>
Optimizer::SlotStarts AdamLike<Options>::slots_in_use(std::size_t group) const {
  return {0.0, 0.0, this->options(group).amsgrad ? std::optional(0.0) : std::nullopt};
}

template <class Options>
void AdamLike<Options>::update(std::size_t group, Tensor& param, const Tensor& grad, Optimizer::ParamState& state) {
  constexpr bool kDecoupled = std::is_same_v<Options, AdamWOptions>;
  const Options& o = this->options(group);
  const auto t = static_cast<double>(state.step);
  const kernels::AdamStep step = {.beta1 = o.betas[0],
                                  .beta2 = o.betas[1],
                                  .eps = o.eps,
                                  .weight_decay = kDecoupled ? 0.0 : o.weight_decay,
                                  .decay = kDecoupled ? o.lr * o.weight_decay : 0.0,
                                  .step_size = o.lr / (1.0 - std::pow(o.betas[0], t)),
                                  .rscale = 1.0 / std::sqrt(1.0 - std::pow(o.betas[1], t)),
                                  .maximize = o.maximize};
  dispatch_float(this->type_name(), param.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::adam_step<T>(param.mutable_data<T>(), grad.data<T>(), state.slots[0].template mutable_data<T>(),
                          state.slots[1].template mutable_data<T>(),
                          o.amsgrad ? state.slots[2].template mutable_data<T>() : nullptr, param.numel(), step);
  });
}

template class AdamLike<AdamOptions>;
template class AdamLike<AdamWOptions>;

}  // namespace normgrad::detail
