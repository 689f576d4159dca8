#include "normgrad/core/kernels/elementwise/binary.hpp"
#include "normgrad/core/simd/detail/math.hpp"
#include "normgrad/core/simd/detail/words.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

constexpr double kLargestFloat = 3.4028234663852886e38;

/// exp(exponent log(base)) in float64 where the base is above 0 and both are finite; otherwise, which is rare, the C
/// library's function.
void powers(const double* base, const double* exponent, std::int64_t n, float* y) {
  const auto a = Batch<double>::load_aligned(base);
  const auto b = Batch<double>::load_aligned(exponent);
  const Batch<double> largest(kLargestFloat);
  if (xsimd::all((a > Batch<double>(0.0)) & (a <= largest) & (xsimd::abs(b) <= largest))) {
    alignas(64) float results[static_cast<std::size_t>(kLanes<double>)];
    store_narrow(results, vexp(b * vlog(a)));
    for (std::int64_t i = 0; i < n; ++i) {
      y[i] = results[i];
    }
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] = __builtin_powf(static_cast<float>(base[i]), static_cast<float>(exponent[i]));
  }
}

}  // namespace

void power_rows(const BinaryRows<float>& r) {
  alignas(64) double base[static_cast<std::size_t>(kLanes<double>)];
  alignas(64) double exponent[static_cast<std::size_t>(kLanes<double>)];
  for (std::int64_t row = 0; row < r.rows; ++row) {
    const float* a = r.a + row * r.a_row;
    const float* b = r.b + row * r.b_row;
    for (std::int64_t i = 0; i < r.n; i += kLanes<double>) {
      const std::int64_t n = smaller(kLanes<double>, r.n - i);
      for (std::int64_t j = 0; j < kLanes<double>; ++j) {
        base[j] = j < n ? static_cast<double>(a[r.a_walks ? i + j : 0]) : 1.0;
        exponent[j] = j < n ? static_cast<double>(b[r.b_walks ? i + j : 0]) : 1.0;
      }
      powers(base, exponent, n, r.y + row * r.n + i);
    }
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
