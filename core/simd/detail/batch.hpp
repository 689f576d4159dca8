// The only file that depends on xsimd's version (8.1 on Debian 12, 13 on Debian 13). For `*.simd.cpp` files only.
#pragma once

#include <cstdint>
#include <cstring>
#include <xsimd/xsimd.hpp>

#if defined(NORMGRAD_SIMD_neon)
// xsimd 8.1 divides float32 numbers and takes their square roots by Newton's method, as 32-bit ARM must: the results
// are off by up to 2 units in the last place. arm64 has instructions, which round correctly.
namespace xsimd::kernel {
template <>
inline batch<float, neon64> div<neon64>(const batch<float, neon64>& x, const batch<float, neon64>& y,
                                        requires_arch<neon>) noexcept {
  return vdivq_f32(x, y);
}
template <>
inline batch<float, neon64> sqrt<neon64>(const batch<float, neon64>& x, requires_arch<neon>) noexcept {
  return vsqrtq_f32(x);
}
}  // namespace xsimd::kernel
#endif

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

#if defined(NORMGRAD_SIMD_sse2)
using Arch = xsimd::sse2;
#elif defined(NORMGRAD_SIMD_avx2)
using Arch = xsimd::fma3<xsimd::avx2>;
#elif defined(NORMGRAD_SIMD_avx512)
using Arch = xsimd::avx512bw;
#elif defined(NORMGRAD_SIMD_neon)
using Arch = xsimd::neon64;
#else
using Arch = xsimd::default_arch;
#endif

template <class T>
using Batch = xsimd::batch<T, Arch>;

template <class T>
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(Batch<T>::size);

// std::min() and std::max() are inline functions shared with other files: the linker may keep a copy compiled for
// another instruction set.
inline std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
inline std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

template <class T>
inline Batch<T> load(const T* p) {
  return Batch<T>::load_unaligned(p);
}
template <class T>
inline void store(T* p, const Batch<T>& v) {
  v.store_unaligned(p);
}

#if defined(NORMGRAD_SIMD_avx512)
// Masked loads and stores, which xsimd does not offer yet.
inline __mmask16 first_lanes(std::int64_t n) { return static_cast<__mmask16>((1U << static_cast<unsigned>(n)) - 1U); }
inline Batch<float> load_masked(const float* p, std::int64_t n, float fill) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), first_lanes(n), p);
}
inline Batch<double> load_masked(const double* p, std::int64_t n, double fill) {
  return _mm512_mask_loadu_pd(_mm512_set1_pd(fill), static_cast<__mmask8>(first_lanes(n)), p);
}
inline void store_masked(float* p, const Batch<float>& v, std::int64_t n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), v);
}
inline void store_masked(double* p, const Batch<double>& v, std::int64_t n) {
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first_lanes(n)), v);
}
#elif defined(NORMGRAD_SIMD_avx2)
inline __m256i first_floats(std::int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline __m256i first_doubles(std::int64_t n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
inline Batch<float> load_masked(const float* p, std::int64_t n, float fill) {
  const __m256i mask = first_floats(n);
  return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
inline Batch<double> load_masked(const double* p, std::int64_t n, double fill) {
  const __m256i mask = first_doubles(n);
  return _mm256_blendv_pd(_mm256_set1_pd(fill), _mm256_maskload_pd(p, mask), _mm256_castsi256_pd(mask));
}
inline void store_masked(float* p, const Batch<float>& v, std::int64_t n) {
  _mm256_maskstore_ps(p, first_floats(n), v);
}
inline void store_masked(double* p, const Batch<double>& v, std::int64_t n) {
  _mm256_maskstore_pd(p, first_doubles(n), v);
}
#else
template <class T>
inline Batch<T> load_masked(const T* p, std::int64_t n, T fill) {
  alignas(64) T lanes[static_cast<std::size_t>(kLanes<T>)];
  for (std::int64_t i = 0; i < kLanes<T>; ++i) {
    lanes[i] = i < n ? p[i] : fill;
  }
  return Batch<T>::load_aligned(lanes);
}
template <class T>
inline void store_masked(T* p, const Batch<T>& v, std::int64_t n) {
  alignas(64) T lanes[static_cast<std::size_t>(kLanes<T>)];
  v.store_aligned(lanes);
  for (std::int64_t i = 0; i < n; ++i) {
    p[i] = lanes[i];
  }
}
#endif

/// Loads n <= kLanes elements; the other lanes are `fill`.
template <class T>
inline Batch<T> load_partial(const T* p, std::int64_t n, T fill = T(0)) {
  return load_masked(p, n, fill);
}
/// Stores the first n <= kLanes lanes.
template <class T>
inline void store_partial(T* p, const Batch<T>& v, std::int64_t n) {
  store_masked(p, v, n);
}

/// Mask of the NaN elements. (In xsimd 8 `x != x` is false for NaN on AVX and AVX-512, and `!` takes six instructions
/// on AVX2.)
template <class T>
inline typename Batch<T>::batch_bool_type is_nan(const Batch<T>& x) {
#if defined(NORMGRAD_SIMD_avx2)
  if constexpr (sizeof(T) == 4) {
    return _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  } else {
    return _mm256_cmp_pd(x, x, _CMP_UNORD_Q);
  }
#else
  return !(x == x);
#endif
}

/// The lanes of type To that have the bits of v.
template <class To, class From>
inline Batch<To> same_bits(const Batch<From>& v) {
#if XSIMD_VERSION_MAJOR >= 11
  return xsimd::bitwise_cast<To>(v);
#else
  using Result = Batch<To>;
  return xsimd::bitwise_cast<Result>(v);
#endif
}

/// Sum of the lanes.
template <class T>
inline T sum_lanes(const Batch<T>& v) {
#if XSIMD_VERSION_MAJOR >= 9
  return xsimd::reduce_add(v);
#else
  return xsimd::hadd(v);
#endif
}

/// Prefetches the address `ahead` elements after p into the level-2 cache; it need not be valid.
template <class T>
inline void prefetch(const T* p, std::int64_t ahead) {
  const auto bytes = static_cast<std::uintptr_t>(ahead) * sizeof(T);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a pointer beyond the array would be invalid
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(p) + bytes), 0, 2);
}

/// a * b + c, with a single rounding where the instruction set has FMA.
template <class T>
inline Batch<T> muladd(const Batch<T>& a, const Batch<T>& b, const Batch<T>& c) {
  return xsimd::fma(a, b, c);
}
#if defined(NORMGRAD_SIMD_avx512)
// xsimd 8.1 has no AVX-512 fma: it multiplies and adds.
inline Batch<float> muladd(const Batch<float>& a, const Batch<float>& b, const Batch<float>& c) {
  return Batch<float>(_mm512_fmadd_ps(a, b, c));
}
inline Batch<double> muladd(const Batch<double>& a, const Batch<double>& b, const Batch<double>& c) {
  return Batch<double>(_mm512_fmadd_pd(a, b, c));
}
#endif

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
