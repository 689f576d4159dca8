// Operations of a user's own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Runs `forward(inputs)` unrecorded and records one operation whose gradient is `backward(inputs, y, gy)`: one tensor
/// for each input, of its shape, undefined where there is no gradient. Written in Tensor operations, the backward is
/// differentiable to any order. Throws GraphError, naming the function, for a wrong number of gradients or shapes, and
/// when the forward changes `inputs`, or the backward `inputs`, `y` or `gy`, in place: others hold them.
///
///   Tensor cube = apply_function("cube", {x}, [](auto& in) { return in[0] * in[0] * in[0]; },
///                                [](auto& in, auto& y, auto& gy) { return std::vector{gy * 3.0 * in[0] * in[0]}; });
Tensor apply_function(const std::string& name, const std::vector<Tensor>& inputs,
                      const std::function<Tensor(const std::vector<Tensor>& inputs)>& forward,
                      const std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs, const Tensor& y,
                                                              const Tensor& gy)>& backward);

}  // namespace normgrad
