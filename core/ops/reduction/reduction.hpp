// Reductions over any axes. No axes means all. With keepdim the reduced axes remain with size 1. The order of summation
// is fixed, so results do not depend on the number of threads.
#pragma once

#include <optional>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

Tensor sum(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);   ///< over axes
Tensor mean(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);  ///< over axes
/// The variance by the two-pass formula, divided by n - 1 if unbiased, otherwise by n.
Tensor var(const Tensor& x, const Axes& axes = {}, ReduceFlag unbiased = true, ReduceFlag keepdim = false);
/// The largest (smallest) element. Equal elements share the gradient. Throws ValueError for an empty reduction.
Tensor max(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);
Tensor min(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);
Tensor prod(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);
/// The index of the first largest (smallest) element along the axis, or in the flattened tensor; int64, without a
/// gradient.
Tensor argmax(const Tensor& x, std::optional<std::int64_t> axis = {}, ReduceFlag keepdim = false);
Tensor argmin(const Tensor& x, std::optional<std::int64_t> axis = {}, ReduceFlag keepdim = false);

}  // namespace normgrad
