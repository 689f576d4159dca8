// Softmax and its relatives; differentiable to any order, safe for large values.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

Tensor softmax(const Tensor& x, std::int64_t axis);      ///< exp(x) over its sum along the axis
Tensor log_softmax(const Tensor& x, std::int64_t axis);  ///< the log of softmax
/// log(sum(exp(x))) over the axes.
Tensor logsumexp(const Tensor& x, const Axes& axes, ReduceFlag keepdim = false);

}  // namespace normgrad
