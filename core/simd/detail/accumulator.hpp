// Accumulators: values stored as float or double and computed in double, so that results that must be correct to the
// last digit of float32 are rounded only once, when stored. For `*.simd.cpp` files only.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

#if defined(NORMGRAD_SIMD_avx512)
// One 512-bit conversion is slower than two 256-bit ones where the processor splits it into halves, and no faster
// elsewhere.
using AccumulatorHalf = xsimd::batch<double, xsimd::fma3<xsimd::avx2>>;
#else
using AccumulatorHalf = Batch<double>;
#endif

/// A pair of double registers.
struct Accumulator {
  AccumulatorHalf low, high;

  Accumulator() = default;
  // Copies each register; with the default copy, compilers copy the pair through memory.
  Accumulator(const Accumulator& v) : low(v.low), high(v.high) {}  // NOLINT(modernize-use-equals-default)
  Accumulator& operator=(const Accumulator& v) {                   // NOLINT(modernize-use-equals-default)
    low = v.low;
    high = v.high;
    return *this;
  }
  explicit Accumulator(double v) : low(v), high(v) {}
  Accumulator(const AccumulatorHalf& l, const AccumulatorHalf& h) : low(l), high(h) {}
  Accumulator& operator+=(const Accumulator& v) {
    low += v.low;
    high += v.high;
    return *this;
  }
};
inline constexpr std::int64_t kHalf = static_cast<std::int64_t>(AccumulatorHalf::size);
inline constexpr std::int64_t kAccumulatorLanes = 2 * kHalf;

inline Accumulator operator+(const Accumulator& a, const Accumulator& b) { return {a.low + b.low, a.high + b.high}; }
inline Accumulator operator*(const Accumulator& a, const Accumulator& b) { return {a.low * b.low, a.high * b.high}; }

// half_from, half_to: load and store one register. stream: non-temporal store; p must be aligned to the bytes of one
// store.
inline AccumulatorHalf half_from(const double* p) { return AccumulatorHalf::load_unaligned(p); }
inline void half_to(double* p, const AccumulatorHalf& v) { v.store_unaligned(p); }
#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
inline AccumulatorHalf half_from(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
inline void half_to(float* p, const AccumulatorHalf& v) { _mm_storeu_ps(p, _mm256_cvtpd_ps(v)); }
inline void stream(double* p, const Accumulator& v) {
  _mm256_stream_pd(p, v.low);
  _mm256_stream_pd(p + kHalf, v.high);
}
inline void stream(float* p, const Accumulator& v) {
  _mm_stream_ps(p, _mm256_cvtpd_ps(v.low));
  _mm_stream_ps(p + kHalf, _mm256_cvtpd_ps(v.high));
}
inline void store_fence() { _mm_sfence(); }
/// Lane i is the sum of the lanes of v[i].
inline AccumulatorHalf add_each(const AccumulatorHalf (&v)[4]) {
  const __m256d a = _mm256_hadd_pd(v[0], v[1]);
  const __m256d b = _mm256_hadd_pd(v[2], v[3]);
  return _mm256_add_pd(_mm256_permute2f128_pd(a, b, 0x20), _mm256_permute2f128_pd(a, b, 0x31));
}
inline double add_lanes(const AccumulatorHalf& v) {
  const __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
}
#elif defined(NORMGRAD_SIMD_sse2)
inline AccumulatorHalf half_from(const float* p) {
  return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline void half_to(float* p, const AccumulatorHalf& v) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_castps_si128(_mm_cvtpd_ps(v)));
}
inline void stream(double* p, const Accumulator& v) {
  _mm_stream_pd(p, v.low);
  _mm_stream_pd(p + kHalf, v.high);
}
inline void stream(float* p, const Accumulator& v) {
  _mm_stream_ps(p, _mm_movelh_ps(_mm_cvtpd_ps(v.low), _mm_cvtpd_ps(v.high)));
}
inline void store_fence() { _mm_sfence(); }
inline AccumulatorHalf add_each(const AccumulatorHalf (&v)[2]) {
  return _mm_add_pd(_mm_unpacklo_pd(v[0], v[1]), _mm_unpackhi_pd(v[0], v[1]));
}
inline double add_lanes(const AccumulatorHalf& v) { return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v))); }
#elif defined(NORMGRAD_SIMD_neon)
inline AccumulatorHalf half_from(const float* p) { return vcvt_f64_f32(vld1_f32(p)); }
inline void half_to(float* p, const AccumulatorHalf& v) { vst1_f32(p, vcvt_f32_f64(v)); }
inline AccumulatorHalf add_each(const AccumulatorHalf (&v)[2]) { return vpaddq_f64(v[0], v[1]); }
inline double add_lanes(const AccumulatorHalf& v) { return vaddvq_f64(v); }
#else
inline AccumulatorHalf half_from(const float* p) {
  alignas(64) double lanes[static_cast<std::size_t>(kHalf)];
  for (std::int64_t i = 0; i < kHalf; ++i) {
    lanes[i] = static_cast<double>(p[i]);
  }
  return AccumulatorHalf::load_aligned(lanes);
}
inline void half_to(float* p, const AccumulatorHalf& v) {
  alignas(64) double lanes[static_cast<std::size_t>(kHalf)];
  v.store_aligned(lanes);
  for (std::int64_t i = 0; i < kHalf; ++i) {
    p[i] = static_cast<float>(lanes[i]);
  }
}
inline AccumulatorHalf add_each(const AccumulatorHalf (&v)[AccumulatorHalf::size]) {
  alignas(64) double sums[AccumulatorHalf::size];
  for (std::size_t i = 0; i < AccumulatorHalf::size; ++i) {
    sums[i] = sum_lanes(v[i]);
  }
  return AccumulatorHalf::load_aligned(sums);
}
inline double add_lanes(const AccumulatorHalf& v) { return sum_lanes(v); }
#endif
#if defined(NORMGRAD_SIMD_neon) || defined(NORMGRAD_SIMD_generic)  // ordinary stores
template <class T>
inline void stream(T* p, const Accumulator& v) {
  half_to(p, v.low);
  half_to(p + kHalf, v.high);
}
inline void store_fence() {}
#endif

