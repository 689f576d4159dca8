// The graph of memory that several tensors share.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/node.hpp"

namespace normgrad::detail {

/// The node of the elements of a tensor, which its parts share. A recorded change of the tensor, or of a part of it, in
/// place replaces the node. The tensor and its other parts then find that their own nodes are out of date, and refresh
/// them from this one. Refers to no memory.
class SharedGraph final : public RefCounted {
 public:
  SharedGraph(const NodePtr& whole, const Shape& whole_shape, DType whole_dtype) noexcept
      : node(whole), shape(whole_shape), dtype(whole_dtype) {}
  static void destroy(SharedGraph* graph) noexcept { delete graph; }

  NodePtr node;               ///< null if the whole requires no gradients
  Shape shape;                ///< of the whole
  DType dtype;                ///< of the whole
  std::uint64_t changes = 0;  ///< how often the node was replaced
  /// Of the nodes of parts for the present node, which are made when they are asked for: newer than that node, and
  /// older than all that uses a part.
  std::uint64_t part_sequence = 0;
};

/// Gives the tensor a node for the state of its graph. Several threads may do so at the same time.
void refresh_node(TensorImpl& impl) noexcept;

/// Makes `impl` leave its graph: later changes of the one do not affect the other.
void leave_graph(TensorImpl& impl) noexcept;

}  // namespace normgrad::detail
