// The formulas of the norms for one element, or for the lanes of an Accumulator; d is x - mean. Only for the
// *.simd.cpp files in this folder.
#pragma once

#include "normgrad/core/kernels/norm/formulas.hpp"
#include "normgrad/core/simd/detail/accumulator.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// As for Accumulator, to the last bit.
inline double muladd(double a, double b, double c) {
#if defined(__FMA__)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}
inline double difference(double a, double b) { return a - b; }
inline double zero_unless_above(double least, double decides, double v) { return decides <= least ? 0.0 : v; }

/// y = xhat * gamma + beta, with scale = rstd * gamma.
template <class V>
inline V output_of(const V& d, const V& scale, const V& beta) {
  return muladd(d, scale, beta);
}

/// gx = rstd * (g - mean(g) - xhat * mean(g * xhat)), with g = gy * gamma and the terms of the set.
template <class V>
inline V input_gradient_of(const V& gy, const V& scale, const V& d, const V& slope, const V& shift) {
  return muladd(gy, scale, muladd(d, slope, shift));
}

/// The terms of the sums of d and d^2, where d is the deviation from a pivot.
template <class V>
inline void add_deviation(const V& d, V& sum, V& squares) {
  sum += d;
  squares = muladd(d, d, squares);
}

/// The terms of the sums of g and g * d.
template <class V>
inline void add_gradient(const V& g, const V& d, V& sum_g, V& sum_g_d) {
  sum_g += g;
  sum_g_d = muladd(g, d, sum_g_d);
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
