// Functions of float64 lanes whose results become float32: accurate to 2^-42 and faster than those of math.hpp. For
// `*.simd.cpp` files only.
#pragma once

#include "normgrad/core/simd/detail/math.hpp"
#include "normgrad/core/simd/detail/words.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// kWords floats, exactly.
inline Batch<double> load_wide(const float* p) {
  using Floats = float __attribute__((vector_size(sizeof(float) * Batch<double>::size)));
  using Doubles = double __attribute__((vector_size(sizeof(double) * Batch<double>::size)));
  Floats narrow;
  __builtin_memcpy(&narrow, p, sizeof(narrow));
  return doubles_of((Words) __builtin_convertvector(narrow, Doubles));  // NOLINT: a cast of vectors
}

/// log(v) for normal v > 0.
inline Batch<double> log_for_float(const Batch<double>& v) {
  // Chebyshev interpolation of (log((1 + s) / (1 - s)) / s - 2) / s^2 in powers of s^2, for sqrt(1/2) <= (1 + s) / (1 -
  // s) <= sqrt(2).
  constexpr double kSeries[] = {0.66666666667378685659, 0.39999998792441688583, 0.28571755535032942409,
                                0.2219133742806578374, 0.19363884986633199356};
  constexpr std::uint64_t kRootHalf = 0x3FE6A09E667F3BCDU;  // the bits of sqrt(1/2)
  constexpr std::uint64_t kOne = 0x3FF0000000000000U;
  const Words shifted = words_of(v) + (kOne - kRootHalf);
  const Batch<double> exponent = doubles_of((shifted >> 52) | 0x4330000000000000U) - Batch<double>(0x1p52 + 1023.0);
  const Batch<double> f = doubles_of((shifted & 0xFFFFFFFFFFFFFU) + kRootHalf) - Batch<double>(1.0);
  const Batch<double> s = f / (f + Batch<double>(2.0));
  const Batch<double> z = s * s;
  const Batch<double> of_fraction = s * muladd(z, polynomial(z, kSeries), Batch<double>(2.0));
  return muladd(exponent, Batch<double>(0.69314718055994530942), of_fraction);
}

/// exp(x); below -110 and above 95, where a float is 0 or infinite, exp(-110) and exp(95).
inline Batch<double> exp_for_float(const Batch<double>& x) {
  // Taylor's series: the first term left out is (log(2) / 2)^11 / 11! < 2^-42.
  constexpr double kSeries[] = {1.0,       1.0,        1.0 / 2,     1.0 / 6,      1.0 / 24,     1.0 / 120,
                                1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800};
  constexpr double kToWhole =
      0x1.8p52;  // added to a number below 2^51, it leaves the nearest whole one in the last bits
  const Batch<double> within = xsimd::min(xsimd::max(x, Batch<double>(-110.0)), Batch<double>(95.0));
  const Batch<double> whole = muladd(within, Batch<double>(1.44269504088896340736), Batch<double>(kToWhole));
  const Batch<double> rest = muladd(whole - Batch<double>(kToWhole), Batch<double>(-0.69314718055994530942), within);
  return doubles_of(words_of(polynomial(rest, kSeries)) + (words_of(whole) << 52));
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
