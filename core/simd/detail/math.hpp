// Vectorized math functions, accurate to about two units in the last place. For `*.simd.cpp` files only.
#pragma once

#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

// Coefficients of Chebyshev interpolations, lowest power first:
//   kExp: (exp(r) - 1 - r) / r^2 on |r| <= log(2) / 2
//   kErf: erf(x) / x in powers of x^2 on |x| <= 1
//   kErfcx: (1 + 2x) exp(x^2) erfc(x) in powers of t = (x - kCenter) / (x + kCenter) on x >= 0, the form of Shepherd
//   and Laframboise, "Chebyshev Approximation of (1 + 2x)exp(x^2)erfc x in 0 <= x < inf", 1981
// kTail, kTailDivisor: exp(t^2 / 2) times the upper tail of the normal distribution at t, 0 <= t <= 15, as a quotient
// of polynomials with positive coefficients, with an error of 2^-27 (least squares with Lawson's weights).
template <class T>
struct MathConstants;

template <>
struct MathConstants<float> {
  static constexpr float kSmallestNormal = 1.17549435e-38F;
  static constexpr float kNormalExponent = 126.0F;
  static constexpr float kLowestExp = -104.0F;  // exp of smaller numbers is 0
  static constexpr float kLargestExp = 89.0F;   // exp of larger numbers is infinite
  static constexpr float kLog2High = 0.693359375F;
  static constexpr float kLog2Low = -2.12194440054690583e-4F;
  static constexpr float kSplit = 4097.0F;  // 2^12 + 1
  static constexpr float kCenter = 3.0F;
  static constexpr float kExp[] = {0.500000001F,   0.166666667F,   0.0416664642F,
                                   0.00833331084F, 0.00139337307F, 0.000198910805F};
  static constexpr float kErf[] = {1.12837917F,    -0.376126267F,    0.112835947F,  -0.026854212F,
                                   0.00518908742F, -0.000801686429F, 7.87587506e-5F};
  static constexpr float kTail[] = {0.5F, 0.4392805369F, 0.1839666225F, 0.04088016756F, 0.004153050094F};
  static constexpr float kTailDivisor[] = {1.0F,          1.676446078F,  1.205538646F,
                                           0.4714019417F, 0.1024775002F, 0.01041004114F};
  static constexpr float kErfcx[] = {1.25300806F,    -0.1356211F,     -0.0475621561F,  0.129644721F,
                                     -0.119275281F,  0.0683131967F,   -0.0237635597F,  0.00250677867F,
                                     0.00187506025F, -0.00073408205F, -9.25376913e-5F, 8.00745497e-5F};
};

template <>
struct MathConstants<double> {
  static constexpr double kSmallestNormal = 2.2250738585072014e-308;
  static constexpr double kNormalExponent = 1022.0;
  static constexpr double kLowestExp = -746.0;
  static constexpr double kLargestExp = 710.0;
  static constexpr double kLog2High = 0.69314718060195446014;
  static constexpr double kLog2Low = -4.2009150726810847292e-11;
  static constexpr double kSplit = 134217729.0;  // 2^27 + 1
  static constexpr double kCenter = 3.75;
  static constexpr double kExp[] = {0.5,
                                    0.16666666666666671,
                                    0.0416666666666666698,
                                    0.00833333333332608312,
                                    0.00138888888888837112,
                                    0.000198412698750022788,
                                    0.0000248015873256774619,
                                    2.75572551700008874e-6,
                                    2.75572734787185805e-7,
                                    2.51053127296221018e-8,
                                    2.09147553258932022e-9};
  static constexpr double kErf[] = {1.12837916709551257,     -0.376126389031835404,     0.112837916709450063,
                                    -0.0268661706432377704,  0.00522397760711642273,    -0.000854832597538969208,
                                    0.000120552949048397079, -0.0000149247369074196603, 1.64474247033173624e-6,
                                    -1.62084838018717059e-7, 1.37200645467776856e-8,    -7.79589882700214224e-10};
  static constexpr double kErfcx[] = {
      1.23751263083782753,      -0.140240598585547014,    0.00358541548547957517,    0.0822767384901497726,
      -0.108803930142466448,    0.0923043211602589361,    -0.0586933985763106125,    0.0283622774203773337,
      -0.00974657968596217161,  0.00175562584343186414,   0.000293714390578855981,   -0.00029015404203352704,
      0.0000516464934100287697, 0.0000223841385256567564, -0.0000114379803744955341, -9.73387516749414286e-7,
      1.74190119451943662e-6,   -5.74107607301391571e-8,  -2.48511086502107061e-7,   2.33985343130408969e-8,
      3.19539861205781807e-8,   -3.79818979773620719e-9,  -2.6185201565031448e-9,    3.20526233792891571e-10};
};

