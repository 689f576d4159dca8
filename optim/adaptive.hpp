// What the optimizers of core/kernels/adaptive_step.hpp share. For the library's own sources.
#pragma once

#include <array>

#include "normgrad/core/kernels/adaptive_step.hpp"
#include "normgrad/optim/optimizer.hpp"

namespace normgrad::detail {

inline void check_at_least_zero(const char* optimizer, const char* option, double value) {
  require<ValueError>(value >= 0.0, optimizer, ": expected ", option, " >= 0 but got ", value);
}

inline void check_betas(const char* optimizer, const std::array<double, 2>& betas) {
  for (const double beta : betas) {
    require<ValueError>(beta >= 0.0 && beta < 1.0, optimizer, ": expected betas in [0, 1) but got ", betas[0], " and ",
                        betas[1]);
  }
}

/// Weight decay as a part of the gradient, or, `decoupled`, off the parameter itself.
inline kernels::StepDecay step_decay(double lr, double weight_decay, bool decoupled, bool maximize) {
  return {.weight_decay = decoupled ? 0.0 : weight_decay,
          .decay = decoupled ? lr * weight_decay : 0.0,
          .maximize = maximize};
}

/// A step of one parameter. Slot i is used where in_use[i] is set; a new one starts at start[i].
template <class Step>
void adaptive_update(const char* optimizer, Tensor& param, const Tensor& grad, std::vector<Tensor>& slots,
                     const Step& step, std::array<bool, 3> in_use, std::array<double, 3> start = {}) {
  dispatch_float(optimizer, param.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::StepJob<T, Step> job = {nullptr, nullptr, {}, step};
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (in_use[i] && !slots[i].defined()) {
        slots[i] = Tensor::empty(param.shape(), param.dtype());
        slots[i].fill_(start[i]);
      }
      job.slots[i] = in_use[i] ? slots[i].template mutable_data<T>() : nullptr;
    }
    job.p = param.mutable_data<T>();
    job.gradient = grad.data<T>();
    kernels::adaptive_step(job, param.numel());
  });
}

}  // namespace normgrad::detail
