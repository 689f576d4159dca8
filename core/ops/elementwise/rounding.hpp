// Rounding, and remainders of divisions.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

// Rounding: float32, float64, and integers, which keep their values. The gradient is 0 everywhere.
Tensor floor(const Tensor& x);  ///< the largest integer that is not larger than x
Tensor ceil(const Tensor& x);   ///< the smallest integer that is not smaller than x
Tensor trunc(const Tensor& x);  ///< x without its fractional part
/// The nearest integer; of two, the even one.
Tensor round(const Tensor& x);
/// The nearest multiple of 10^-decimals, as round(x 10^decimals) / 10^decimals; `decimals` may be negative. float32 and
/// float64.
Tensor round(const Tensor& x, std::int64_t decimals);
/// x - trunc(x); the gradient is 1.
Tensor frac(const Tensor& x);

/// a - b trunc(a / b), which has the sign of a. Of float32, float64 or int64; a zero divisor gives NaN, and for int64
/// throws ValueError. The gradient with respect to b is -trunc(a / b). Shapes broadcast.
Tensor fmod(const Tensor& a, const Tensor& b);
Tensor fmod(const Tensor& a, Scalar b);
/// a - b floor(a / b), which has the sign of b; otherwise as fmod().
Tensor remainder(const Tensor& a, const Tensor& b);
Tensor remainder(const Tensor& a, Scalar b);

}  // namespace normgrad
