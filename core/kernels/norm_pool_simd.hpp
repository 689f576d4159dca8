// The largest element of a window and its place, lane by lane. For norm_pool.simd.cpp only.
#pragma once

#include "normgrad/core/kernels/norm_columns_simd.hpp"
#include "normgrad/core/kernels/norm_pool.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// The largest of what is taken, if that is above 0 or NaN, its x and its place; at first x is `without`.
template <class V>
struct Largest {
  using Value = typename V::value_type;
  V x;
  V value = V(Value(0));
  V place = V(static_cast<Value>(kNoWinner));

  explicit Largest(const V& without) : x(without) {}
  void take(const V& v, const V& of_x, std::int64_t at) {
    const auto better = (v > value) | xsimd::isnan(v);  // != is false of NaN in some versions
    value = xsimd::select(better, v, value);
    x = xsimd::select(better, of_x, x);
    place = xsimd::select(better, V(static_cast<Value>(at)), place);
  }
};

template <class T>
inline Wide rounded(const Wide& v) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return v;
  } else {
    T lanes[kWide];
    store_wide(lanes, v);
    return load_wide(lanes);
  }
}

/// The same for kWide numbers that are to be stored as T.
template <class T>
struct WindowMax {
  Largest<WideHalf> low, high;

  explicit WindowMax(const T* first) : low(half_from(first)), high(half_from(first + kHalf)) {}
  void take(const Wide& y, const T* x, std::int64_t at) {
    const Wide v = rounded<T>(y);
    low.take(v.low, half_from(x), at);
    high.take(v.high, half_from(x + kHalf), at);
  }
  // x: null where it is not wanted.
  void store(T* y, std::uint8_t* winners, T* x) const {
    store_wide(y, {low.value, high.value});
    if (x != nullptr) {
      store_wide(x, {low.x, high.x});
    }
    double places[kWide];
    store_wide(places, {low.place, high.place});
    for (std::int64_t i = 0; i < kWide; ++i) {
      winners[i] = static_cast<std::uint8_t>(places[i]);
    }
  }
};

#if defined(NORMGRAD_SIMD_avx512)
// With masks from the start: compilers make them of the other comparisons, at twice the time from one element to the
// next.
template <>
struct WindowMax<float> {
  __m256 taken;
  __m256 value = _mm256_setzero_ps();
  __m256i places = _mm256_set1_epi32(kNoWinner);

  explicit WindowMax(const float* first) : taken(_mm256_loadu_ps(first)) {}
  void take(const Wide& y, const float* x, std::int64_t at) {
    const __m256 low = _mm256_castps128_ps256(_mm256_cvtpd_ps(y.low));
    const __m256 v = _mm256_insertf128_ps(low, _mm256_cvtpd_ps(y.high), 1);
    const __mmask8 above = _mm256_cmp_ps_mask(v, value, _CMP_GT_OQ);
    const __mmask8 better = _kor_mask8(above, _mm256_cmp_ps_mask(v, v, _CMP_UNORD_Q));
    value = _mm256_mask_mov_ps(value, better, v);
    taken = _mm256_mask_loadu_ps(taken, better, x);
    places = _mm256_mask_mov_epi32(places, better, _mm256_set1_epi32(static_cast<int>(at)));
  }
  void store(float* y, std::uint8_t* winners, float* x) const {
    _mm256_storeu_ps(y, value);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(winners), _mm256_cvtepi32_epi8(places));
    if (x != nullptr) {
      _mm256_storeu_ps(x, taken);
    }
  }
};
#elif defined(NORMGRAD_SIMD_avx2)
template <>
struct WindowMax<float> {
  Largest<xsimd::batch<float, WideHalf::arch_type> > lanes;

  explicit WindowMax(const float* first) : lanes(_mm256_loadu_ps(first)) {}
  void take(const Wide& y, const float* x, std::int64_t at) {
    const __m256 low = _mm256_castps128_ps256(_mm256_cvtpd_ps(y.low));
    lanes.take(_mm256_insertf128_ps(low, _mm256_cvtpd_ps(y.high), 1), _mm256_loadu_ps(x), at);
  }
  void store(float* y, std::uint8_t* winners, float* x) const {
    _mm256_storeu_ps(y, lanes.value);
    if (x != nullptr) {
      _mm256_storeu_ps(x, lanes.x);
    }
    const __m256i places = _mm256_cvtps_epi32(lanes.place);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(places), _mm256_extracti128_si256(places, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(winners), _mm_packus_epi16(words, words));
  }
};
#endif

#if defined(NORMGRAD_SIMD_avx512) || defined(NORMGRAD_SIMD_avx2)
/// Which element each of kWide windows took.
struct Winners {
  __m256i low, high;

  explicit Winners(const std::uint8_t* p) : low(of(p)), high(of(p + kHalf)) {}
  static __m256i of(const std::uint8_t* p) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, p, sizeof(four));
    return _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four));
  }
  static __m256d equal(const __m256i& places, std::int64_t at) {
    return _mm256_castsi256_pd(_mm256_cmpeq_epi64(places, _mm256_set1_epi64x(at)));
  }
  /// v in the lanes of windows that took this one, else 0.
  Wide only(std::int64_t at, const Wide& v) const {
    return {_mm256_and_pd(equal(low, at), v.low), _mm256_and_pd(equal(high, at), v.high)};
  }
  /// v in the lanes of windows that took one, else 0.
  Wide any(const Wide& v) const {
    return {_mm256_andnot_pd(equal(low, kNoWinner), v.low), _mm256_andnot_pd(equal(high, kNoWinner), v.high)};
  }
};
#else
struct Winners {
  Wide places;

  explicit Winners(const std::uint8_t* p) {
    double lanes[kWide];
    for (std::int64_t i = 0; i < kWide; ++i) {
      lanes[i] = static_cast<double>(p[i]);
    }
    places = load_wide(lanes);
  }
  Wide choose(std::int64_t at, const Wide& v, const Wide& other) const {
    const WideHalf wanted(static_cast<double>(at));
    return {xsimd::select(places.low == wanted, v.low, other.low),
            xsimd::select(places.high == wanted, v.high, other.high)};
  }
  Wide only(std::int64_t at, const Wide& v) const { return choose(at, v, Wide(0.0)); }
  Wide any(const Wide& v) const { return choose(kNoWinner, Wide(0.0), v); }
};
#endif

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
