// Reductions over any axes. No axes means all; with keepdim the reduced axes stay with size 1.
// The order of summation is fixed: results do not depend on the number of threads.
#pragma once

#include <optional>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

Tensor sum(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);   ///< over axes
Tensor mean(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);  ///< over axes
/// Variance from the two-pass formula; divided by n - 1 when unbiased, else by n.
Tensor var(const Tensor& x, const Axes& axes = {}, ReduceFlag unbiased = true, ReduceFlag keepdim = false);
/// Largest (smallest) element; equal ones share the gradient. Throws ValueError for no elements.
Tensor max(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);
Tensor min(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);
Tensor prod(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);
/// Index of the first largest (smallest) element along the axis, or in the flattened tensor; int64, no gradient.
Tensor argmax(const Tensor& x, std::optional<std::int64_t> axis = {}, ReduceFlag keepdim = false);
Tensor argmin(const Tensor& x, std::optional<std::int64_t> axis = {}, ReduceFlag keepdim = false);

}  // namespace normgrad
