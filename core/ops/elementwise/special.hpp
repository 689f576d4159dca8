// Further functions of one floating-point tensor, and of two or three, with broadcasting. Differentiable to any order.
// Operands of different dtypes are converted to their result_type(); those of lerp must have one dtype. Otherwise
// DTypeError is thrown.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

Tensor reciprocal(const Tensor& x);  ///< 1 / x
Tensor log1p(const Tensor& x);       ///< log(1 + x), accurate for small x
Tensor expm1(const Tensor& x);       ///< exp(x) - 1, accurate for small x
Tensor log2(const Tensor& x);        ///< the logarithm to the base 2
Tensor log10(const Tensor& x);       ///< the logarithm to the base 10
Tensor exp2(const Tensor& x);        ///< 2^x
/// Trigonometric and hyperbolic functions and their inverses; NaN outside of their domains.
Tensor tan(const Tensor& x);
Tensor asin(const Tensor& x);
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor asinh(const Tensor& x);
Tensor acosh(const Tensor& x);
Tensor atanh(const Tensor& x);
/// The logarithm of the absolute value of the gamma function.
Tensor lgamma(const Tensor& x);
/// The derivative of lgamma(x). -inf at 0, inf at -0 and NaN at negative integers.
Tensor digamma(const Tensor& x);
/// The n-th derivative of digamma(x). Throws ValueError for n < 0.
Tensor polygamma(std::int64_t n, const Tensor& x);

/// The angle of the point (b, a), in (-pi, pi].
Tensor atan2(const Tensor& a, const Tensor& b);
/// sqrt(a^2 + b^2) without overflow. The gradient is 0 where both are 0.
Tensor hypot(const Tensor& a, const Tensor& b);
/// a + weight (b - a).
Tensor lerp(const Tensor& a, const Tensor& b, double weight);
Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight);
/// x + value a b.
Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value = 1);
/// x + value a / b.
Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, double value = 1.0);

}  // namespace normgrad