template <class T>
inline Accumulator load_accumulator(const T* p) {
  return {half_from(p), half_from(p + kHalf)};
}
template <class T>
inline void store_accumulator(T* p, const Accumulator& v) {
  half_to(p, v.low);
  half_to(p + kHalf, v.high);
}

/// a * b + c, with a single rounding where the instruction set has FMA.
inline Accumulator muladd(const Accumulator& a, const Accumulator& b, const Accumulator& c) {
  return {xsimd::fma(a.low, b.low, c.low), xsimd::fma(a.high, b.high, c.high)};
}
/// a - b.
inline Accumulator difference(const Accumulator& a, const Accumulator& b) {
#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
  // Uses the multiply units, because the add units are busy with conversions.
  const AccumulatorHalf one(1.0);
  return {xsimd::fms(a.low, one, b.low), xsimd::fms(a.high, one, b.high)};
#else
  return {a.low - b.low, a.high - b.high};
#endif
}
/// v where `decides` is above `least` or NaN, 0 elsewhere.
inline Accumulator zero_unless_above(const Accumulator& least, const Accumulator& decides, const Accumulator& v) {
  const AccumulatorHalf zero(0.0);
  return {xsimd::select(decides.low <= least.low, zero, v.low),
          xsimd::select(decides.high <= least.high, zero, v.high)};
}
/// Mask with ones in all lanes but the first n, 0 <= n <= kAccumulatorLanes.
inline Accumulator lanes_from(std::int64_t n) {
  alignas(64) static constexpr std::int64_t kMask[] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
                                                       -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  static_assert(kAccumulatorLanes <= 16);
  const auto* mask = reinterpret_cast<const double*>(kMask + 16 - n);
  return {half_from(mask), half_from(mask + kHalf)};
}
/// `yes` where the mask has ones, `no` elsewhere.
inline Accumulator choose(const Accumulator& mask, const Accumulator& yes, const Accumulator& no) {
#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
  return {_mm256_blendv_pd(no.low, yes.low, mask.low), _mm256_blendv_pd(no.high, yes.high, mask.high)};
#else
  return {no.low ^ ((no.low ^ yes.low) & mask.low), no.high ^ ((no.high ^ yes.high) & mask.high)};
#endif
}
/// v with 0 in its first n lanes, 0 <= n <= kAccumulatorLanes.
inline Accumulator clear_first(const Accumulator& v, std::int64_t n) {
  const Accumulator mask = lanes_from(n);
  return {v.low & mask.low, v.high & mask.high};
}

/// Sum of the lanes.
inline double sum_lanes(const Accumulator& v) { return add_lanes(v.low + v.high); }

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
