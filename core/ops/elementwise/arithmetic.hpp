// Element-wise operations on two tensors, with NumPy broadcasting.
//
// Operands must have the same dtype; otherwise they throw DTypeError (convert with to()). (mul also takes a mask.) A
// number takes the tensor's dtype, and is applied exactly to an int64 tensor. Shapes that do not broadcast throw
// ShapeError. Differentiable to any order unless noted otherwise.
#pragma once

#include <optional>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

Tensor add(const Tensor& a, const Tensor& b);  ///< a + b
Tensor sub(const Tensor& a, const Tensor& b);  ///< a - b
/// a * b. A bool tensor times numbers counts as 0 and 1.
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);  ///< a / b
Tensor add(const Tensor& a, Scalar b);         ///< a + b
Tensor sub(const Tensor& a, Scalar b);         ///< a - b
Tensor mul(const Tensor& a, Scalar b);         ///< a * b
Tensor div(const Tensor& a, Scalar b);         ///< a / b
/// a^b, element-wise.
Tensor pow(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, double exponent);
/// The larger (smaller) element of the two. Where they are equal, each gets half of the gradient.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
/// `a` where the bool tensor `condition` is true, otherwise `b`. All three broadcast.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, Scalar b);
Tensor where(const Tensor& condition, Scalar a, const Tensor& b);
/// x limited to [low, high]. The gradient is 1 inside and at the limits, and 0 outside.
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

// Comparisons return bool tensors without a gradient.
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
