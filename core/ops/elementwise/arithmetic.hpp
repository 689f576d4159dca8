// Element-wise operations on two tensors, with NumPy broadcasting.
//
// Operands of different dtypes are converted to their result_type() first; each gets a gradient of its own dtype. Two
// bool tensors are only compared, divided and selected from, and sub takes no bool at all; otherwise DTypeError is
// thrown. Integers wrap around. Shapes that do not broadcast throw ShapeError. Differentiable to any order unless noted
// otherwise.
#pragma once

#include <optional>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Returns the dtype of an operation on both operands, as PyTorch does: promote_types() of their dtypes, except that a
/// tensor without axes beside one with axes, and a number beside any tensor, only counts if its kind is higher: bool,
/// integer, floating point. C++ numbers are bool, int64 and, whatever their type, float32.
DType result_type(const Tensor& a, const Tensor& b);
DType result_type(const Tensor& a, Scalar b);
DType result_type(Scalar a, const Tensor& b);

Tensor add(const Tensor& a, const Tensor& b);  ///< a + b
Tensor sub(const Tensor& a, const Tensor& b);  ///< a - b
Tensor mul(const Tensor& a, const Tensor& b);  ///< a * b
Tensor div(const Tensor& a, const Tensor& b);  ///< a / b; float32 for two tensors of integers or bools
Tensor add(const Tensor& a, Scalar b);         ///< a + b
Tensor sub(const Tensor& a, Scalar b);         ///< a - b
Tensor mul(const Tensor& a, Scalar b);         ///< a * b
Tensor div(const Tensor& a, Scalar b);         ///< a / b
/// a^b, element-wise. Throws ValueError for integers with a negative integer exponent, or one that does not fit their
/// dtype.
Tensor pow(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, Scalar exponent);
/// The larger (smaller) element of the two. Where they are equal, each gets half of the gradient.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
/// `a` where the bool tensor `condition` is true, otherwise `b`. All three broadcast.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, Scalar b);
Tensor where(const Tensor& condition, Scalar a, const Tensor& b);
/// x limited to [low, high]. The gradient is 1 inside and at the limits, and 0 outside. Throws ValueError for an
/// integer limit that does not fit the dtype of integers.
Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }  ///< add
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }  ///< sub
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }  ///< mul
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }  ///< div
inline Tensor operator+(const Tensor& a, Scalar b) { return add(a, b); }         ///< add
inline Tensor operator-(const Tensor& a, Scalar b) { return sub(a, b); }         ///< sub
inline Tensor operator*(const Tensor& a, Scalar b) { return mul(a, b); }         ///< mul
inline Tensor operator/(const Tensor& a, Scalar b) { return div(a, b); }         ///< div
inline Tensor operator+(Scalar a, const Tensor& b) { return add(b, a); }         ///< add
inline Tensor operator*(Scalar a, const Tensor& b) { return mul(b, a); }         ///< mul
Tensor operator-(Scalar a, const Tensor& b);                                     ///< a - b
Tensor operator/(Scalar a, const Tensor& b);                                     ///< a / b
Tensor operator-(const Tensor& x);                                               ///< neg

// Comparisons return bool tensors without a gradient. Integers are compared with a number exactly, without conversion.
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
Tensor eq(const Tensor& a, Scalar b);
Tensor ne(const Tensor& a, Scalar b);
Tensor lt(const Tensor& a, Scalar b);
Tensor le(const Tensor& a, Scalar b);
Tensor gt(const Tensor& a, Scalar b);
Tensor ge(const Tensor& a, Scalar b);
inline Tensor operator==(const Tensor& a, const Tensor& b) { return eq(a, b); }
inline Tensor operator!=(const Tensor& a, const Tensor& b) { return ne(a, b); }
inline Tensor operator<(const Tensor& a, const Tensor& b) { return lt(a, b); }
inline Tensor operator<=(const Tensor& a, const Tensor& b) { return le(a, b); }
inline Tensor operator>(const Tensor& a, const Tensor& b) { return gt(a, b); }
inline Tensor operator>=(const Tensor& a, const Tensor& b) { return ge(a, b); }
inline Tensor operator==(const Tensor& a, Scalar b) { return eq(a, b); }
inline Tensor operator!=(const Tensor& a, Scalar b) { return ne(a, b); }
inline Tensor operator<(const Tensor& a, Scalar b) { return lt(a, b); }
inline Tensor operator<=(const Tensor& a, Scalar b) { return le(a, b); }
inline Tensor operator>(const Tensor& a, Scalar b) { return gt(a, b); }
inline Tensor operator>=(const Tensor& a, Scalar b) { return ge(a, b); }

/// x converted to `dtype`, or x itself if it has that dtype. Differentiable between floating-point types.
Tensor to(const Tensor& x, DType dtype);
/// Sums x over the axes along which `shape` broadcasts to x's shape: the adjoint of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace normgrad
