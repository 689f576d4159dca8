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

/// Node pointers of an operation's inputs, null for inputs without a gradient. Up to 3 are stored inline.
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

/// A node of the graph: one recorded result and its backward.
class Node : public RefCounted {
 public:
  /// Constructs the result of the operation `name`, a string literal.
  Node(const char* name, const Shape& shape, DType dtype, std::uint64_t sequence) noexcept
      : name_(name), shape_(shape), dtype_(dtype), sequence_(sequence) {}
  virtual ~Node() = default;

  /// Frees a node and all nodes that only it references, without recursion: freeing a chain of any length uses constant
  /// stack.
  static void destroy(Node* node) noexcept;

  /// Computes the gradients of the inputs that `into` wants from the gradient of the result and adds them to `into`.
  virtual void backward(const Tensor& gy, GradSink& into) = 0;
  /// Frees the saved values. The edges are kept, so that a later traversal can still follow this part of the graph.
  virtual void release() noexcept = 0;
  virtual bool released() const noexcept = 0;
  virtual bool is_leaf() const noexcept { return false; }

  /// Returns the operation's name, a string literal.
  const char* name() const noexcept { return name_; }
  const Shape& shape() const noexcept { return shape_; }
  DType dtype() const noexcept { return dtype_; }
  /// Returns a number larger than that of every node this one depends on; 0 for leaves.
  std::uint64_t sequence() const noexcept { return sequence_; }
  void set_meta(const Shape& shape, DType dtype) noexcept {
    shape_ = shape;
    dtype_ = dtype;
  }

  NodeInputs inputs;                 ///< the nodes of the operation's inputs
  Tensor grad;                       ///< accumulated gradient, when keeps_grad()
  bool retains_grad = false;         ///< set by Tensor::retain_grad()
  std::shared_ptr<GradHooks> hooks;  ///< null when there are none
  /// The layer that ran the operation, as "Linear 'head.fc1'". Set only in anomaly mode.
  std::unique_ptr<std::string> origin;

  bool keeps_grad() const noexcept { return retains_grad || is_leaf(); }  ///< whether a backward accumulates into grad

 private:
  const char* name_;
  Shape shape_;
  DType dtype_;
  std::uint64_t sequence_;
  Node* next_dead_ = nullptr;  // next in the list of nodes to be freed, see destroy()
};

/// The node of a leaf: collects its gradient.
class LeafNode final : public Node {
 public:
  /// Constructs the node of a tensor with this shape and dtype.
  LeafNode(const Shape& shape, DType dtype) noexcept : Node("leaf", shape, dtype, 0) {}
  void backward(const Tensor&, GradSink&) override {}
  void release() noexcept override {}
  bool released() const noexcept override { return false; }
  bool is_leaf() const noexcept override { return true; }
};

/// Receives the gradients of an operation's inputs from its backward.
class GradSink {
 public:
  GradSink(const GradSink&) = delete;
  GradSink& operator=(const GradSink&) = delete;

  /// Returns whether input i needs a gradient in this backward.
  virtual bool wants(std::size_t i) const = 0;
  /// Adds the gradient of input i; ignored when not wanted. Throws GraphError, naming the operation, if the gradient is
  /// undefined or its shape or dtype differs from the input's.
  virtual void add(std::size_t i, Tensor gradient) = 0;

 protected:
  GradSink() = default;
  ~GradSink() = default;
};

/// Returns the number of live recorded operations; 0 once a program has released all results.
std::int64_t live_nodes() noexcept;

namespace detail {
std::uint64_t next_sequence() noexcept;
void count_node(std::int64_t change) noexcept;
/// Returns the node whose backward is running on this thread, or null.
Node* current_node() noexcept;
Node* exchange_current_node(Node* node) noexcept;
}  // namespace detail

}  // namespace normgrad
