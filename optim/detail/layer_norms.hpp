// Norms of whole parameters, for optimizers whose step depends on them. Internal.
#pragma once

#include <cmath>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/reduce/vector_norm.hpp"

namespace normgrad::detail {

/// The Euclidean norm of all elements, accumulated in float64.
inline double layer_norm_of(const Tensor& tensor) {
  return dispatch_float("optimizer", tensor.dtype(), [&](auto zero) {
    return std::sqrt(kernels::power_sum(tensor.data<decltype(zero)>(), tensor.numel(), 2.0));
  });
}

/// a / b, or 1 if one of them is 0.
inline double layer_ratio(double a, double b) { return a == 0.0 || b == 0.0 ? 1.0 : a / b; }

}  // namespace normgrad::detail
