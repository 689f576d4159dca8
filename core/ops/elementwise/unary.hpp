// Element-wise functions of one floating-point tensor, differentiable to any order.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

Tensor neg(const Tensor& x);  ///< -x
/// The gradient at 0 is 0.
Tensor abs(const Tensor& x);
/// -1, 0 or 1; the gradient is 0 everywhere.
Tensor sign(const Tensor& x);
Tensor exp(const Tensor& x);
/// The natural logarithm.
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
/// 1 / sqrt(x).
Tensor rsqrt(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
/// The error function.
Tensor erf(const Tensor& x);

}  // namespace normgrad
