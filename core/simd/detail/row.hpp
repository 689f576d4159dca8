// A row of any length as vectors, the last of which may be partial. For `*.simd.cpp` files only.
#pragma once

#include "normgrad/core/simd/detail/math.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// Calls f(i, count) for the full vectors of a row of n elements and for the remainder: count elements from i on.
template <class T, class F>
void each_vector(std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    f(i, kLanes<T>);
  }
  if (i < n) {
    f(i, n - i);
  }
}

/// Loads `count` elements; the other lanes are `fill`.
template <class T>
Batch<T> load_lanes(const T* p, std::int64_t count, T fill) {
  return count == kLanes<T> ? load(p) : load_partial(p, count, fill);
}

/// Stores the first `count` lanes.
template <class T>
void store_lanes(T* p, const Batch<T>& v, std::int64_t count) {
  if (count == kLanes<T>) {
    store(p, v);
  } else {
    store_partial(p, v, count);
  }
}

/// The largest lane, or NaN if there is one.
template <class T>
T max_lane(const Batch<T>& v) {
  alignas(64) T lanes[static_cast<std::size_t>(kLanes<T>)];
  v.store_aligned(lanes);
  T best = lanes[0];
  for (std::int64_t i = 1; i < kLanes<T>; ++i) {
    best = best > lanes[i] || best != best ? best : lanes[i];
  }
  return best;
}

/// The largest of n elements, or NaN if there is one; -infinity if n is 0.
template <class T>
T max_of_row(const T* x, std::int64_t n) {
  const T lowest = -T(__builtin_huge_val());
  Batch<T> best(lowest);
  each_vector<T>(n, [&](std::int64_t i, std::int64_t count) { best = vmax(load_lanes(x + i, count, lowest), best); });
  return max_lane<T>(best);
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
