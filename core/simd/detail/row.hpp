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

/// Combines n elements with f(vector, result so far), in four vectors so that no step waits for the one before.
template <class T, class F>
Batch<T> fold_row(const T* x, std::int64_t n, T identity, F f) {
  constexpr std::int64_t kStep = kLanes<T>;
  Batch<T> a(identity);
  std::int64_t i = 0;
  if (n >= 4 * kStep) {
    Batch<T> b(identity);
    Batch<T> c(identity);
    Batch<T> d(identity);
    for (; i + 4 * kStep <= n; i += 4 * kStep) {
      a = f(load(x + i), a);
      b = f(load(x + i + kStep), b);
      c = f(load(x + i + 2 * kStep), c);
      d = f(load(x + i + 3 * kStep), d);
    }
    a = f(f(a, b), f(c, d));
  }
  each_vector<T>(n - i, [&](std::int64_t j, std::int64_t count) { a = f(load_lanes(x + i + j, count, identity), a); });
  return a;
}

/// The largest of n elements, or NaN if there is one; -infinity if n is 0.
template <class T>
T max_of_row(const T* x, std::int64_t n) {
  return max_lane<T>(
      fold_row(x, n, -T(__builtin_huge_val()), [](const Batch<T>& v, const Batch<T>& best) { return vmax(v, best); }));
}

/// The smallest of n elements, or NaN if there is one; infinity if n is 0.
template <class T>
T min_of_row(const T* x, std::int64_t n) {
  return -max_lane<T>(
      -fold_row(x, n, T(__builtin_huge_val()), [](const Batch<T>& v, const Batch<T>& best) { return vmin(v, best); }));
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
