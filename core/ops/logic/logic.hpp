// Logic: masks (bool tensors) and what they are made of. Without a gradient. Shapes broadcast as in NumPy.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Whether both (at least one, exactly one) are true. Elements of other dtypes are true if they are not 0, NaN
/// included.
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
/// Whether x is false, or 0.
Tensor logical_not(const Tensor& x);

// Operators on masks. Throw DTypeError for other dtypes, whose bits they would combine in PyTorch.
Tensor operator&(const Tensor& a, const Tensor& b);  ///< logical_and of two masks
Tensor operator|(const Tensor& a, const Tensor& b);  ///< logical_or of two masks
Tensor operator^(const Tensor& a, const Tensor& b);  ///< logical_xor of two masks
Tensor operator~(const Tensor& x);                   ///< logical_not of a mask

/// Whether each element is NaN (infinite; neither). Elements of int64 and bool tensors are finite.
Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);

/// Whether all (any) elements along the axes are true, or not 0; NaN counts as true. Of no elements, all() is true and
/// any() is false. No axes means all axes.
Tensor all(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);
Tensor any(const Tensor& x, const Axes& axes = {}, ReduceFlag keepdim = false);

}  // namespace normgrad
