// Standard deviations and norms over any axes. No axes means all. With keepdim the reduced axes remain with size 1.
// float32 and float64; differentiable to any order away from 0.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// The square root of var(), with the same arguments and errors. The gradient is 0 where the result is 0.
Tensor std(const Tensor& x, const Axes& axes = {}, ReduceFlag unbiased = true, ReduceFlag keepdim = false);

/// Result of std_mean().
struct StdMean {
  Tensor std;   ///< the standard deviation
  Tensor mean;  ///< the mean
};
/// std() and mean() over the same axes.
StdMean std_mean(const Tensor& x, const Axes& axes = {}, ReduceFlag unbiased = true, ReduceFlag keepdim = false);

/// Result of var_mean().
struct VarMean {
  Tensor var;   ///< the variance
  Tensor mean;  ///< the mean
};
/// var() and mean() over the same axes.
VarMean var_mean(const Tensor& x, const Axes& axes = {}, ReduceFlag unbiased = true, ReduceFlag keepdim = false);

/// The p-norm (sum |x|^p)^(1/p). For p = infinity (-infinity) the largest (smallest) |x|, which equal elements share
/// the gradient of; for p = 0 the number of elements other than 0. The gradient is 0 where the norm is 0, and at
/// elements that are 0. The norm of no elements is 0; for p < 0 it throws ValueError. Throws ValueError for a NaN p.
Tensor norm(const Tensor& x, double p = 2.0, const Axes& axes = {}, ReduceFlag keepdim = false);

}  // namespace normgrad
