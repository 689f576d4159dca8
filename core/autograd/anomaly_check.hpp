// Checks that a backward makes in anomaly mode.
#pragma once

#include <cstddef>
#include <string>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// Returns whether all elements are finite; true for undefined and for non-floating-point tensors.
bool is_all_finite(const Tensor& tensor);
/// Describes the first non-finite element, as "(float32 [2, 3]) is inf at [0, 1]".
std::string not_finite_text(const Tensor& tensor);
/// Describes the operation and its layer, as "'sqrt' in Scale 'head.scale'".
std::string origin_text(const Node& node);
/// Throw GraphError, naming the operation and its layer, when the gradient is not finite. The first checks the gradient
/// that a backward returns for an input, the second the accumulated gradient of a result.
void check_input_gradient(const Node& node, std::size_t input, const Tensor& gradient);
void check_whole_gradient(const Node& node, const Tensor& gradient);

}  // namespace normgrad::detail
