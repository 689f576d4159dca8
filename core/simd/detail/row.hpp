// A row of any length as vectors, the last of which may be partial. For `*.simd.cpp` files only.
#pragma once

#include "normgrad/core/simd/detail/math.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// Calls f(i, count) for the full vectors of a row of n elements and for the remainder: count elements from i on.
/// Inline, so that what f collects stays in registers: short rows would wait for the memory otherwise.
template <class T, class F>
[[gnu::always_inline]] inline void each_vector(std::int64_t n, F f) {
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

#if defined(NORMGRAD_SIMD_avx512)
/// The largest lane of numbers.
inline float max_number(const Batch<float>& v) { return _mm512_reduce_max_ps(v); }
inline double max_number(const Batch<double>& v) { return _mm512_reduce_max_pd(v); }
#elif defined(NORMGRAD_SIMD_avx2) || defined(NORMGRAD_SIMD_sse2)
inline float max_of_four(__m128 v) {
  const __m128 pair = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}
inline double max_of_two(__m128d v) { return _mm_cvtsd_f64(_mm_max_sd(v, _mm_unpackhi_pd(v, v))); }
#if defined(NORMGRAD_SIMD_avx2)
inline float max_number(const Batch<float>& v) {
  return max_of_four(_mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}
inline double max_number(const Batch<double>& v) {
  return max_of_two(_mm_max_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1)));
}
#else
inline float max_number(const Batch<float>& v) { return max_of_four(v); }
inline double max_number(const Batch<double>& v) { return max_of_two(v); }
#endif
#elif defined(NORMGRAD_SIMD_neon)
inline float max_number(const Batch<float>& v) { return vmaxvq_f32(v); }
inline double max_number(const Batch<double>& v) { return vmaxvq_f64(v); }
#else
template <class T>
T max_number(const Batch<T>& v) {
  alignas(64) T lanes[static_cast<std::size_t>(kLanes<T>)];
  v.store_aligned(lanes);
  T best = lanes[0];
  for (std::int64_t i = 1; i < kLanes<T>; ++i) {
    best = best > lanes[i] ? best : lanes[i];
  }
  return best;
}
#endif

/// The largest lane, or NaN if there is one.
template <class T>
T max_lane(const Batch<T>& v) {
  if (xsimd::any(is_nan<T>(v))) {
    return T(__builtin_nan(""));
  }
  return max_number(v);
}

/// Combines n elements with f(vector, result so far), in four vectors so that no step waits for the one before.
template <class T, class F>
[[gnu::always_inline]] inline Batch<T> fold_row(const T* x, std::int64_t n, T identity, F f) {
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
