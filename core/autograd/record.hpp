// Recording of operations. An operation is one function: check, compute, record.
//
//   Tensor mul(const Tensor& a, const Tensor& b) {
//     Tensor y = ...;                                                       // computed with kernels
//     return record("mul", std::move(y), {a, b}, [a = Saved(a), b = Saved(b)](const Tensor& gy, GradSink& into) {
//       if (into.wants(0)) into.add(0, sum_to(gy * b.get(), a.get().shape()));
//       if (into.wants(1)) into.add(1, sum_to(gy * a.get(), b.get().shape()));
//     });
//   }
//
// A backward is written in Tensor operations, so that it can itself be recorded and differentiated. A faster fused
// kernel may be used when is_grad_enabled() is false, with the formula in Tensor operations beside it.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/autograd/op_arguments.hpp"

namespace normgrad {

/// An input saved for the backward. get() throws GraphError, naming the operation, if the tensor was changed in place
/// or, as a leaf that requires gradients, given other data since.
class Saved {
 public:
  Saved() = default;
  /// Saves nothing unless `needed`.
  explicit Saved(const Tensor& tensor, bool needed = true);
  const Tensor& get() const;

 private:
  friend class SavedOutput;
  struct Own {};
  Saved(Tensor tensor, Own) : tensor_(std::move(tensor)), version_(tensor_.version()) {}

  Tensor tensor_;
  std::uint64_t version_ = 0;
};

/// An operation's own result saved for its backward, without the reference cycle that a handle would create. get()
/// returns a tensor that is again a result of this operation, so the backward is differentiable through it.
class SavedOutput {
 public:
  SavedOutput() = default;
  /// `y` is the result before it is recorded.
  explicit SavedOutput(const Tensor& y);
  Tensor get() const;

 private:
  Saved plain_;
};

namespace detail {

/// Sets the node's origin: the running layer, or in a backward the origin of the node whose backward is running.
void note_origin(Node& node);

template <class F>
class OpNode final : public Node {
 public:
  OpNode(const char* name, const Shape& shape, DType dtype, F&& backward)
      : Node(name, shape, dtype, next_sequence()), backward_(std::move(backward)) {
    count_node(1);
  }
  ~OpNode() override { count_node(-1); }
  OpNode(const OpNode&) = delete;
  OpNode& operator=(const OpNode&) = delete;

  void backward(const Tensor& gy, GradSink& into) override { (*backward_)(gy, into); }
  void release() noexcept override { backward_.reset(); }
  bool released() const noexcept override { return !backward_.has_value(); }

 private:
  std::optional<F> backward_;
};

template <class Inputs, class F>
Tensor record_all(const char* name, Tensor&& y, const Inputs& inputs, F&& backward) {
  if (is_watched()) [[unlikely]] {
    tell_computed(name, y, std::vector<Tensor>(inputs.begin(), inputs.end()));
  }
  if (!is_grad_enabled()) {
    return std::move(y);
  }
  bool any = false;
  for (const Tensor& input : inputs) {
    any = any || input.requires_grad();
  }
  if (any) {
    NodePtr node(new OpNode<std::remove_cvref_t<F>>(name, y.shape(), y.dtype(), std::forward<F>(backward)));
    for (const Tensor& input : inputs) {
      node->inputs.push_back(input.defined() ? input.node() : NodePtr());
    }
    if (is_watched()) [[unlikely]] {
      note_origin(*node);
    }
    y.set_node(std::move(node));
  }
  return std::move(y);
}

}  // namespace detail

/// Makes `y` the result of operation `name` (a string literal) on `inputs`, with the given backward
/// `void(const Tensor& gy, GradSink& into)`. `y` must be new. Returns `y` unchanged when no input requires a gradient
/// or recording is disabled. Inputs may be undefined; these are never wanted.
template <class F>
Tensor record(const char* name, Tensor y, std::initializer_list<std::reference_wrapper<const Tensor>> inputs,
              F backward) {
  return detail::record_all(name, std::move(y), inputs, std::move(backward));
}
template <class F>
Tensor record(const char* name, Tensor y, const std::vector<Tensor>& inputs, F backward) {
  return detail::record_all(name, std::move(y), inputs, std::move(backward));
}

}  // namespace normgrad
