// Lanes of float32 that are computed in float32, as many as an Accumulator has. For `*.simd.cpp` files only.
#pragma once

#include <cstdint>
#include <type_traits>

#include "normgrad/core/simd/detail/accumulator.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// A register of float32.
template <class Of>
struct Floats {
  using Register = Of;
  static constexpr auto kCount = static_cast<std::int64_t>(Register::size);
  Register lanes;

  Floats() = default;
  explicit Floats(float v) : lanes(v) {}
  explicit Floats(const Register& v) : lanes(v) {}
  Floats& operator+=(const Floats& v) {
    lanes += v.lanes;
    return *this;
  }
};
/// One with as many lanes as an Accumulator.
using Single = Floats<xsimd::batch<float, AccumulatorHalf::arch_type>>;
static_assert(Single::kCount == kAccumulatorLanes);
/// The longest one of the instruction set: with AVX-512 twice a Single, otherwise a Single.
using LongSingle = Floats<Batch<float>>;

template <class R>
inline Floats<R> operator+(const Floats<R>& a, const Floats<R>& b) {
  return Floats<R>(a.lanes + b.lanes);
}
template <class R>
inline Floats<R> operator*(const Floats<R>& a, const Floats<R>& b) {
  return Floats<R>(a.lanes * b.lanes);
}

/// a * b + c, with a single rounding where the instruction set has FMA.
template <class R>
inline Floats<R> muladd(const Floats<R>& a, const Floats<R>& b, const Floats<R>& c) {
  return Floats<R>(xsimd::fma(a.lanes, b.lanes, c.lanes));
}
/// a - b.
template <class R>
inline Floats<R> difference(const Floats<R>& a, const Floats<R>& b) {
  return Floats<R>(a.lanes - b.lanes);
}
/// v where `decides` is above `least` or NaN, 0 elsewhere.
template <class R>
inline Floats<R> zero_unless_above(const Floats<R>& least, const Floats<R>& decides, const Floats<R>& v) {
  return Floats<R>(xsimd::select(decides.lanes <= least.lanes, R(0.0F), v.lanes));
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
#elif defined(NORMGRAD_SIMD_neon)
inline AccumulatorHalf widened_low(const Single& v) { return vcvt_f64_f32(vget_low_f32(v.lanes)); }
inline AccumulatorHalf widened_high(const Single& v) { return vcvt_high_f64_f32(v.lanes); }
inline void stream(float* p, const Single& v) { v.lanes.store_unaligned(p); }
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

#if defined(NORMGRAD_SIMD_avx512)
inline Single low_half(const LongSingle& v) { return Single(Single::Register(_mm512_castps512_ps256(v.lanes))); }
inline Single high_half(const LongSingle& v) { return Single(Single::Register(_mm512_extractf32x8_ps(v.lanes, 1))); }
inline void stream(float* p, const LongSingle& v) { _mm512_stream_ps(p, v.lanes); }
// xsimd 8.1 multiplies and adds separately, which rounds twice.
inline LongSingle muladd(const LongSingle& a, const LongSingle& b, const LongSingle& c) {
  return LongSingle(LongSingle::Register(_mm512_fmadd_ps(a.lanes, b.lanes, c.lanes)));
}
/// v with 0 in its first n lanes, 0 <= n < LongSingle::kCount.
inline LongSingle clear_first(const LongSingle& v, std::int64_t n) {
  return LongSingle(LongSingle::Register(_mm512_maskz_mov_ps(static_cast<__mmask16>(~first_lanes(n)), v.lanes)));
}
/// The lanes in double, the second half of the lanes added to the first.
inline Accumulator folded(const LongSingle& v) { return widened(low_half(v)) + widened(high_half(v)); }
/// The lanes of a LongSingle in double.
struct LongAccumulator {
  Batch<double> low, high;

  LongAccumulator() = default;
  explicit LongAccumulator(const LongSingle& v)
      : low(_mm512_cvtps_pd(low_half(v).lanes)), high(_mm512_cvtps_pd(high_half(v).lanes)) {}
  LongAccumulator(const Batch<double>& l, const Batch<double>& h) : low(l), high(h) {}
  LongAccumulator& operator+=(const LongAccumulator& v) {
    low += v.low;
    high += v.high;
    return *this;
  }
};
inline LongAccumulator muladd(const LongAccumulator& a, const LongAccumulator& b, const LongAccumulator& c) {
  return {_mm512_fmadd_pd(a.low, b.low, c.low), _mm512_fmadd_pd(a.high, b.high, c.high)};
}
inline void add_widened(double* p, const LongSingle& v) {
  const LongAccumulator more(v);
  (Batch<double>::load_unaligned(p) + more.low).store_unaligned(p);
  (Batch<double>::load_unaligned(p + kAccumulatorLanes) + more.high).store_unaligned(p + kAccumulatorLanes);
}
#endif
/// p[i] += lane i, in double.
inline void add_widened(double* p, const Single& v) { store_accumulator(p, load_accumulator(p) + widened(v)); }
inline Accumulator folded(const Single& v) { return widened(v); }
inline void add_widened(double* p, const Accumulator& v) { store_accumulator(p, load_accumulator(p) + v); }

/// Numbers that are computed in R, float or double: kAccumulatorLanes of them (Lanes), and as many as pay (LongLanes).
template <class R>
struct LanesOf;
template <>
struct LanesOf<float> {
  using type = Single;
  using long_type = LongSingle;
};
template <>
struct LanesOf<double> {
  using type = Accumulator;
  using long_type = Accumulator;
};
template <class R>
using Lanes = typename LanesOf<R>::type;
template <class R>
using LongLanes = typename LanesOf<R>::long_type;
/// The lanes of V.
template <class V>
inline constexpr std::int64_t kCountOf = V::kCount;
template <>
inline constexpr std::int64_t kCountOf<Accumulator> = kAccumulatorLanes;

/// The same number of lanes in double.
template <class V>
struct InDouble {
  using type = Accumulator;
};
#if defined(NORMGRAD_SIMD_avx512)
template <>
struct InDouble<LongSingle> {
  using type = LongAccumulator;
};
template <>
struct InDouble<LongAccumulator> {
  using type = LongAccumulator;
};
#endif
template <class V>
using DoubleOf = typename InDouble<V>::type;

template <class V, class T>
struct LaneMemory {
  static V load(const T* p) { return load_accumulator(p); }
  static void store(T* p, const V& v) { store_accumulator(p, v); }
};
template <class R>
struct LaneMemory<Floats<R>, float> {
  static Floats<R> load(const float* p) { return Floats<R>(R::load_unaligned(p)); }
  static void store(float* p, const Floats<R>& v) { v.lanes.store_unaligned(p); }
};
#if defined(NORMGRAD_SIMD_avx512)
template <>
struct LaneMemory<LongAccumulator, double> {
  static LongAccumulator load(const double* p) {
    return {Batch<double>::load_unaligned(p), Batch<double>::load_unaligned(p + kAccumulatorLanes)};
  }
  static void store(double* p, const LongAccumulator& v) {
    v.low.store_unaligned(p);
    v.high.store_unaligned(p + kAccumulatorLanes);
  }
};
#endif
template <class V, class T>
inline V load_lanes(const T* p) {
  return LaneMemory<V, T>::load(p);
}
template <class V, class T>
inline void store_lanes(T* p, const V& v) {
  LaneMemory<V, T>::store(p, v);
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
