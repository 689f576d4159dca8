// Activation checkpointing: memory for computation, as torch.utils.checkpoint without reentrant backwards.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Options of checkpoint() and checkpoint_sequential().
struct RecomputeOptions {
  /// Compute again with the state that default_generator() had, so that dropout drops the same elements. It then goes
  /// on as if nothing had been drawn.
  bool preserve_rng_state = true;
};

/// Returns function(inputs), of whose graph only the inputs are kept: the backward calls the function again. Gradients
/// are those without checkpoint(), of every order, also of tensors that the function uses without being given them,
/// such as the parameters of a layer. Checkpoints may be nested.
///
/// The function must compute the same whenever it is called. It is copied, and what it refers to must live until the
/// backward. Changes of the inputs in place since the forward are found, those of other tensors are not. Statistics
/// that norms keep (see FreezeStatisticsGuard) are updated by the first call alone, whereas PyTorch updates them twice.
/// A norm whose result in training depends on its running statistics, such as BatchRenorm and PowerNorm after its
/// warmup, computes something else the second time, and so does a layer with SpectralNorm if another call has renewed
/// its vectors since. Hooks of modules are called twice. A function that holds a tensor by value which is later changed
/// in place to depend on the result is never freed unless a backward runs. With NoGradGuard it is just
/// function(inputs).
///
/// Throws GraphError if the function changes an input in place and its result requires gradients, and, during the
/// backward, if the second result differs in shape or dtype or requires no gradient. What the function throws then
/// leaves the backward, which can be repeated if it keeps its graph.
Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>& inputs)>& function,
                  const std::vector<Tensor>& inputs, RecomputeOptions options = {});

/// The same for a function of one tensor.
template <std::invocable<const Tensor&> F>
Tensor checkpoint(F function, const Tensor& input, RecomputeOptions options) {
  return checkpoint(
      [function = std::move(function)](const std::vector<Tensor>& in) mutable -> Tensor { return function(in[0]); },
      std::vector<Tensor>{input}, options);
}

/// The same for a function of several tensors, with the default options.
template <class F, std::derived_from<Tensor>... Inputs>
requires(sizeof...(Inputs) > 0 && std::invocable<F&, const Inputs&...>) Tensor
    checkpoint(F function, const Inputs&... inputs) {
  const auto unpacked = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return [function = std::move(function)](const std::vector<Tensor>& in) mutable -> Tensor {
      return function(in[I]...);
    };
  };
  return checkpoint(
      std::function<Tensor(const std::vector<Tensor>&)>(unpacked(std::make_index_sequence<sizeof...(Inputs)>())),
      std::vector<Tensor>{inputs...});
}

namespace detail {
/// Whether a checkpoint computes its function again on this thread.
bool is_recomputing() noexcept;
}  // namespace detail

}  // namespace normgrad
