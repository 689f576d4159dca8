// Searches in sorted tensors, and the distinct elements of a tensor. Without a gradient, except for the values of
// unique().
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// For each value v the number of elements of its row that are smaller than v, or, if `right`, not larger than v: the
/// position to insert v at, before or after elements equal to it. int64, in the shape of `values`. sorted_sequence: a
/// vector for all values, or [..., n] with the leading axes of values [..., m]. Its last axis must be in ascending
/// order, which is not checked. NaN counts as larger than all numbers. float32, float64 or int64, both of one dtype.
/// Throws ShapeError for other leading axes.
Tensor searchsorted(const Tensor& sorted_sequence, const Tensor& values, bool right = false);
/// searchsorted(boundaries, x, right) for a vector of boundaries: the bucket of each element. Bucket i is
/// (boundaries[i - 1], boundaries[i]], or, if `right`, [boundaries[i - 1], boundaries[i]).
Tensor bucketize(const Tensor& x, const Tensor& boundaries, bool right = false);

/// Result of unique().
struct UniqueResult {
  Tensor values;   ///< the distinct elements in ascending order
  Tensor inverse;  ///< the position in `values` of each element of x; int64, in the shape of x
  Tensor counts;   ///< how often each value occurs; int64
};
/// The distinct elements of x, of any dtype. NaNs are all different, and last. Each value passes its gradient to its
/// first element.
UniqueResult unique(const Tensor& x);

}  // namespace normgrad
