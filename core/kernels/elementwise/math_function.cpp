#include "normgrad/core/kernels/elementwise/math_function.hpp"

#include <math.h>  // NOLINT(modernize-deprecated-headers): lgamma_r is not in std

#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <type_traits>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

// std::lgamma writes a global variable.
float log_gamma(float x) {
  int sign = 0;
  return ::lgammaf_r(x, &sign);
}
double log_gamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

// Recurrence up to 10, then the asymptotic series with the Bernoulli numbers B2k / 2k.
double digamma_of(double x) {
  if (x == 0.0) {
    return std::copysign(kInfinite, -x);
  }
  if (x < 0.0) {
    const double fraction = x - std::floor(x);
    return fraction == 0.0 || std::isinf(x)
               ? kNotANumber
               : digamma_of(1.0 - x) - std::numbers::pi / std::tan(std::numbers::pi * fraction);
  }
  double below = 0.0;
  for (; x < 10.0; x += 1.0) {
    below -= 1.0 / x;
  }
  const double z = 1.0 / (x * x);
  const double series =
      z *
      (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  return below + std::log(x) - 0.5 / x - series;
}

// Hurwitz's zeta function, the sum of (q + k)^-s, for q > 0 and s > 1, by the Euler-Maclaurin formula (Cephes).
double hurwitz_zeta(double s, double q) {
  constexpr std::array<double, 12> kDivisors = {12.0,
                                                -720.0,
                                                30240.0,
                                                -1209600.0,
                                                47900160.0,
                                                -1.8924375803183791606e9,
                                                7.47242496e10,
                                                -2.950130727918164224e12,
                                                1.1646782814350067249e14,
                                                -4.5979787224074726105e15,
                                                1.8152105401943546773e17,
                                                -7.1661652561756670113e18};
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon() / 2;
  double sum = std::pow(q, -s);
  double at = q;
  double term = sum;
  for (int i = 0; i < 9 || at <= 9.0; ++i) {
    at += 1.0;
    term = std::pow(at, -s);
    sum += term;
    if (term < kEpsilon * sum) {
      return sum;
    }
  }
  sum += term * at / (s - 1.0) - 0.5 * term;
  double factor = 1.0;
  double k = 0.0;
  for (const double divisor : kDivisors) {
    factor *= s + k;
    term /= at;
    const double correction = factor * term / divisor;
    sum += correction;
    if (std::abs(correction) < kEpsilon * std::abs(sum)) {
      break;
    }
    factor *= s + k + 1.0;
    term /= at;
    k += 2.0;
  }
  return sum;
}

// (-1)^(n + 1) n! zeta(n + 1, x). For x < 0 the terms left of 0 are those of a sum over all integers without the ones
// that are missing.
double polygamma_of(std::int64_t order, double x) {
  if (order == 0) {
    return digamma_of(x);
  }
  if (x != x) {
    return x;
  }
  const double s = static_cast<double>(order) + 1.0;
  const double sign = order % 2 == 0 ? -1.0 : 1.0;
  const double factorial = std::tgamma(s);
  if (x > 0.0) {
    return std::isinf(x) ? sign * 0.0 : sign * factorial * hurwitz_zeta(s, x);
  }
  const double fraction = x - std::floor(x);
  if (fraction == 0.0) {
    return sign * kInfinite;
  }
  if (std::isinf(x)) {
    return kNotANumber;
  }
  return sign * factorial *
         (hurwitz_zeta(s, fraction) - sign * (hurwitz_zeta(s, 1.0 - x) - hurwitz_zeta(s, 1.0 - fraction)));
}

template <class T, class F>
void map_plain(const T* x, T* y, std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] = f(x[i]);
  }
}

