// The one file that knows xsimd's version (8.1 on Debian 12, 13 on Debian 13). For `*.simd.cpp` files only.
#pragma once

#include <cstdint>
#include <cstring>
#include <xsimd/xsimd.hpp>

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

#if defined(NORMGRAD_SIMD_sse2)
using Arch = xsimd::sse2;
#elif defined(NORMGRAD_SIMD_avx2)
using Arch = xsimd::fma3<xsimd::avx2>;
#elif defined(NORMGRAD_SIMD_avx512)
using Arch = xsimd::avx512bw;
#else
using Arch = xsimd::default_arch;
#endif

template <class T>
using Batch = xsimd::batch<T, Arch>;

template <class T>
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(Batch<T>::size);

template <class T>
inline Batch<T> load(const T* p) {
  return Batch<T>::load_unaligned(p);
}
template <class T>
inline void store(T* p, const Batch<T>& v) {
  v.store_unaligned(p);
}

/// Loads n < kLanes elements; the other lanes are `fill`.
template <class T>
inline Batch<T> load_partial(const T* p, std::int64_t n, T fill = T(0)) {
  alignas(64) T lanes[static_cast<std::size_t>(kLanes<T>)];
  for (std::int64_t i = 0; i < kLanes<T>; ++i) {
    lanes[i] = i < n ? p[i] : fill;
  }
  return Batch<T>::load_aligned(lanes);
}
/// Stores the first n < kLanes lanes.
template <class T>
inline void store_partial(T* p, const Batch<T>& v, std::int64_t n) {
  alignas(64) T lanes[static_cast<std::size_t>(kLanes<T>)];
  v.store_aligned(lanes);
  for (std::int64_t i = 0; i < n; ++i) {
    p[i] = lanes[i];
  }
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

/// a * b + c; one rounding where the instruction set has it.
template <class T>
inline Batch<T> muladd(const Batch<T>& a, const Batch<T>& b, const Batch<T>& c) {
  return xsimd::fma(a, b, c);
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
