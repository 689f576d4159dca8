// Parameter and StateBuffer: the tensors that are members of modules.
#pragma once

#include <concepts>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// A tensor that is learned; undefined when a layer has none (bias off).
///
/// A parameter is a value, as its module is. A copy has memory of its own, with the same values and requires_grad and
/// no gradient. Copies are made by copying a module, or on purpose: `Parameter copy(layer.weight)`. What looks like a
/// handle does not compile: for one that shares the memory write `Tensor w = layer.weight` or `auto& w`, and for
/// several `std::vector<Tensor>{a.weight, b.weight}`.
///
/// Assignment copies into the tensor that is there, so that optimizers, hooks and other handles keep it: values, shape
/// and dtype become those of the source, requires_grad stays, and so does the gradient while shape and dtype do.
/// Only an undefined parameter becomes a new tensor, and only an undefined source takes the tensor away.
class Parameter : public Tensor {
 public:
  Parameter() = default;
  /// Takes the values of `value` and requires gradients; shares memory with it.
  explicit Parameter(const Tensor& value);
  explicit Parameter(const Parameter& other);
  // `auto w = layer.weight` would be a copy that looks like a handle: write `Tensor w = layer.weight` or `auto& w`.
  template <std::same_as<Parameter> P>
  Parameter(const P& copy_that_looks_like_a_handle) = delete;
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(const Parameter& other);
  Parameter& operator=(Parameter&& other);  // NOLINT(performance-noexcept-move-constructor): may copy
  ~Parameter() = default;
};

/// A tensor that belongs to a layer's state but is not learned, such as running statistics. Copies and assignments are
/// those of a Parameter.
class StateBuffer : public Tensor {
 public:
  StateBuffer() = default;
  explicit StateBuffer(const Tensor& value);  ///< shares memory with it
  explicit StateBuffer(const StateBuffer& other);
  // `auto m = norm.running_mean` would be a copy that looks like a handle: write `Tensor m = ...` or `auto& m`.
  template <std::same_as<StateBuffer> B>
  StateBuffer(const B& copy_that_looks_like_a_handle) = delete;
  StateBuffer(StateBuffer&&) noexcept = default;
  StateBuffer& operator=(const StateBuffer& other);
  StateBuffer& operator=(StateBuffer&& other);  // NOLINT(performance-noexcept-move-constructor): may copy
  ~StateBuffer() = default;
};

/// What Module::tie_weights() is called with.
class WeightTies {
 public:
  /// Makes `parameter` the same tensor as `to`, as `parameter = to` does in PyTorch; does nothing when it is already.
  /// Throws ValueError unless `to` is defined, and shapes and dtypes agree.
  void operator()(Parameter& parameter, const Parameter& to) const;
};

}  // namespace normgrad
