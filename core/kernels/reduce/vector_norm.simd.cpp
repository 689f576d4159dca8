#include "normgrad/core/kernels/reduce/vector_norm.hpp"

#include "normgrad/core/simd/detail/accumulator.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

using Half = AccumulatorHalf;

struct Squares {
  static Half include(const Half& sum, const Half& x) { return xsimd::fma(x, x, sum); }
  static double include(double sum, double x) { return sum + x * x; }
  static Half merge(const Half& a, const Half& b) { return a + b; }
  static double merge(double a, double b) { return a + b; }
};

struct Magnitudes {
  static Half include(const Half& sum, const Half& x) { return sum + xsimd::abs(x); }
  static double include(double sum, double x) { return sum + __builtin_fabs(x); }
  static Half merge(const Half& a, const Half& b) { return a + b; }
  static double merge(double a, double b) { return a + b; }
};

// Keeps a NaN.
struct Largest {
  static Half include(const Half& best, const Half& x) { return merge(xsimd::abs(x), best); }
  static double include(double best, double x) { return merge(__builtin_fabs(x), best); }
  static Half merge(const Half& a, const Half& b) { return xsimd::select((a > b) | !(a == a), a, b); }
  static double merge(double a, double b) { return a > b || a != a ? a : b; }
};

template <class Op, class T>
double fold(const T* x, std::int64_t n) {
  constexpr std::int64_t kParts = 4;
  constexpr std::int64_t kStep = kParts * kHalf;
  Half parts[kParts] = {Half(0.0), Half(0.0), Half(0.0), Half(0.0)};
  std::int64_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    for (std::int64_t k = 0; k < kParts; ++k) {
      parts[k] = Op::include(parts[k], half_from(x + i + k * kHalf));
    }
  }
  alignas(64) double lanes[static_cast<std::size_t>(kHalf)];
  Op::merge(Op::merge(parts[0], parts[1]), Op::merge(parts[2], parts[3])).store_aligned(lanes);
  double total = 0.0;
  for (const double lane : lanes) {
    total = Op::merge(total, lane);
  }
  for (; i < n; ++i) {
    total = Op::include(total, static_cast<double>(x[i]));
  }
  return total;
}

}  // namespace

template <class T>
double power_sum_block(PowerSum kind, const T* x, std::int64_t n) {
  switch (kind) {
    case PowerSum::squares:
      return fold<Squares>(x, n);
    case PowerSum::magnitudes:
      return fold<Magnitudes>(x, n);
    case PowerSum::largest:
      break;
  }
  return fold<Largest>(x, n);
}

template double power_sum_block<float>(PowerSum, const float*, std::int64_t);
template double power_sum_block<double>(PowerSum, const double*, std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
