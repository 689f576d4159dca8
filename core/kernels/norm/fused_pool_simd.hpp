// The maximum of a window and its argmax, lane by lane. Only for fused_pool.simd.cpp.
#pragma once

#include "normgrad/core/kernels/norm/columns_simd.hpp"
#include "normgrad/core/kernels/norm/fused_pool.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// The largest value taken so far that is above 0 or NaN, with its x and its place. x is initially `without`.
template <class V>
struct Largest {
  using Value = typename V::value_type;
  V x;
  V value = V(Value(0));
  V place = V(static_cast<Value>(kNoArgmax));

  explicit Largest(const V& without) : x(without) {}
  void take(const V& v, const V& of_x, std::int64_t at) {
    const auto better = (v > value) | xsimd::isnan(v);  // some versions return false for NaN != NaN
    value = xsimd::select(better, v, value);
    x = xsimd::select(better, of_x, x);
    place = xsimd::select(better, V(static_cast<Value>(at)), place);
  }
};

template <class T>
inline Accumulator rounded(const Accumulator& v) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return v;
  } else {
    T lanes[kAccumulatorLanes];
    store_accumulator(lanes, v);
    return load_accumulator(lanes);
  }
}

/// As above for kAccumulatorLanes numbers that are computed in R and stored as T.
template <class T, class R>
struct WindowMax {
  Largest<AccumulatorHalf> low, high;

  explicit WindowMax(const T* first) : low(half_from(first)), high(half_from(first + kHalf)) {}
  void take(const Accumulator& y, const T* x, std::int64_t at) {
    const Accumulator v = rounded<T>(y);
    low.take(v.low, half_from(x), at);
    high.take(v.high, half_from(x + kHalf), at);
  }
  // x: null if not needed.
  void store(T* y, std::uint8_t* argmax, T* x) const {
    store_accumulator(y, {low.value, high.value});
    if (x != nullptr) {
      store_accumulator(x, {low.x, high.x});
    }
    double places[kAccumulatorLanes];
    store_accumulator(places, {low.place, high.place});
    for (std::int64_t i = 0; i < kAccumulatorLanes; ++i) {
      argmax[i] = static_cast<std::uint8_t>(places[i]);
    }
  }
};

#if defined(NORMGRAD_SIMD_avx512)
// Uses masks throughout: compilers derive masks from the other comparisons at twice the latency per element.
struct FloatWindowMax {
  __m256 taken;
  __m256 value = _mm256_setzero_ps();
  __m256i places = _mm256_set1_epi32(kNoArgmax);

  explicit FloatWindowMax(const float* first) : taken(_mm256_loadu_ps(first)) {}
  void take(const Single& y, const float* x, std::int64_t at) {
    const __m256 v = y.lanes;
    const __mmask8 above = _mm256_cmp_ps_mask(v, value, _CMP_GT_OQ);
    const __mmask8 better = _kor_mask8(above, _mm256_cmp_ps_mask(v, v, _CMP_UNORD_Q));
    value = _mm256_mask_mov_ps(value, better, v);
    taken = _mm256_mask_loadu_ps(taken, better, x);
    places = _mm256_mask_mov_epi32(places, better, _mm256_set1_epi32(static_cast<int>(at)));
  }
  void store(float* y, std::uint8_t* argmax, float* x) const {
    _mm256_storeu_ps(y, value);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(argmax), _mm256_cvtepi32_epi8(places));
    if (x != nullptr) {
      _mm256_storeu_ps(x, taken);
    }
  }
};
#else
struct FloatWindowMax {
  Largest<Single::Register> lanes;

