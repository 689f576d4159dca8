// What the optimizers of core/kernels/adaptive_step.hpp share. For the library's own sources.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "normgrad/core/kernels/adaptive_step.hpp"
#include "normgrad/optim/optimizer.hpp"
#include "normgrad/optim/option_checks.hpp"

namespace normgrad::detail {

/// Weight decay as a part of the gradient, or, `decoupled`, off the parameter itself.
inline kernels::StepDecay step_decay(double lr, double weight_decay, bool decoupled, bool maximize) {
  return {.weight_decay = decoupled ? 0.0 : weight_decay,
          .decay = decoupled ? lr * weight_decay : 0.0,
          .maximize = maximize};
}

/// A step of one parameter with the slots that are `in_use`.
template <class Step>
void adaptive_update(const char* optimizer, Tensor& param, const Tensor& grad, std::vector<Tensor>& slots,
                     const Step& step, const std::array<std::optional<double>, 3>& in_use) {
  dispatch_float(optimizer, param.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::StepJob<T, Step> job = {nullptr, nullptr, {}, step};
    for (std::size_t i = 0; i < slots.size(); ++i) {
      job.slots[i] = in_use[i] ? slots[i].template mutable_data<T>() : nullptr;
    }
    job.p = param.mutable_data<T>();
    job.gradient = grad.data<T>();
    kernels::adaptive_step(job, param.numel());
  });
}

}  // namespace normgrad::detail