template <class B, class T, std::size_t N>
inline B polynomial(const B& x, const T (&coefficients)[N]) {
  B y(coefficients[N - 1]);
  for (std::size_t i = N - 1; i-- > 0;) {
    y = muladd(y, x, B(coefficients[i]));
  }
  return y;
}

/// y * 2^n for integral n, even if 2^n itself overflows or underflows.
#if defined(NORMGRAD_SIMD_avx512)
inline Batch<float> scaled(const Batch<float>& y, const Batch<float>& n) { return _mm512_scalef_ps(y, n); }
inline Batch<double> scaled(const Batch<double>& y, const Batch<double>& n) { return _mm512_scalef_pd(y, n); }
#else
template <class B>
inline B scaled(const B& y, const B& n) {
  if (!xsimd::any(xsimd::abs(n) > B(MathConstants<typename B::value_type>::kNormalExponent))) {
    return xsimd::ldexp(y, xsimd::to_int(n));
  }
  const B half = xsimd::nearbyint(n * B(typename B::value_type(0.5)));
  return xsimd::ldexp(xsimd::ldexp(y, xsimd::to_int(half)), xsimd::to_int(n - half));
}
#endif

/// exp(r) * 2^n for |r| <= log(2) / 2.
template <class B>
inline B scaled_exp_of_rest(const B& r, const B& n) {
  using T = typename B::value_type;
  return scaled(muladd(r * r, polynomial(r, MathConstants<T>::kExp), r) + B(T(1)), n);
}

/// x = n * log(2) + rest, with n the nearest integer.
template <class B>
struct Log2Parts {
  B n;
  B rest;

  explicit Log2Parts(const B& x) {
    using T = typename B::value_type;
    using C = MathConstants<T>;
    n = xsimd::nearbyint(x * B(T(1.44269504088896340735992468100189214)));
    const B high = muladd(n, B(-C::kLog2High), x);  // exact
    rest = muladd(n, B(-C::kLog2Low), high);
  }
};

/// exp(x + more) for |more| much smaller than 1.
template <class B>
inline B vexp(const B& x, const B& more) {
  using C = MathConstants<typename B::value_type>;
  // A result that underflows takes some processors a hundred times as long; masked scores, -inf, all would.
  const B zero(typename B::value_type(0));
  const auto is_zero = x < B(C::kLowestExp);
  // min() returns its second argument if one is NaN.
  const Log2Parts<B> parts(xsimd::min(B(C::kLargestExp), xsimd::select(is_zero, zero, x)));
  return xsimd::select(is_zero, zero, scaled_exp_of_rest(parts.rest + more, parts.n));
}
template <class B>
inline B vexp(const B& x) {
  return vexp(x, B(typename B::value_type(0)));
}
/// exp(x) for x below kLargestExp.
template <class B>
inline B vexp_of_negative(const B& x) {
  const B zero(typename B::value_type(0));  // as in vexp()
  const auto is_zero = x < B(MathConstants<typename B::value_type>::kLowestExp);
  const Log2Parts<B> parts(xsimd::select(is_zero, zero, x));
  return xsimd::select(is_zero, zero, scaled_exp_of_rest(parts.rest, parts.n));
}
template <class B>
inline B vexpm1(const B& x) {
  return xsimd::expm1(x);
}
template <class B>
inline B vlog(const B& x) {
  using T = typename B::value_type;
  // xsimd's log is wrong for float64 subnormals.
  using C = MathConstants<T>;
  const auto tiny = (x < B(C::kSmallestNormal)) & (x > B(T(0)));
  if (!xsimd::any(tiny)) {
    return xsimd::log(x);
  }
  const B scaled = xsimd::select(tiny, x * B(T(1 << 30)) * B(T(1 << 30)), x);
  return xsimd::log(scaled) - xsimd::select(tiny, B(T(41.5888308335967185650339272874905941)), B(T(0)));
}
template <class B>
inline B vlog1p(const B& x) {
  return xsimd::log1p(x);
}
template <class B>
inline B vtanh(const B& x) {
  return xsimd::tanh(x);
}

