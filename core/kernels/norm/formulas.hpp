// The formulas of the norms, each written once: first those of a set of elements that share a statistic, then those of
// one element. reference.cpp states the whole norm.
//
// The functions of a set are static, so that every file compiles its own for its instruction set. Those of an element,
// or of the lanes of an Accumulator or a Single, are for the *.simd.cpp files: R is the arithmetic, float or double,
// and d is x - mean; in float32, x minus the mean's first part.
#pragma once

#if defined(NORMGRAD_SIMD_NAMESPACE)
#include "normgrad/core/simd/detail/single.hpp"
#endif

namespace normgrad::kernels {

/// Mean and biased variance. Without centering, 0 and the mean square.
struct Moments {
  double mean;
  double var;
};

static inline double rstd_of(double var, double eps) { return 1.0 / __builtin_sqrt(var + eps); }

/// Moments of n elements from the sums of their deviations from a pivot and of the squares, corrected for the pivot's
/// own deviation.
static inline Moments moments_from_sums(double pivot, double sum, double squares, double n, bool center) {
  if (!center) {
    return {0.0, squares / n};
  }
  const double delta = sum / n;
  const double var = (squares - sum * delta) / n;
  return {pivot + delta, var < 0.0 ? 0.0 : var};
}

/// A set's number of elements, their mean, and the sum of their squared deviations from it.
struct PartialMoments {
  double n;
  double mean;
  double m2;
};
/// Adds a part to a set (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
/// variances", 1979). Equal means are preserved exactly.
static inline void merge_moments(PartialMoments& set, const PartialMoments& part) {
  const double delta = part.mean - set.mean;
  set.m2 += part.m2 + delta * delta * set.n * part.n / (set.n + part.n);
  set.n += part.n;
  set.mean += delta * part.n / set.n;
}

/// A number as the difference of two in float32: the nearest one, and what that exceeds it by.
struct SplitNumber {
  float high;
  float excess;
};
static inline SplitNumber split(double v) {
  const auto high = static_cast<float>(v);
  return {high, static_cast<float>(static_cast<double>(high) - v)};
}

/// Whether float32 arithmetic suits a set with these statistics: squares and products of its deviations from the mean
/// have normal float32 values. False for NaN. Forward and backward decide alike, because both see the same statistics.
static inline bool suits_float32(double mean, double rstd) {
  return (rstd >= 0x1p-30) & (rstd <= 0x1p16) & (mean >= -0x1p120) & (mean <= 0x1p120);
}
/// Whether a variance computed in float32 is correct to the last digits. If so, the set suits float32 for any eps.
static inline bool is_exact_in_float32(double var) { return var >= 0x1p-31 && var <= 0x1p59; }

/// The terms of gx that a whole set shares: gx = gy * scale + (x - mean) * slope + shift, with scale = gamma * rstd.
struct SetTerms {
  double slope;
  double shift;
};
/// From the sums of g = gy * gamma and of g * xhat over the n elements of the set.
static inline SetTerms set_terms(double rstd, double sum_g, double sum_g_xhat, double n, bool center) {
  return {-rstd * (rstd * sum_g_xhat / n), center ? -rstd * sum_g / n : 0.0};
}

}  // namespace normgrad::kernels

#if defined(NORMGRAD_SIMD_NAMESPACE)

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// As for Accumulator and Single, to the last bit.
inline double muladd(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}
inline float muladd(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
inline double difference(double a, double b) { return a - b; }
inline float difference(float a, float b) { return a - b; }
inline double zero_unless_above(double least, double decides, double v) { return decides <= least ? 0.0 : v; }
inline float zero_unless_above(float least, float decides, float v) { return decides <= least ? 0.0F : v; }

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

/// The same for columns, whose sums are in double throughout: they do not depend on the order of the elements.
inline void add_column_gradient(const Accumulator& g, const Accumulator& d, Accumulator& sum_g, Accumulator& sum_g_d) {
  add_gradient(g, d, sum_g, sum_g_d);
}
inline void add_column_gradient(const Single& g, const Single& d, Accumulator& sum_g, Accumulator& sum_g_d) {
  add_gradient(widened(g), widened(d), sum_g, sum_g_d);
}
#if defined(NORMGRAD_SIMD_avx512)
inline void add_column_gradient(const LongSingle& g, const LongSingle& d, LongAccumulator& sum_g,
                                LongAccumulator& sum_g_d) {
  add_gradient(LongAccumulator(g), LongAccumulator(d), sum_g, sum_g_d);
}
#endif

/// The statistics of a set as the formulas use them: xhat = (x - mean) * rstd. In float64, these are two numbers. In
/// float32, each is the sum of two: the second part of the mean is added to beta and to the shift of gx, instead of
/// being subtracted from each x, which would round once more.
template <class R>
struct Statistic;

template <>
struct Statistic<double> {
  double mean, rstd;

  double mean_part() const { return mean; }
  /// d of x.
  template <class V>
  V deviation(const V& x) const {
    return difference(x, V(mean));
  }
  /// v * rstd.
  template <class V>
  V scaled(const V& v) const {
    return v * V(rstd);
  }
  template <class V>
  const V& addend(const V& /*scale*/, const V& beta) const {
    return beta;
  }
  template <class V>
  const V& shared_addend(const V& /*scale*/, const V& beta) const {
    return beta;
  }
  /// x - mean, from d.
  template <class V>
  const V& full_deviation(const V& d) const {
    return d;
  }
  SetTerms element_terms(const SetTerms& terms) const { return terms; }
  /// sum(gy * (x - mean)), from the sums of gy and of gy * d.
  template <class V>
  const V& centered(const V& /*sum_gy*/, const V& sum_gy_d) const {
    return sum_gy_d;
  }
};

template <>
struct Statistic<float> {
  double mean, rstd;
  SplitNumber of_mean, of_rstd;

  Statistic() = default;
  Statistic(double m, double r) : mean(m), rstd(r), of_mean(split(m)), of_rstd(split(r)) {}

  float mean_part() const { return of_mean.high; }
  template <class V>
  V deviation(const V& x) const {
    return difference(x, V(of_mean.high));
  }
  /// v * rstd, rounded once where the instruction set has FMA.
  template <class V>
  V scaled(const V& v) const {
    return muladd(v, V(of_rstd.high), v * V(-of_rstd.excess));
  }
  /// beta minus the second part of the mean times scale.
  template <class V>
  V addend(const V& scale, const V& beta) const {
    return muladd(V(of_mean.excess), scale, beta);
  }
  /// The same for parameters that several elements share. V is double or Accumulator.
  template <class V>
  V shared_addend(const V& scale, const V& beta) const {
    return V(static_cast<double>(of_mean.excess)) * scale + beta;
  }
  template <class V>
  V full_deviation(const V& d) const {
    return d + V(of_mean.excess);
  }
  SetTerms element_terms(const SetTerms& terms) const {
    return {terms.slope, terms.shift + static_cast<double>(of_mean.excess) * terms.slope};
  }
  /// V is double or Accumulator.
  template <class V>
  V centered(const V& sum_gy, const V& sum_gy_d) const {
    return sum_gy_d + V(static_cast<double>(of_mean.excess)) * sum_gy;
  }
};

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE

#endif
