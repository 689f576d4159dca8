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

/// As above for kAccumulatorLanes numbers that are stored as T.
template <class T>
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
template <>
struct WindowMax<float> {
  __m256 taken;
  __m256 value = _mm256_setzero_ps();
  __m256i places = _mm256_set1_epi32(kNoArgmax);

  explicit WindowMax(const float* first) : taken(_mm256_loadu_ps(first)) {}
  void take(const Accumulator& y, const float* x, std::int64_t at) {
    const __m256 low = _mm256_castps128_ps256(_mm256_cvtpd_ps(y.low));
    const __m256 v = _mm256_insertf128_ps(low, _mm256_cvtpd_ps(y.high), 1);
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
#elif defined(NORMGRAD_SIMD_avx2)
template <>
struct WindowMax<float> {
  Largest<xsimd::batch<float, AccumulatorHalf::arch_type> > lanes;

  explicit WindowMax(const float* first) : lanes(_mm256_loadu_ps(first)) {}
  void take(const Accumulator& y, const float* x, std::int64_t at) {
    const __m256 low = _mm256_castps128_ps256(_mm256_cvtpd_ps(y.low));
    lanes.take(_mm256_insertf128_ps(low, _mm256_cvtpd_ps(y.high), 1), _mm256_loadu_ps(x), at);
  }
  void store(float* y, std::uint8_t* argmax, float* x) const {
    _mm256_storeu_ps(y, lanes.value);
    if (x != nullptr) {
      _mm256_storeu_ps(x, lanes.x);
    }
    const __m256i places = _mm256_cvtps_epi32(lanes.place);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(places), _mm256_extracti128_si256(places, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(argmax), _mm_packus_epi16(words, words));
  }
};
#endif

#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
/// The argmax of each of kAccumulatorLanes windows.
struct Argmax {
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
#else
struct Argmax {
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
#endif

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