  explicit FloatWindowMax(const float* first) : lanes(Single::Register::load_unaligned(first)) {}
  void take(const Single& y, const float* x, std::int64_t at) {
    lanes.take(y.lanes, Single::Register::load_unaligned(x), at);
  }
  void store(float* y, std::uint8_t* argmax, float* x) const {
    lanes.value.store_unaligned(y);
    if (x != nullptr) {
      lanes.x.store_unaligned(x);
    }
#if defined(NORMGRAD_SIMD_avx2)
    const __m256i places = _mm256_cvtps_epi32(lanes.place);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(places), _mm256_extracti128_si256(places, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(argmax), _mm_packus_epi16(words, words));
#else
    float places[kAccumulatorLanes];
    lanes.place.store_unaligned(places);
    for (std::int64_t i = 0; i < kAccumulatorLanes; ++i) {
      argmax[i] = static_cast<std::uint8_t>(places[i]);
    }
#endif
  }
};
#endif
template <>
struct WindowMax<float, float> : FloatWindowMax {
  using FloatWindowMax::FloatWindowMax;
};
#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
template <>
struct WindowMax<float, double> : FloatWindowMax {
  using FloatWindowMax::FloatWindowMax;
  void take(const Accumulator& y, const float* x, std::int64_t at) {
    const __m256 low = _mm256_castps128_ps256(_mm256_cvtpd_ps(y.low));
    FloatWindowMax::take(Single(Single::Register(_mm256_insertf128_ps(low, _mm256_cvtpd_ps(y.high), 1))), x, at);
  }
};
#endif

/// The argmax of each of kAccumulatorLanes windows, for gradients in R.
template <class R>
struct Argmax;

#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
template <>
struct Argmax<double> {
  __m256i low, high;

  explicit Argmax(const std::uint8_t* p) : low(of(p)), high(of(p + kHalf)) {}
  static __m256i of(const std::uint8_t* p) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, p, sizeof(four));
    return _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four));
  }
  static __m256d equal(const __m256i& places, std::int64_t at) {
    return _mm256_castsi256_pd(_mm256_cmpeq_epi64(places, _mm256_set1_epi64x(at)));
  }
  /// v in the lanes of windows whose argmax is `at`, otherwise 0.
  Accumulator only(std::int64_t at, const Accumulator& v) const {
    return {_mm256_and_pd(equal(low, at), v.low), _mm256_and_pd(equal(high, at), v.high)};
  }
  /// v in the lanes of windows that have an argmax, otherwise 0.
  Accumulator any(const Accumulator& v) const {
    return {_mm256_andnot_pd(equal(low, kNoArgmax), v.low), _mm256_andnot_pd(equal(high, kNoArgmax), v.high)};
  }
};
template <>
struct Argmax<float> {
  __m256i places;

  explicit Argmax(const std::uint8_t* p)
      : places(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)))) {}
  __m256 equal(std::int64_t at) const {
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(places, _mm256_set1_epi32(static_cast<int>(at))));
  }
  Single only(std::int64_t at, const Single& v) const {
    return Single(Single::Register(_mm256_and_ps(equal(at), v.lanes)));
  }
  Single any(const Single& v) const { return Single(Single::Register(_mm256_andnot_ps(equal(kNoArgmax), v.lanes))); }
};
#else
template <>
struct Argmax<double> {
  Accumulator places;

  explicit Argmax(const std::uint8_t* p) {
    double lanes[kAccumulatorLanes];
    for (std::int64_t i = 0; i < kAccumulatorLanes; ++i) {
      lanes[i] = static_cast<double>(p[i]);
    }
    places = load_accumulator(lanes);
  }
  Accumulator choose(std::int64_t at, const Accumulator& v, const Accumulator& other) const {
    const AccumulatorHalf wanted(static_cast<double>(at));
    return {xsimd::select(places.low == wanted, v.low, other.low),
            xsimd::select(places.high == wanted, v.high, other.high)};
  }
  Accumulator only(std::int64_t at, const Accumulator& v) const { return choose(at, v, Accumulator(0.0)); }
  Accumulator any(const Accumulator& v) const { return choose(kNoArgmax, Accumulator(0.0), v); }
};
template <>
struct Argmax<float> {
  Single::Register places;

  explicit Argmax(const std::uint8_t* p) {
    float lanes[kAccumulatorLanes];
    for (std::int64_t i = 0; i < kAccumulatorLanes; ++i) {
      lanes[i] = static_cast<float>(p[i]);
    }
    places = Single::Register::load_unaligned(lanes);
  }
  Single choose(std::int64_t at, const Single& v, const Single& other) const {
    return Single(xsimd::select(places == Single::Register(static_cast<float>(at)), v.lanes, other.lanes));
  }
  Single only(std::int64_t at, const Single& v) const { return choose(at, v, Single(0.0F)); }
  Single any(const Single& v) const { return choose(kNoArgmax, Single(0.0F), v); }
};
#endif

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
