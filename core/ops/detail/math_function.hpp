// Applies functions of the C library to tensors. Internal.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/elementwise/math_function.hpp"

namespace normgrad::detail {

/// f(x) for a float32 or float64 tensor, not recorded.
Tensor apply_math(const char* name, kernels::MathFunction f, const Tensor& x, std::int64_t order = 0);
/// f(a, b) with broadcasting, not recorded. float32 or float64; integers only for fmod and remainder.
Tensor apply_math(const char* name, kernels::MathFunction2 f, const Tensor& a, const Tensor& b);

}  // namespace normgrad::detail
