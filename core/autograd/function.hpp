// User-defined operations.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Runs `forward(inputs)` unrecorded and records it as one operation. Its gradient is `backward(inputs, y, gy)`, which
/// returns one tensor for each input, of that input's shape, or undefined where there is no gradient. A backward
/// written in Tensor operations is differentiable to any order. Throws GraphError, naming the function, if the number
/// or the shapes of the gradients are wrong, or if the forward changes `inputs`, or the backward changes `inputs`, `y`
/// or `gy`, in place (other tensors share their memory). Throws ValueError if the forward returns an undefined tensor.
///
///   Tensor cube = apply_function("cube", {x}, [](auto& in) { return in[0] * in[0] * in[0]; },
///                                [](auto& in, auto& y, auto& gy) { return std::vector{gy * 3.0 * in[0] * in[0]}; });
Tensor apply_function(const std::string& name, const std::vector<Tensor>& inputs,
                      const std::function<Tensor(const std::vector<Tensor>& inputs)>& forward,
                      const std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs, const Tensor& y,
                                                              const Tensor& gy)>& backward);

/// The same for a function with several results. backward(inputs, results, gradients) gets a gradient for each result,
/// zeros for one that was not used. Floating-point results have one dtype and require gradients; others, such as
/// indices, do not, and their gradients are undefined. What only the backward needs, both functions capture:
///
///   auto where = std::make_shared<Tensor>();  // set by the forward, read by the backward
///
/// Throws as apply_function() does, and ValueError for floating-point results of several dtypes, or for none.
std::vector<Tensor> apply_function_multi(
    const std::string& name, const std::vector<Tensor>& inputs,
    const std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>& forward,
    const std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs, const std::vector<Tensor>& results,
                                            const std::vector<Tensor>& gradients)>& backward);

}  // namespace normgrad
