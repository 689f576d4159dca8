// Lanes of float32 that are computed in float32, as many as an Accumulator has. For `*.simd.cpp` files only.
#pragma once

#include <cstdint>
#include <type_traits>

#include "normgrad/core/simd/detail/accumulator.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// A register of float32.
struct Single {
  using Register = xsimd::batch<float, AccumulatorHalf::arch_type>;
  Register lanes;

  Single() = default;
  explicit Single(float v) : lanes(v) {}
  explicit Single(const Register& v) : lanes(v) {}
  Single& operator+=(const Single& v) {
    lanes += v.lanes;
    return *this;
  }
};
static_assert(static_cast<std::int64_t>(Single::Register::size) == kAccumulatorLanes);

inline Single operator+(const Single& a, const Single& b) { return Single(a.lanes + b.lanes); }
inline Single operator*(const Single& a, const Single& b) { return Single(a.lanes * b.lanes); }

/// a * b + c, with a single rounding where the instruction set has FMA.
inline Single muladd(const Single& a, const Single& b, const Single& c) {
  return Single(xsimd::fma(a.lanes, b.lanes, c.lanes));
}
/// a - b.
inline Single difference(const Single& a, const Single& b) { return Single(a.lanes - b.lanes); }
/// v where `decides` is above `least` or NaN, 0 elsewhere.
inline Single zero_unless_above(const Single& least, const Single& decides, const Single& v) {
  return Single(xsimd::select(decides.lanes <= least.lanes, Single::Register(0.0F), v.lanes));
}
/// Mask with ones in all lanes but the first n, 0 <= n <= kAccumulatorLanes.
inline Single::Register single_lanes_from(std::int64_t n) {
  alignas(64) static constexpr std::int32_t kMask[] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
                                                       -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  static_assert(kAccumulatorLanes <= 16);
  return Single::Register::load_unaligned(reinterpret_cast<const float*>(kMask + 16 - n));
}
template <class V>
inline V mask_from(std::int64_t n) {
  if constexpr (std::is_same_v<V, Single>) {
    return Single(single_lanes_from(n));
  } else {
    return lanes_from(n);
  }
}
/// `yes` where the mask has ones, `no` elsewhere.
inline Single choose(const Single& mask, const Single& yes, const Single& no) {
#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
  return Single(Single::Register(_mm256_blendv_ps(no.lanes, yes.lanes, mask.lanes)));
#else
  return Single(no.lanes ^ ((no.lanes ^ yes.lanes) & mask.lanes));
#endif
}
/// v with 0 in its first n lanes, 0 <= n <= kAccumulatorLanes.
inline Single clear_first(const Single& v, std::int64_t n) { return Single(v.lanes & single_lanes_from(n)); }

// widened_low, widened_high: the first and the second half of the lanes, exactly. stream: see accumulator.hpp.
#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
inline AccumulatorHalf widened_low(const Single& v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v.lanes)); }
inline AccumulatorHalf widened_high(const Single& v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v.lanes, 1)); }
inline void stream(float* p, const Single& v) { _mm256_stream_ps(p, v.lanes); }
#elif defined(NORMGRAD_SIMD_sse2)
inline AccumulatorHalf widened_low(const Single& v) { return _mm_cvtps_pd(v.lanes); }
inline AccumulatorHalf widened_high(const Single& v) { return _mm_cvtps_pd(_mm_movehl_ps(v.lanes, v.lanes)); }
inline void stream(float* p, const Single& v) { _mm_stream_ps(p, v.lanes); }
#else
inline AccumulatorHalf widened_low(const Single& v) {
  alignas(64) float lanes[Single::Register::size];
  v.lanes.store_aligned(lanes);
  return half_from(lanes);
}
inline AccumulatorHalf widened_high(const Single& v) {
  alignas(64) float lanes[Single::Register::size];
  v.lanes.store_aligned(lanes);
  return half_from(lanes + kHalf);
}
inline void stream(float* p, const Single& v) { v.lanes.store_unaligned(p); }
#endif

/// The lanes as an Accumulator, exactly.
inline Accumulator widened(const Single& v) { return {widened_low(v), widened_high(v)}; }
inline const Accumulator& widened(const Accumulator& v) { return v; }
/// The sum of the first and the second half of the lanes.
inline AccumulatorHalf halves_added(const Single& v) { return widened_low(v) + widened_high(v); }
inline AccumulatorHalf halves_added(const Accumulator& v) { return v.low + v.high; }

/// The type of kAccumulatorLanes numbers that are computed in R, float or double.
template <class R>
struct LanesOf;
template <>
struct LanesOf<float> {
  using type = Single;
};
template <>
struct LanesOf<double> {
  using type = Accumulator;
};
template <class R>
using Lanes = typename LanesOf<R>::type;

template <class V, class T>
struct LaneMemory {
  static V load(const T* p) { return load_accumulator(p); }
  static void store(T* p, const V& v) { store_accumulator(p, v); }
};
template <>
struct LaneMemory<Single, float> {
  static Single load(const float* p) { return Single(Single::Register::load_unaligned(p)); }
  static void store(float* p, const Single& v) { v.lanes.store_unaligned(p); }
};
template <class V, class T>
inline V load_lanes(const T* p) {
  return LaneMemory<V, T>::load(p);
}
template <class V, class T>
inline void store_lanes(T* p, const V& v) {
  LaneMemory<V, T>::store(p, v);
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
