// Running sums and products along one axis. A tensor without axes counts as one element. An axis out of range throws
// IndexError. Floating-point numbers are accumulated in double. Differentiable to any order.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// y[i] = x[0] + ... + x[i]. int64 for bool.
Tensor cumsum(const Tensor& x, std::int64_t axis);
/// y[i] = x[0] * ... * x[i]. int64 for bool. The gradient is right for factors of 0 too.
Tensor cumprod(const Tensor& x, std::int64_t axis);
/// y[i] = log(exp(x[0]) + ... + exp(x[i])), stable for large values. float32 and float64.
Tensor logcumsumexp(const Tensor& x, std::int64_t axis);

}  // namespace normgrad
