// Moments of neighbours in one pass over memory, part by part. For norm_*.simd.cpp only.
//
// Each part is summed around a pivot near its mean: that of its first elements or that of the part before. A part whose
// pivot turns out to be more than two standard deviations off, which costs digits, is summed again, around its mean.
// The parts' moments merge in double (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances", 1979).
#pragma once

#include "normgrad/core/kernels/norm_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// Elements of a part: the sums of the next one wait for its mean, which should be seldom.
inline constexpr std::int64_t kPart = 4096;
inline constexpr std::int64_t kPivotElements = 64;

/// About the mean of the first elements; exactly that of fewer than kPivotElements.
template <class T>
Uniform first_pivot(const T* x, std::int64_t length, bool centre) {
  if (!centre) {
    return {0.0};
  }
  if (length < kPivotElements) {
    double sum[1];
    reduce<T>(Segments{1, 0, length}, value_terms(x), sum);
    return pivot_of<T>(sum[0], static_cast<double>(length));
  }
  Batch<T> sum = load(x);
  for (std::int64_t j = kLanes<T>; j < kPivotElements; j += kLanes<T>) {
    sum += load(x + j);
  }
  WideSum<T> wide;
  wide.add(sum);
  return pivot_of<T>(wide.total(), static_cast<double>(kPivotElements));
}

template <class T>
Moments part_moments(const T* x, std::int64_t length, bool centre, const Uniform& pivot) {
  const Segments part{1, 0, length};
  double deviations[2];
  reduce<T>(part, deviation_terms(x, pivot), deviations);
  Moments m = finish_moments(pivot.value, deviations[0], deviations[1], part.size(), centre);
  const double off = m.mean - pivot.value;
  if (centre && off * off > 4.0 * m.var) {
    const Uniform mean{static_cast<double>(static_cast<T>(m.mean))};
    reduce<T>(part, deviation_terms(x, mean), deviations);
    m = finish_moments(mean.value, deviations[0], deviations[1], part.size(), centre);
  }
  return m;
}

/// Of x[0, length), given a pivot for its first part. NaN where squares overflow, too small where they vanish.
template <class T>
Moments neighbour_moments(const T* x, std::int64_t length, bool centre, const Uniform& first) {
  std::int64_t seen = length < kPart ? length : kPart;
  Moments all = part_moments(x, seen, centre, first);
  double last_mean = all.mean;
  while (seen < length) {
    const std::int64_t size = length - seen < kPart ? length - seen : kPart;
    const Moments part = part_moments(x + seen, size, centre, {static_cast<double>(static_cast<T>(last_mean))});
    last_mean = part.mean;
    seen += size;
    const double share = static_cast<double>(size) / static_cast<double>(seen);
    const double delta = part.mean - all.mean;
    all.var += share * (part.var - all.var + delta * delta * (1.0 - share));
    all.mean += delta * share;
  }
  return all;
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
