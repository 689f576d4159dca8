// Lanes of 64 bits: products of 32-bit numbers, and doubles made of bits. For `*.simd.cpp` files only.
#pragma once

#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

inline constexpr std::int64_t kWords = kLanes<double>;

/// 64-bit lanes, with the operators of the language.
using Words = std::uint64_t __attribute__((vector_size(sizeof(double) * Batch<double>::size)));

inline Words all_words(std::uint64_t v) { return Words{} + v; }
inline Words load_words(const std::uint64_t* p) {
  Words v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
inline void store_words(std::uint64_t* p, const Words& v) { __builtin_memcpy(p, &v, sizeof(v)); }

#if defined(NORMGRAD_SIMD_avx512)
/// The product of the lower halves of each lane.
inline Words widening_product(const Words& a, const Words& b) {
  return (Words)_mm512_mul_epu32((__m512i)a, (__m512i)b);  // NOLINT: a cast of vectors
}
inline Batch<double> doubles_of(const Words& v) { return Batch<double>((__m512d)v); }                    // NOLINT
inline Words words_of(const Batch<double>& v) { return (Words) static_cast<__m512d>(v); }                // NOLINT
inline void store_narrow(float* p, const Batch<double>& v) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(v)); }  // nearest
/// Stores a0, b0, a1, b1, ...
inline void store_alternately(std::uint64_t* p, const Words& a, const Words& b) {
  const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __m512i high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  _mm512_storeu_si512(p, _mm512_permutex2var_epi64((__m512i)a, low, (__m512i)b));            // NOLINT
  _mm512_storeu_si512(p + kWords, _mm512_permutex2var_epi64((__m512i)a, high, (__m512i)b));  // NOLINT
}
#elif defined(NORMGRAD_SIMD_avx2)
inline Words widening_product(const Words& a, const Words& b) {
  return (Words)_mm256_mul_epu32((__m256i)a, (__m256i)b);  // NOLINT: a cast of vectors
}
inline Batch<double> doubles_of(const Words& v) { return Batch<double>((__m256d)v); }      // NOLINT
inline Words words_of(const Batch<double>& v) { return (Words) static_cast<__m256d>(v); }  // NOLINT
inline void store_narrow(float* p, const Batch<double>& v) { _mm_storeu_ps(p, _mm256_cvtpd_ps(v)); }
inline void store_alternately(std::uint64_t* p, const Words& a, const Words& b) {
  const __m256i low = _mm256_unpacklo_epi64((__m256i)a, (__m256i)b);   // NOLINT
  const __m256i high = _mm256_unpackhi_epi64((__m256i)a, (__m256i)b);  // NOLINT
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute2x128_si256(low, high, 0x20));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + kWords), _mm256_permute2x128_si256(low, high, 0x31));
}
#elif defined(NORMGRAD_SIMD_sse2)
inline Words widening_product(const Words& a, const Words& b) {
  return (Words)_mm_mul_epu32((__m128i)a, (__m128i)b);  // NOLINT: a cast of vectors
}
inline Batch<double> doubles_of(const Words& v) { return Batch<double>((__m128d)v); }      // NOLINT
inline Words words_of(const Batch<double>& v) { return (Words) static_cast<__m128d>(v); }  // NOLINT
inline void store_narrow(float* p, const Batch<double>& v) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_castps_si128(_mm_cvtpd_ps(v)));
}
inline void store_alternately(std::uint64_t* p, const Words& a, const Words& b) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_unpacklo_epi64((__m128i)a, (__m128i)b));           // NOLINT
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + kWords), _mm_unpackhi_epi64((__m128i)a, (__m128i)b));  // NOLINT
}
#elif defined(NORMGRAD_SIMD_neon)
inline Words widening_product(const Words& a, const Words& b) {
  return (Words)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));  // NOLINT: a cast of vectors
}
inline Batch<double> doubles_of(const Words& v) { return Batch<double>((float64x2_t)v); }      // NOLINT
inline Words words_of(const Batch<double>& v) { return (Words) static_cast<float64x2_t>(v); }  // NOLINT
inline void store_narrow(float* p, const Batch<double>& v) { vst1_f32(p, vcvt_f32_f64(v)); }
inline void store_alternately(std::uint64_t* p, const Words& a, const Words& b) {
  vst2q_u64(p, {{(uint64x2_t)a, (uint64x2_t)b}});  // NOLINT
}
#else
inline Words widening_product(const Words& a, const Words& b) { return (a & 0xFFFFFFFFU) * (b & 0xFFFFFFFFU); }
inline Batch<double> doubles_of(const Words& v) {
  alignas(64) double lanes[static_cast<std::size_t>(kWords)];
  __builtin_memcpy(lanes, &v, sizeof(v));
  return Batch<double>::load_aligned(lanes);
}
inline Words words_of(const Batch<double>& v) {
  alignas(64) double lanes[static_cast<std::size_t>(kWords)];
  v.store_aligned(lanes);
  Words words;
  __builtin_memcpy(&words, lanes, sizeof(words));
  return words;
}
inline void store_narrow(float* p, const Batch<double>& v) {
  alignas(64) double lanes[static_cast<std::size_t>(kWords)];
  v.store_aligned(lanes);
  for (std::int64_t i = 0; i < kWords; ++i) {
    p[i] = static_cast<float>(lanes[i]);
  }
}
inline void store_alternately(std::uint64_t* p, const Words& a, const Words& b) {
  for (std::int64_t i = 0; i < kWords; ++i) {
    p[2 * i] = a[i];
    p[2 * i + 1] = b[i];
  }
}
#endif

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