/// exp(x^2) erfc(x) for x >= 0.
template <class B>
inline B verfcx(const B& x) {
  using C = MathConstants<typename B::value_type>;
  const B center(C::kCenter);
  const B one(typename B::value_type(1));
  return polynomial((x - center) / (x + center), C::kErfcx) / (one + x + x);
}

template <class B>
inline B verf(const B& x) {
  using T = typename B::value_type;
  const B one(T(1));
  const B size = xsimd::abs(x);
  const B small = x * polynomial(x * x, MathConstants<T>::kErf);
  if (xsimd::all(size < one)) {
    return small;
  }
  const B within = xsimd::select(size > B(T(8)), B(T(8)), size);
  const B large = one - vexp(-within * within) * verfcx(within);
  return xsimd::select(size < one, small, xsimd::select(x < B(T(0)), -large, large));
}

/// Density and distribution function of the standard normal distribution at x; the latter has full precision in the
/// lower tail.
template <class B>
struct Normal {
  B density;
  B distribution;

  explicit Normal(const B& x) {
    using T = typename B::value_type;
    const B one(T(1));
    const B half(T(0.5));
    const B size = xsimd::abs(x);
#if !defined(NORMGRAD_SIMD_sse2)
    if constexpr (sizeof(T) == 4) {
      // exp(-t^2 / 2) with the rounding error of t^2.
      using C = MathConstants<T>;
      const B t = xsimd::min(B(T(15)), size);  // NaN stays
      const B square = t * t;
      const Log2Parts<B> parts(-half * square);
      const B bell = scaled_exp_of_rest(muladd(-half, muladd(t, t, -square), parts.rest), parts.n);
      const B tail = bell * (polynomial(t, C::kTail) / polynomial(t, C::kTailDivisor));
      density = bell * B(T(0.398942280401432677939946059934382));
      distribution = xsimd::select(x > B(T(0)), one - tail, tail);
      return;
    }
#endif
    const B within = xsimd::select(size > B(T(50)), B(T(50)), size);
    // exp(-x^2 / 2) with x^2 split into two parts: a rounded x^2 would cause an error of x^2 units in the last place.
    const B shifted = within * B(MathConstants<T>::kSplit);
    const B high = shifted - (shifted - within);
    const B low = within - high;
    const B bell = vexp(-half * (high * high), -half * ((within + high) * low));
    const B tail = half * bell * verfcx(within * B(T(0.707106781186547524400844362104849)));
    density = bell * B(T(0.398942280401432677939946059934382));
    distribution = xsimd::select(x > B(T(0)), one - tail, tail);
  }
};

template <class B>
inline B vsigmoid(const B& x) {
  const B one(typename B::value_type(1));
  const B e = vexp_of_negative(-xsimd::abs(x));
  return xsimd::select(x < B(typename B::value_type(0)), e, one) / (one + e);
}
// Clamped factors: their product with a factor that has reached 0 is 0 at infinity, not NaN.
template <class B>
inline B not_too_low(const B& x) {
  return xsimd::max(B(typename B::value_type(-1000)), x);  // x if it is NaN
}
template <class B>
inline B not_too_large(const B& x) {
  const B limit(typename B::value_type(1000));
  const B raised = not_too_low(x);
  return xsimd::select(raised > limit, limit, raised);
}
/// NaN if either element is NaN. max() and min() return b if b is NaN.
template <class B>
inline B vmax(const B& a, const B& b) {
  return xsimd::select(is_nan<typename B::value_type>(a), a, xsimd::max(a, b));
}
template <class B>
inline B vmin(const B& a, const B& b) {
  return xsimd::select(is_nan<typename B::value_type>(a), a, xsimd::min(a, b));
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
