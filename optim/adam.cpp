#include "normgrad/optim/adam.hpp"

#include <cmath>
#include <type_traits>

#include "normgrad/core/kernels/optim_step.hpp"

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
  require<ValueError>(o.lr >= 0.0, name, ": expected lr >= 0 but got ", o.lr);
  for (const double beta : o.betas) {
    require<ValueError>(beta >= 0.0 && beta < 1.0, name, ": expected betas in [0, 1) but got ", o.betas[0], " and ",
                        o.betas[1]);
  }
  require<ValueError>(o.eps >= 0.0, name, ": expected eps >= 0 but got ", o.eps);
  require<ValueError>(o.weight_decay >= 0.0, name, ": expected weight_decay >= 0 but got ", o.weight_decay);
}

template <class Options>
const std::vector<const char*>& AdamLike<Options>::slot_names() const {
  static const std::vector<const char*> kNames = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  return kNames;
}

template <class Options>
void AdamLike<Options>::update(std::size_t group, Tensor& param, const Tensor& grad, Optimizer::ParamState& state) {
  constexpr bool kDecoupled = std::is_same_v<Options, AdamWOptions>;
  const Options& o = this->options(group);
  for (std::size_t i = 0; i < (o.amsgrad ? 3U : 2U); ++i) {
    if (!state.slots[i].defined()) {
      state.slots[i] = Optimizer::zeros_like_param(param);
    }
  }
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
