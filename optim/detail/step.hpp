// The step of one parameter, in one pass over its arrays. optim/name.cpp instantiates OnePassOptimizer<Options>, whose
// update() calls the code for the instruction set in use. optim/name.simd.cpp defines Update<T, Options>, whose
// operator()(i, at) updates one register of elements starting at i through at.get() and at.put(), and ends with
// NORMGRAD_OPTIMIZER_STEP(Options).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/simd/dispatch.hpp"
#include "normgrad/optim/optimizer.hpp"
#if defined(NORMGRAD_SIMD_NAMESPACE)
#include "normgrad/core/simd/detail/batch.hpp"
#endif

namespace normgrad::kernels {

/// Arrays that an update reads and writes. Unused slots are null.
template <class T>
struct StepArrays {
  T* p;
  const T* gradient;
  T* slots[3];
  std::int64_t step;  ///< the parameter's step, from 1
  double scalar;      ///< the state's scalar, if any
  bool is_new[3];     ///< slots created for this step
};

/// Updates the elements [begin, end). Defined below for the Update<T, Options> of optim/name.simd.cpp.
NORMGRAD_SIMD_DECLARE(template <class T, class Options> void optimizer_step(const StepArrays<T>& arrays,
                                                                            const Options& options, std::int64_t begin,
                                                                            std::int64_t end);)

}  // namespace normgrad::kernels

namespace normgrad::detail {

/// Updates one parameter, whose state is an Optimizer::ParamState. `in_use` marks the slots that the update may use.
template <class Options, class State>
void step_parameter(const char* optimizer, const Options& options, Tensor& param, const Tensor& grad, State& state,
                    const std::array<std::optional<double>, 3>& in_use) {
  constexpr std::int64_t kBlock = std::int64_t{1} << 14;
  dispatch_float(optimizer, param.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::StepArrays<T> arrays = {.p = nullptr,
                                     .gradient = grad.data<T>(),
                                     .slots = {},
                                     .step = state.step,
                                     .scalar = state.scalars.empty() ? 0.0 : state.scalars[0],
                                     .is_new = {}};
    for (std::size_t i = 0; i < state.slots.size(); ++i) {
      arrays.slots[i] = in_use[i] ? state.slots[i].template mutable_data<T>() : nullptr;
      arrays.is_new[i] = state.slot_is_new[i];
    }
    arrays.p = param.mutable_data<T>();
    const std::int64_t n = param.numel();
    const auto run = NORMGRAD_SIMD_SELECT(optimizer_step<T, Options>);
    parallel_for(n, even_blocks(n, kBlock),
                 [&](std::int64_t begin, std::int64_t end) { run(arrays, options, begin, end); });
  });
}

template <class Options>
void OnePassOptimizer<Options>::update(std::size_t group, Tensor& param, const Tensor& grad,
                                       Optimizer::ParamState& state) {
  step_parameter(this->type_name(), this->options(group), param, grad, state, this->slots_in_use(group));
}

}  // namespace normgrad::detail

#if defined(NORMGRAD_SIMD_NAMESPACE)

// Building blocks of an Update.
namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

template <class T, class Options>
struct Update;

// The remaining elements use the same arithmetic as full registers, so that all are rounded alike.
template <class T>
struct FullAccess {
  Batch<T> get(const T* p) const { return load(p); }
  void put(T* p, const Batch<T>& v) const { store(p, v); }
};
template <class T>
struct PartialAccess {
  std::int64_t n;
  Batch<T> get(const T* p) const { return load_partial(p, n); }
  void put(T* p, const Batch<T>& v) const { store_partial(p, v, n); }
};

template <class T>
Batch<T> all(double value) {
  return Batch<T>(static_cast<T>(value));
}

/// One of the two betas. (std::array::operator[] is an inline function shared across instruction sets.)
template <class Betas>
double element(const Betas& betas, int i) {
  return reinterpret_cast<const double*>(&betas)[i];
}

/// Weight decay applied to the gradient or to the parameter.
struct Decay {
  double of_gradient = 0.0;
  double of_parameter = 0.0;
};
/// lr * weight_decay of the parameter if `decoupled` (Loshchilov and Hutter, 2019), else weight_decay in the gradient.
template <class Options>
Decay decay(const Options& o, bool decoupled) {
  return decoupled ? Decay{.of_parameter = o.lr * o.weight_decay} : Decay{.of_gradient = o.weight_decay};
}

/// Common start of all updates: the decayed parameter, and the gradient (negated if `maximize`) with weight decay.
template <class T>
struct Start {
  T* p;
  const T* gradient;
  Batch<T> sign;
  Batch<T> weight_decay;
  Batch<T> keep;

  Start(const StepArrays<T>& a, bool maximize, const Decay& decay)
      : p(a.p),
        gradient(a.gradient),
        sign(all<T>(maximize ? -1.0 : 1.0)),
        weight_decay(all<T>(decay.of_gradient)),
        keep(all<T>(1.0 - decay.of_parameter)) {}
  template <class Access>
  Batch<T> x(std::int64_t i, Access at) const {
    return keep * at.get(p + i);
  }
  template <class Access>
  Batch<T> g(std::int64_t i, const Batch<T>& x, Access at) const {
    return muladd(weight_decay, x, sign * at.get(gradient + i));
  }
};

/// An exponential mean stored in a slot: weight * old + (1 - weight) * new.
template <class T>
struct Mean {
  T* values;
  Batch<T> old_weight;
  Batch<T> new_weight;

  Mean(T* slot, double weight) : values(slot), old_weight(all<T>(weight)), new_weight(all<T>(1.0 - weight)) {}
  template <class Access>
  Batch<T> update(std::int64_t i, const Batch<T>& now, Access at) const {
    const Batch<T> mean = muladd(old_weight, at.get(values + i), new_weight * now);
    at.put(values + i, mean);
    return mean;
  }
};

template <class T, class Options>
void optimizer_step(const StepArrays<T>& arrays, const Options& options, std::int64_t begin, std::int64_t end) {
  const Update<T, Options> update(arrays, options);
  std::int64_t i = begin;
  for (; i + kLanes<T> <= end; i += kLanes<T>) {
    update(i, FullAccess<T>{});
  }
  if (i < end) {
    update(i, PartialAccess<T>{end - i});
  }
}

#define NORMGRAD_OPTIMIZER_STEP(Options)                                                                     \
  template void optimizer_step<float>(const StepArrays<float>&, const Options&, std::int64_t, std::int64_t); \
  template void optimizer_step<double>(const StepArrays<double>&, const Options&, std::int64_t, std::int64_t)

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE

#endif
