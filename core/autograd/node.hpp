// The graph: one Node per recorded operation or leaf. Ownership points from a result to its inputs only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

class GradSink;

/// Node pointers of an operation's inputs, null where an input requires no gradient; up to 3 lie in the node itself.
class NodeInputs {
 public:
  void push_back(NodePtr node);                        ///< null for an input without a gradient
  std::size_t size() const noexcept { return size_; }  ///< number of inputs
  const NodePtr& operator[](std::size_t i) const noexcept { return i < kInline ? inline_[i] : more_[i - kInline]; }
  const NodePtr* begin() const = delete;

 private:
  static constexpr std::size_t kInline = 3;
  std::array<NodePtr, kInline> inline_;
  std::vector<NodePtr> more_;
  std::size_t size_ = 0;
};

/// What a backward has to know of one result.
class Node : public RefCounted {
 public:
  /// The result of the operation `name`, a string literal.
  Node(const char* name, const Shape& shape, DType dtype, std::uint64_t sequence) noexcept
      : name_(name), shape_(shape), dtype_(dtype), sequence_(sequence) {}
  virtual ~Node() = default;

  /// Frees a node, and whatever hangs on it alone, without recursion: a chain of any length dies in constant stack.
  static void destroy(Node* node) noexcept;

  /// Hands the gradients of the inputs that `into` wants to it, given that of the result.
  virtual void backward(const Tensor& gy, GradSink& into) = 0;
  /// Frees the saved values. The edges stay, so that a later run knows where this part of the graph leads.
  virtual void release() noexcept = 0;
  virtual bool released() const noexcept = 0;
  virtual bool is_leaf() const noexcept { return false; }

  /// The operation's name: a string literal.
  const char* name() const noexcept { return name_; }
  const Shape& shape() const noexcept { return shape_; }
  DType dtype() const noexcept { return dtype_; }
  /// Larger than that of every node that this one depends on; 0 for leaves.
  std::uint64_t sequence() const noexcept { return sequence_; }
  void set_meta(const Shape& shape, DType dtype) noexcept {
    shape_ = shape;
    dtype_ = dtype;
  }

  NodeInputs inputs;                 ///< the nodes of the operation's inputs
  Tensor grad;                       ///< accumulated here when keeps_grad()
  bool retains_grad = false;         ///< asked for by Tensor::retain_grad()
  std::shared_ptr<GradHooks> hooks;  ///< null while there are none
  /// The layer that ran the operation, as "Linear 'head.fc1'"; known only when it ran in anomaly mode.
  std::unique_ptr<std::string> origin;

  bool keeps_grad() const noexcept { return retains_grad || is_leaf(); }  ///< whether a backward adds to grad

 private:
  const char* name_;
  Shape shape_;
  DType dtype_;
  std::uint64_t sequence_;
  Node* next_dead_ = nullptr;  // in the list of those to be freed, see destroy()
};

/// Collects the gradient of a tensor that the user asked for.
class LeafNode final : public Node {
 public:
  /// For a tensor of that shape and dtype.
  LeafNode(const Shape& shape, DType dtype) noexcept : Node("leaf", shape, dtype, 0) {}
  void backward(const Tensor&, GradSink&) override {}
  void release() noexcept override {}
  bool released() const noexcept override { return false; }
  bool is_leaf() const noexcept override { return true; }
};

/// Where a backward puts the gradients of its operation's inputs.
class GradSink {
 public:
  GradSink(const GradSink&) = delete;
  GradSink& operator=(const GradSink&) = delete;

  /// Whether input i needs a gradient in this run.
  virtual bool wants(std::size_t i) const = 0;
  /// Adds the gradient of input i (ignored when not wanted). Throws GraphError, naming the operation, when its shape or
  /// dtype is not that of the input.
  virtual void add(std::size_t i, Tensor gradient) = 0;

 protected:
  GradSink() = default;
  ~GradSink() = default;
};

/// Number of recorded operations that are alive; a program that has dropped all results has none.
std::int64_t live_nodes() noexcept;

namespace detail {
std::uint64_t next_sequence() noexcept;
void count_node(std::int64_t change) noexcept;
/// The node whose backward runs on this thread, null outside.
Node* current_node() noexcept;
Node* exchange_current_node(Node* node) noexcept;
}  // namespace detail

}  // namespace normgrad
