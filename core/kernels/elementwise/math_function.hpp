// Functions of the C library, element by element, and related ones that need a loop per element.
#pragma once

#include <cstdint>

#include "normgrad/core/kernels/elementwise/broadcast.hpp"

namespace normgrad::kernels {

/// round rounds halves to even. polygamma takes its order; order 0 is digamma.
enum class MathFunction {
  floor,
  ceil,
  round,
  trunc,
  log1p,
  expm1,
  log2,
  log10,
  exp2,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  asinh,
  acosh,
  atanh,
  lgamma,
  polygamma,
};

/// The remainder has the sign of the divisor, fmod that of the dividend.
enum class MathFunction2 { atan2, hypot, fmod, remainder };

/// y[i] = f(x[i]) for T: float or double. y may be x.
template <class T>
void math_function(MathFunction f, std::int64_t order, const T* x, T* y, std::int64_t n);

/// y = f(a, b) with broadcasting for T: float, double, or std::int64_t (fmod and remainder only, by divisors other than
/// 0).
template <class T>
void math_function(MathFunction2 f, const Broadcast<2>& layout, const T* a, const T* b, T* y);

}  // namespace normgrad::kernels
