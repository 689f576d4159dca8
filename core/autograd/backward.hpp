// Reverse-mode differentiation: the walk over the recorded graph.
#pragma once

#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Options of grad().
struct GradOptions {
  bool retain_graph = false;  ///< keep the graph for another backward
  bool create_graph = false;  ///< make the gradients differentiable; keeps the graph too
  bool allow_unused = false;  ///< an input that no output depends on gives an undefined gradient instead of an error
};

/// Accumulates the gradients of sum_i <outputs[i], grad_outputs[i]> into all leaves; see Tensor::backward.
void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs = {},
              BackwardOptions options = {});

/// The gradients of sum_i <outputs[i], grad_outputs[i]> with respect to each input, without touching any `grad()`.
/// An entry of `grad_outputs` may be undefined (or the list empty) for outputs of one element, which then count 1.
/// Inputs may be leaves or results. Throws GraphError for outputs or inputs that require no gradient, for an unused
/// input, and for graphs that were freed.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs = {}, GradOptions options = {});

}  // namespace normgrad
