// Numbers that lie in memory as float or double and are computed with in double: what must be right to the last digit
// of float32 is rounded once, when it is stored. For `*.simd.cpp` files only.
#pragma once

#include <cstdint>

#include "normgrad/core/base/simd_batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

#if defined(NORMGRAD_SIMD_avx512)
// Conversions of 512 bits cost more than two of 256 where the processor has halves of that width, and no less
// elsewhere.
using WideHalf = xsimd::batch<double, xsimd::fma3<xsimd::avx2>>;
#else
using WideHalf = Batch<double>;
#endif

/// Two registers of doubles.
struct Wide {
  WideHalf low, high;

  Wide() = default;
  // Register by register: compilers copy the whole through memory otherwise.
  Wide(const Wide& v) : low(v.low), high(v.high) {}  // NOLINT(modernize-use-equals-default)
  Wide& operator=(const Wide& v) {                   // NOLINT(modernize-use-equals-default)
    low = v.low;
    high = v.high;
    return *this;
  }
  explicit Wide(double v) : low(v), high(v) {}
  Wide(const WideHalf& l, const WideHalf& h) : low(l), high(h) {}
  Wide& operator+=(const Wide& v) {
    low += v.low;
    high += v.high;
    return *this;
  }
};
inline constexpr std::int64_t kHalf = static_cast<std::int64_t>(WideHalf::size);
inline constexpr std::int64_t kWide = 2 * kHalf;

inline Wide operator+(const Wide& a, const Wide& b) { return {a.low + b.low, a.high + b.high}; }
inline Wide operator*(const Wide& a, const Wide& b) { return {a.low * b.low, a.high * b.high}; }

// half_from, half_to: one register from memory and to it; half_stream: past the caches, to an address that is a
// multiple of the bytes written; keep: v where mask has ones.
inline WideHalf half_from(const double* p) { return WideHalf::load_unaligned(p); }
inline void half_to(double* p, const WideHalf& v) { v.store_unaligned(p); }
#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
inline WideHalf half_from(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
inline void half_to(float* p, const WideHalf& v) { _mm_storeu_ps(p, _mm256_cvtpd_ps(v)); }
inline void stream(double* p, const Wide& v) {
  _mm256_stream_pd(p, v.low);
  _mm256_stream_pd(p + kHalf, v.high);
}
inline void stream(float* p, const Wide& v) {
  _mm_stream_ps(p, _mm256_cvtpd_ps(v.low));
  _mm_stream_ps(p + kHalf, _mm256_cvtpd_ps(v.high));
}
inline void end_stream() { _mm_sfence(); }
/// Lane i: the sum of the lanes of v[i].
inline WideHalf add_each(const WideHalf (&v)[4]) {
  const __m256d a = _mm256_hadd_pd(v[0], v[1]);
  const __m256d b = _mm256_hadd_pd(v[2], v[3]);
  return _mm256_add_pd(_mm256_permute2f128_pd(a, b, 0x20), _mm256_permute2f128_pd(a, b, 0x31));
}
inline double add_lanes(const WideHalf& v) {
  const __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
}
#elif defined(NORMGRAD_SIMD_sse2)
inline WideHalf half_from(const float* p) {
  return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline void half_to(float* p, const WideHalf& v) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_castps_si128(_mm_cvtpd_ps(v)));
}
inline void stream(double* p, const Wide& v) {
  _mm_stream_pd(p, v.low);
  _mm_stream_pd(p + kHalf, v.high);
}
inline void stream(float* p, const Wide& v) {
  _mm_stream_ps(p, _mm_movelh_ps(_mm_cvtpd_ps(v.low), _mm_cvtpd_ps(v.high)));
}
inline void end_stream() { _mm_sfence(); }
inline WideHalf add_each(const WideHalf (&v)[2]) {
  return _mm_add_pd(_mm_unpacklo_pd(v[0], v[1]), _mm_unpackhi_pd(v[0], v[1]));
}
inline double add_lanes(const WideHalf& v) { return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v))); }
#else
inline WideHalf half_from(const float* p) {
  alignas(64) double lanes[static_cast<std::size_t>(kHalf)];
  for (std::int64_t i = 0; i < kHalf; ++i) {
    lanes[i] = static_cast<double>(p[i]);
  }
  return WideHalf::load_aligned(lanes);
}
inline void half_to(float* p, const WideHalf& v) {
  alignas(64) double lanes[static_cast<std::size_t>(kHalf)];
  v.store_aligned(lanes);
  for (std::int64_t i = 0; i < kHalf; ++i) {
    p[i] = static_cast<float>(lanes[i]);
  }
}
template <class T>
inline void stream(T* p, const Wide& v) {
  half_to(p, v.low);
  half_to(p + kHalf, v.high);
}
inline void end_stream() {}
inline WideHalf add_each(const WideHalf (&v)[WideHalf::size]) {
  alignas(64) double sums[WideHalf::size];
  for (std::size_t i = 0; i < WideHalf::size; ++i) {
    sums[i] = sum_lanes(v[i]);
  }
  return WideHalf::load_aligned(sums);
}
inline double add_lanes(const WideHalf& v) { return sum_lanes(v); }
#endif

template <class T>
inline Wide load_wide(const T* p) {
  return {half_from(p), half_from(p + kHalf)};
}
template <class T>
inline void store_wide(T* p, const Wide& v) {
  half_to(p, v.low);
  half_to(p + kHalf, v.high);
}

/// a * b + c; one rounding where the instruction set has it.
inline Wide muladd(const Wide& a, const Wide& b, const Wide& c) {
  return {xsimd::fma(a.low, b.low, c.low), xsimd::fma(a.high, b.high, c.high)};
}
/// a - b.
inline Wide difference(const Wide& a, const Wide& b) {
#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
  // On the units that multiply: those that add have the conversions to do.
  const WideHalf one(1.0);
  return {xsimd::fms(a.low, one, b.low), xsimd::fms(a.high, one, b.high)};
#else
  return {a.low - b.low, a.high - b.high};
#endif
}
/// v where it is above `least` or NaN, 0 elsewhere.
inline Wide zero_unless_above(const Wide& least, const Wide& decides, const Wide& v) {
  const WideHalf zero(0.0);
  return {xsimd::select(decides.low <= least.low, zero, v.low),
          xsimd::select(decides.high <= least.high, zero, v.high)};
}
/// Ones in all lanes but the first n, 0 <= n <= kWide.
inline Wide lanes_from(std::int64_t n) {
  alignas(64) static constexpr std::int64_t kMask[] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
                                                       -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  static_assert(kWide <= 16);
  const auto* mask = reinterpret_cast<const double*>(kMask + 16 - n);
  return {half_from(mask), half_from(mask + kHalf)};
}
/// `yes` where mask has ones, `no` elsewhere.
inline Wide choose(const Wide& mask, const Wide& yes, const Wide& no) {
#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
  return {_mm256_blendv_pd(no.low, yes.low, mask.low), _mm256_blendv_pd(no.high, yes.high, mask.high)};
#else
  return {no.low ^ ((no.low ^ yes.low) & mask.low), no.high ^ ((no.high ^ yes.high) & mask.high)};
#endif
}
/// v with 0 in its first n lanes, 0 <= n <= kWide.
inline Wide clear_first(const Wide& v, std::int64_t n) {
  const Wide mask = lanes_from(n);
  return {v.low & mask.low, v.high & mask.high};
}

/// Sum of the lanes.
inline double sum_lanes(const Wide& v) { return add_lanes(v.low + v.high); }

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
