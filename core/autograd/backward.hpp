// Reverse-mode differentiation: traversal of the recorded graph.
#pragma once

#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Options of grad().
struct GradOptions {
  bool retain_graph = false;  ///< keep the graph for another backward
  bool create_graph = false;  ///< make the gradients differentiable; also keeps the graph
  bool allow_unused = false;  ///< return an undefined gradient for an input that no output depends on
};

/// Accumulates the gradients of sum_i <outputs[i], grad_outputs[i]> into all leaves. See Tensor::backward.
void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs = {},
              BackwardOptions options = {});

/// Returns the gradient of sum_i <outputs[i], grad_outputs[i]> with respect to each input. No `grad()` is changed. An
/// entry of `grad_outputs` may be undefined (or the list empty) for outputs of one element; it then counts as 1. Inputs
/// may be leaves or results. Throws GraphError if an output or input requires no gradient, if an input is unused
/// (unless allow_unused), or if the graph was already freed.
TensorList grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                const std::vector<Tensor>& grad_outputs = {}, GradOptions options = {});

}  // namespace normgrad
