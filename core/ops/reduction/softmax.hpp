// Softmax and related functions, differentiable to any order and numerically stable for large values.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

Tensor softmax(const Tensor& x, std::int64_t axis);      ///< exp(x) divided by its sum along the axis
Tensor log_softmax(const Tensor& x, std::int64_t axis);  ///< log(softmax(x))
/// log(sum(exp(x))) over the axes.
Tensor logsumexp(const Tensor& x, const Axes& axes, ReduceFlag keepdim = false);

}  // namespace normgrad
