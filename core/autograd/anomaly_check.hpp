// What a backward looks at in anomaly mode.
#pragma once

#include <cstddef>
#include <string>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// True for tensors that are undefined or not of floating point, too.
bool is_all_finite(const Tensor& tensor);
/// "(float32 [2, 3]) is inf at [0, 1]" for the first such element.
std::string not_finite_text(const Tensor& tensor);
/// "'sqrt' in Scale 'head.scale'".
std::string origin_text(const Node& node);
/// Throw GraphError, naming the operation and its layer, when the gradient is not finite: what a backward gives for an
/// input; what has come together for a result.
void check_input_gradient(const Node& node, std::size_t input, const Tensor& gradient);
void check_whole_gradient(const Node& node, const Tensor& gradient);

}  // namespace normgrad::detail
