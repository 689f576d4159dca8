#include "normgrad/core/kernels/elementwise/binary.hpp"
#include "normgrad/core/simd/detail/wide_math.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

constexpr double kLargestFloat = 3.4028234663852886e38;

/// kWords powers: exp(exponent log(base)) in float64 where the bases are above 0 and all numbers finite; otherwise,
/// which is rare, the C library's function.
void powers(const Batch<double>& base, const Batch<double>& exponent, float* y) {
  const Batch<double> largest(kLargestFloat);
  if (xsimd::all((base > Batch<double>(0.0)) & (base <= largest) & (xsimd::abs(exponent) <= largest))) {
    store_narrow(y, exp_for_float(exponent * log_for_float(base)));
    return;
  }
  alignas(64) double bases[static_cast<std::size_t>(kWords)];
  alignas(64) double exponents[static_cast<std::size_t>(kWords)];
  base.store_aligned(bases);
  exponent.store_aligned(exponents);
  for (std::int64_t i = 0; i < kWords; ++i) {
    y[i] = __builtin_powf(static_cast<float>(bases[i]), static_cast<float>(exponents[i]));
  }
}

/// The first n <= kWords numbers of p, or one number; then ones.
Batch<double> operand(const float* p, bool walks, std::int64_t n) {
  if (!walks) {
    return Batch<double>(static_cast<double>(*p));
  }
  if (n == kWords) {
    return load_wide(p);
  }
  alignas(64) float numbers[static_cast<std::size_t>(kWords)];
  for (std::int64_t i = 0; i < kWords; ++i) {
    numbers[i] = i < n ? p[i] : 1.0F;
  }
  return load_wide(numbers);
}

}  // namespace

void power_rows(const BinaryRows<float>& r) {
  for (std::int64_t row = 0; row < r.rows; ++row) {
    const float* a = r.a + row * r.a_row;
    const float* b = r.b + row * r.b_row;
    float* y = r.y + row * r.n;
    std::int64_t i = 0;
    for (; i + kWords <= r.n; i += kWords) {
      powers(operand(a + (r.a_walks ? i : 0), r.a_walks, kWords), operand(b + (r.b_walks ? i : 0), r.b_walks, kWords),
             y + i);
    }
    if (i < r.n) {
      alignas(64) float last[static_cast<std::size_t>(kWords)];
      powers(operand(a + (r.a_walks ? i : 0), r.a_walks, r.n - i), operand(b + (r.b_walks ? i : 0), r.b_walks, r.n - i),
             last);
      for (std::int64_t j = i; j < r.n; ++j) {
        y[j] = last[j - i];
      }
    }
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
