// Sine and cosine of float32, reduced in float64. For `*.simd.cpp` files only.
#pragma once

#include "normgrad/core/simd/detail/math.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// The lanes of a float32 register in float64.
struct DoubleLanes {
  Batch<double> low, high;

  DoubleLanes(const Batch<double>& l, const Batch<double>& h) : low(l), high(h) {}
#if defined(NORMGRAD_SIMD_avx512)
  explicit DoubleLanes(const Batch<float>& v)
      : low(_mm512_cvtps_pd(_mm512_castps512_ps256(v))), high(_mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))) {}
  Batch<float> narrow() const {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
  }
#elif defined(NORMGRAD_SIMD_avx2)
  explicit DoubleLanes(const Batch<float>& v)
      : low(_mm256_cvtps_pd(_mm256_castps256_ps128(v))), high(_mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))) {}
  Batch<float> narrow() const { return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low)); }
#elif defined(NORMGRAD_SIMD_sse2)
  explicit DoubleLanes(const Batch<float>& v) : low(_mm_cvtps_pd(v)), high(_mm_cvtps_pd(_mm_movehl_ps(v, v))) {}
  Batch<float> narrow() const { return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high)); }
#elif defined(NORMGRAD_SIMD_neon)
  explicit DoubleLanes(const Batch<float>& v) : low(vcvt_f64_f32(vget_low_f32(v))), high(vcvt_high_f64_f32(v)) {}
  Batch<float> narrow() const { return vcvt_high_f32_f64(vcvt_f32_f64(low), high); }
#else
  explicit DoubleLanes(const Batch<float>& v) {
    alignas(64) float from[static_cast<std::size_t>(kLanes<float>)];
    alignas(64) double to[static_cast<std::size_t>(kLanes<float>)];
    v.store_aligned(from);
    for (std::int64_t i = 0; i < kLanes<float>; ++i) {
      to[i] = static_cast<double>(from[i]);
    }
    low = Batch<double>::load_aligned(to);
    high = Batch<double>::load_unaligned(to + kLanes<double>);
  }
  Batch<float> narrow() const {
    alignas(64) double from[static_cast<std::size_t>(kLanes<float>)];
    alignas(64) float to[static_cast<std::size_t>(kLanes<float>)];
    low.store_aligned(from);
    high.store_unaligned(from + kLanes<double>);
    for (std::int64_t i = 0; i < kLanes<float>; ++i) {
      to[i] = static_cast<float>(from[i]);
    }
    return Batch<float>::load_aligned(to);
  }
#endif
};

/// x = quarters * pi / 2 + rest, with the nearest integer, for |x| <= kLimit.
struct QuarterTurns {
  static constexpr float kLimit = 1048576.0F;  // products of `quarters` with the first part of pi / 2 are exact
  Batch<float> quarters, rest;

  explicit QuarterTurns(const Batch<float>& x) {
    const DoubleLanes wide(x);
    const Batch<double> low = rounded(wide.low);
    const Batch<double> high = rounded(wide.high);
    quarters = DoubleLanes(low, high).narrow();
    rest = DoubleLanes(left(wide.low, low), left(wide.high, high)).narrow();
  }

  static Batch<double> rounded(const Batch<double>& x) {
    return xsimd::nearbyint(x * Batch<double>(0.63661977236758134308));
  }
  static Batch<double> left(const Batch<double>& x, const Batch<double>& n) {
    const Batch<double> first = muladd(n, Batch<double>(-1.57079632673412561417), x);  // 33 bits
    return muladd(n, Batch<double>(-6.0771005065061922e-11), first);
  }
};

/// sin(x + before * pi / 2) for |x| <= QuarterTurns::kLimit; accurate to 1.5 units in the last place.
inline Batch<float> vsin(const Batch<float>& x, float before) {
  // Chebyshev interpolations for |r| <= pi / 4: (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in powers of r^2.
  constexpr float kSin[] = {-0.166666646503F, 0.00833274593638F, -0.000195873870685F};
  constexpr float kCos[] = {0.0416666646475F, -0.00138883006969F, 2.45474372102e-5F};
  using B = Batch<float>;
  const QuarterTurns turns(x);
  const B r = turns.rest;
  const B z = r * r;
  const B sine = muladd(r * z, polynomial(z, kSin), r);
  const B cosine = muladd(z * z, polynomial(z, kCos), muladd(z, B(-0.5F), B(1.0F)));
  const B from_start = turns.quarters + B(before);
  const B quadrant = from_start - B(4.0F) * xsimd::floor(from_start * B(0.25F));  // 0 to 3
  const B size = xsimd::select((quadrant == B(1.0F)) | (quadrant == B(3.0F)), cosine, sine);
  return xsimd::select(quadrant >= B(2.0F), -size, size);
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