template <class T>
void math_block(MathFunction f, std::int64_t order, const T* x, T* y, std::int64_t n) {
  switch (f) {
    case MathFunction::floor:
      return map_plain(x, y, n, [](T v) { return std::floor(v); });
    case MathFunction::ceil:
      return map_plain(x, y, n, [](T v) { return std::ceil(v); });
    case MathFunction::round:
      return map_plain(x, y, n, [](T v) { return std::nearbyint(v); });
    case MathFunction::trunc:
      return map_plain(x, y, n, [](T v) { return std::trunc(v); });
    case MathFunction::log1p:
      return map_plain(x, y, n, [](T v) { return std::log1p(v); });
    case MathFunction::expm1:
      return map_plain(x, y, n, [](T v) { return std::expm1(v); });
    case MathFunction::log2:
      return map_plain(x, y, n, [](T v) { return std::log2(v); });
    case MathFunction::log10:
      return map_plain(x, y, n, [](T v) { return std::log10(v); });
    case MathFunction::exp2:
      return map_plain(x, y, n, [](T v) { return std::exp2(v); });
    case MathFunction::tan:
      return map_plain(x, y, n, [](T v) { return std::tan(v); });
    case MathFunction::asin:
      return map_plain(x, y, n, [](T v) { return std::asin(v); });
    case MathFunction::acos:
      return map_plain(x, y, n, [](T v) { return std::acos(v); });
    case MathFunction::atan:
      return map_plain(x, y, n, [](T v) { return std::atan(v); });
    case MathFunction::sinh:
      return map_plain(x, y, n, [](T v) { return std::sinh(v); });
    case MathFunction::cosh:
      return map_plain(x, y, n, [](T v) { return std::cosh(v); });
    case MathFunction::asinh:
      return map_plain(x, y, n, [](T v) { return std::asinh(v); });
    case MathFunction::acosh:
      return map_plain(x, y, n, [](T v) { return std::acosh(v); });
    case MathFunction::atanh:
      return map_plain(x, y, n, [](T v) { return std::atanh(v); });
    case MathFunction::lgamma:
      return map_plain(x, y, n, [](T v) { return log_gamma(v); });
    case MathFunction::polygamma:
      return map_plain(x, y, n, [order](T v) { return static_cast<T>(polygamma_of(order, static_cast<double>(v))); });
  }
}

// The remainder of a division by -1 would overflow for the smallest integer.
std::int64_t whole_remainder(MathFunction2 f, std::int64_t a, std::int64_t b) {
  const std::int64_t rest = b == -1 ? 0 : a % b;
  return f == MathFunction2::remainder && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

template <class T>
T combined(MathFunction2 f, T a, T b) {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    return whole_remainder(f, a, b);
  } else {
    switch (f) {
      case MathFunction2::atan2:
        return std::atan2(a, b);
      case MathFunction2::hypot:
        return std::hypot(a, b);
      case MathFunction2::fmod:
        return std::fmod(a, b);
      case MathFunction2::remainder:
        break;
    }
    const T rest = std::fmod(a, b);
    return rest != T(0) && (rest < T(0)) != (b < T(0)) ? rest + b : rest;
  }
}

}  // namespace

template <class T>
void math_function(MathFunction f, std::int64_t order, const T* x, T* y, std::int64_t n) {
  parallel_for(n, std::int64_t{1} << 13,
               [&](std::int64_t begin, std::int64_t end) { math_block(f, order, x + begin, y + begin, end - begin); });
}

template <class T>
void math_function(MathFunction2 f, const Broadcast<2>& layout, const T* a, const T* b, T* y) {
  for_row_blocks(layout, std::int64_t{1} << 13, [&](const RowBlock<2>& block) {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const T* u = a + block.offset[0] + row * block.row_stride[0];
      const T* v = b + block.offset[1] + row * block.row_stride[1];
      T* to = y + block.y_offset + row * block.n;
      for (std::int64_t i = 0; i < block.n; ++i) {
        to[i] = combined(f, u[i * block.step[0]], v[i * block.step[1]]);
      }
    }
  });
}

template void math_function(MathFunction, std::int64_t, const float*, float*, std::int64_t);
template void math_function(MathFunction, std::int64_t, const double*, double*, std::int64_t);
template void math_function(MathFunction2, const Broadcast<2>&, const float*, const float*, float*);
template void math_function(MathFunction2, const Broadcast<2>&, const double*, const double*, double*);
template void math_function(MathFunction2, const Broadcast<2>&, const std::int64_t*, const std::int64_t*,
                            std::int64_t*);

}  // namespace normgrad::kernels
