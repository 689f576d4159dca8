// Gradients of a part of a graph.
#pragma once

#include <vector>

#include "normgrad/core/autograd/node.hpp"

namespace normgrad::detail {

/// Returns the gradients of <y, gy> with respect to the values at `nodes`, each without what passes through another one
/// of them; undefined where y does not depend on one. Hooks of the nodes are not called. Frees the graph between them
/// and y, unless grad mode is on: then the gradients are recorded.
std::vector<Tensor> gradients_at(const Tensor& y, const Tensor& gy, const std::vector<NodePtr>& nodes);

}  // namespace normgrad::detail
