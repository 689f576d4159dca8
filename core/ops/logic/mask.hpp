// Selection by masks. Differentiable to any order in the values.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// x with `value` where the bool tensor `mask`, which broadcasts to x, is true. A tensor must have one element and no
/// axes; a number takes x's dtype. Throws ShapeError for a mask that does not broadcast to x.
Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value);
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value);
/// The elements of x where the mask is true, as a vector in row-major order. x and the bool tensor `mask` broadcast.
Tensor masked_select(const Tensor& x, const Tensor& mask);
/// The coordinates of the elements that are true, or not 0 (NaN included), in row-major order: int64, [count, x.dim()].
Tensor nonzero(const Tensor& x);

}  // namespace normgrad
