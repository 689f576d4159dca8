// The step of one parameter: its arrays, and the call of the code for the instruction set in use.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/simd/dispatch.hpp"
#include "normgrad/optim/optimizer.hpp"

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

/// Defined in optim/<name>.simd.cpp by an Update<T, Options>; see step_simd.hpp.
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

}  // namespace normgrad::detail
