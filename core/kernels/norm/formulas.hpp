// The formulas of the norms for one set of elements that share a statistic; formulas_simd.hpp has those for one
// element. reference.cpp states the whole norm.
//
// The functions are static, so that every file compiles its own for its instruction set.
#pragma once

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
