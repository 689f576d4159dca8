// Parameter and StateBuffer: the tensors that are members of modules.
#pragma once

#include <concepts>
#include <memory>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

class ParametrizationList;
namespace detail {
struct Parametrized;
}

/// A learned tensor; undefined if the layer does not have it (bias off).
///
/// A parameter is a value, like its module. A copy has its own memory, with the same values and requires_grad and no
/// gradient. Copies are made by copying a module, or explicitly: `Parameter copy(layer.weight)`. A copy that looks like
/// a handle does not compile. For a handle that shares the memory write `Tensor w = layer.weight` or `auto& w`, and for
/// several `std::vector<Tensor>{a.weight, b.weight}`.
///
/// Assignment copies into the existing tensor, so that optimizers, hooks and other handles keep it. Values, shape and
/// dtype become those of the source. requires_grad is unchanged, and so is the gradient if shape and dtype are. An
/// undefined parameter becomes a new tensor, and an undefined source makes the parameter undefined.
///
/// A parameter may be computed from other tensors (see parametrize.hpp), which its copies then have copies of.
class Parameter : public Tensor {
 public:
  Parameter() = default;
  /// Shares memory with `value` and requires gradients.
  explicit Parameter(const Tensor& value);
  explicit Parameter(const Parameter& other);
  // `auto w = layer.weight` would be a copy that looks like a handle: write `Tensor w = layer.weight` or `auto& w`.
  template <std::same_as<Parameter> P>
  Parameter(const P& copy_that_looks_like_a_handle) = delete;
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(const Parameter& other);
  Parameter& operator=(Parameter&& other);  // NOLINT(performance-noexcept-move-constructor): may copy
  ~Parameter() = default;

  /// Whether it is computed from other tensors. It then holds the value of the last call of its module.
  bool is_parametrized() const noexcept { return parametrizations_ != nullptr; }

 private:
  friend struct detail::Parametrized;
  std::shared_ptr<ParametrizationList> parametrizations_;  // null unless parametrized; owned by this parameter alone
};

/// Options of a StateBuffer; name and default are those of PyTorch's register_buffer().
struct StateBufferOptions {
  /// Part of state_dict() and of files. Without it, the buffer is converted, copied and listed with the others, but the
  /// constructor of the layer must be able to make it: a table of positions, a constant mask.
  bool persistent = true;
};

/// A tensor in a layer's state that is not learned, such as running statistics. Copies and assigns like a Parameter. A
/// copy is persistent if the original is. Assignment keeps the setting of a defined buffer; an undefined one takes that
/// of the source.
class StateBuffer : public Tensor {
 public:
  StateBuffer() = default;
  /// Shares memory with `value`.
  explicit StateBuffer(const Tensor& value, StateBufferOptions options = {});
  explicit StateBuffer(const StateBuffer& other);
  // `auto m = norm.running_mean` would be a copy that looks like a handle: write `Tensor m = ...` or `auto& m`.
  template <std::same_as<StateBuffer> B>
  StateBuffer(const B& copy_that_looks_like_a_handle) = delete;
  StateBuffer(StateBuffer&&) noexcept = default;
  StateBuffer& operator=(const StateBuffer& other);
  StateBuffer& operator=(StateBuffer&& other);  // NOLINT(performance-noexcept-move-constructor): may copy
  ~StateBuffer() = default;

  /// Whether it is part of state_dict() and of files.
  bool is_persistent() const noexcept { return persistent_; }

 private:
  bool persistent_ = true;
};

/// The argument of Module::tie_weights().
class WeightTies {
 public:
  /// Makes `parameter` the same tensor as `to`, as `parameter = to` does in PyTorch. Does nothing if it already is.
  /// Throws ValueError unless `to` is defined and shapes and dtypes agree.
  void operator()(Parameter& parameter, const Parameter& to) const;
};

}  // namespace normgrad
