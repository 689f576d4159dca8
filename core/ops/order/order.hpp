// Sorting and order statistics along one axis, by default the last.
//
// NaN counts as larger than all numbers. Equal elements keep their order, and of equal elements the first is chosen.
// Values have the dtype of x (any dtype) and are differentiable to any order: each passes its gradient to the element
// it was taken from. Indices are int64. A tensor without axes counts as one element. An axis out of range throws
// IndexError.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Elements and their positions along an axis.
struct ValuesAndIndices {
  Tensor values;   ///< elements of x
  Tensor indices;  ///< their positions along the axis; int64, of the same shape
};

/// x in ascending order along the axis.
ValuesAndIndices sort(const Tensor& x, std::int64_t axis = -1, bool descending = false);
/// The indices of sort().
Tensor argsort(const Tensor& x, std::int64_t axis = -1, bool descending = false);
/// The k largest (or smallest) elements along the axis, from the largest (smallest) on; in the order of their positions
/// unless `sorted`. The axis has k elements. Throws ValueError unless 0 <= k <= its size.
ValuesAndIndices topk(const Tensor& x, std::int64_t k, std::int64_t axis = -1, bool largest = true, bool sorted = true);
/// The k-th smallest element along the axis, counted from 1. The axis is removed, or kept with size 1. Throws
/// ValueError unless 1 <= k <= its size.
ValuesAndIndices kthvalue(const Tensor& x, std::int64_t k, std::int64_t axis = -1, ReduceFlag keepdim = false);
/// The lower of the two middle elements along the axis, or the first NaN if there is one. Throws ValueError for an axis
/// of size 0.
ValuesAndIndices median(const Tensor& x, std::int64_t axis, ReduceFlag keepdim = false);
/// The same over all elements, which share the gradient if they are equal to the result.
Tensor median(const Tensor& x);
/// The largest (smallest) element along the axis and its position: max(x, dim) of PyTorch. The first NaN, if there is
/// one. Unlike max(x, axis), equal elements do not share the gradient. Not for bool.
ValuesAndIndices max_with_indices(const Tensor& x, std::int64_t axis, ReduceFlag keepdim = false);
ValuesAndIndices min_with_indices(const Tensor& x, std::int64_t axis, ReduceFlag keepdim = false);
/// The largest (smallest) element up to each position; the last of equal elements, and NaN from the first NaN on.
ValuesAndIndices cummax(const Tensor& x, std::int64_t axis);
ValuesAndIndices cummin(const Tensor& x, std::int64_t axis);

}  // namespace normgrad
