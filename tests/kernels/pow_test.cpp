#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/simd_levels.hpp"
#include "normgrad/core/kernels/elementwise/binary.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

using tests::supported_levels;
using tests::UsedSimdLevel;

std::vector<float> powers(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> y(a.size());
  binary(BinaryOp::pow, Broadcast<2>::flat(static_cast<std::int64_t>(a.size())), a.data(), b.data(), y.data());
  return y;
}

/// In units in the last place; below the smallest normal number, in units of that number's.
double error_in_units(float got, long double exact) {
  int exponent = 0;
  std::frexp(std::max<long double>(std::abs(exact), std::numeric_limits<float>::min()), &exponent);
  return static_cast<double>(std::abs(got - exact) / std::ldexp(1.0L, exponent - std::numeric_limits<float>::digits));
}

TEST(PowKernelTest, FloatsAreRoundedNearlyOnce) {
  std::mt19937_64 engine(1);
  std::uniform_real_distribution<double> logarithm(-103.0, 88.7);  // down to subnormal numbers
  std::vector<float> a;
  std::vector<float> b;
  for (int i = 0; i < 40001; ++i) {
    const double of_base = i % 3 == 0 ? logarithm(engine) : logarithm(engine) / 100.0;
    a.push_back(static_cast<float>(std::exp(of_base)));
    b.push_back(static_cast<float>(logarithm(engine) / std::log(static_cast<double>(a.back()))));
  }
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    const std::vector<float> y = powers(a, b);
    double worst = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const long double exact = std::pow(static_cast<long double>(a[i]), static_cast<long double>(b[i]));
      if (exact <= static_cast<long double>(std::numeric_limits<float>::max())) {
        worst = std::max(worst, error_in_units(y[i], exact));
      }
    }
    EXPECT_LE(worst, 0.501) << simd_name(level);
    EXPECT_GT(worst, 0.4);
  }
}

// Each pair alone and in a row with ordinary numbers.
TEST(PowKernelTest, ZerosInfinitiesAndNaNAreThoseOfTheCLibrary) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> special = {0.0F,          -0.0F,   1.0F,        -1.0F,   2.0F,  -2.0F, 0.5F,
                                      -3.0F,         2.5F,    16777216.0F, inf,     -inf,  nan,   1e-45F,
                                      3.4028235e38F, -1e-40F, 129.0F,      -151.0F, 128.0F};
  std::vector<float> a;
  std::vector<float> b;
  for (const float u : special) {
    for (const float v : special) {
      a.insert(a.end(), {u, 1.5F, 0.25F});
      b.insert(b.end(), {v, 2.25F, -1.5F});
    }
  }
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    const std::vector<float> row = powers(a, b);
    for (std::size_t i = 0; i < a.size(); ++i) {
      const float expected = std::pow(a[i], b[i]);
      for (const float y : {row[i], powers({a[i]}, {b[i]})[0]}) {
        const long double exact = std::pow(static_cast<long double>(a[i]), static_cast<long double>(b[i]));
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(y)) << a[i] << " ^ " << b[i];
        } else if (std::isfinite(expected) && expected != 0.0F) {
          EXPECT_LE(error_in_units(y, exact), 0.501) << a[i] << " ^ " << b[i];
        } else {
          EXPECT_EQ(std::bit_cast<std::uint32_t>(y), std::bit_cast<std::uint32_t>(expected)) << a[i] << " ^ " << b[i];
        }
      }
    }
  }
}

// The bits of an element do not depend on its place in a row, nor on whether an operand is one number.
TEST(PowKernelTest, BitsDoNotDependOnTheLayout) {
  std::vector<float> a;
  for (int i = 1; i <= 67; ++i) {
    a.push_back(0.37F * static_cast<float>(i));
  }
  const float exponent = -1.7F;
  const auto n = static_cast<std::int64_t>(a.size());
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    const std::vector<float> whole = powers(a, std::vector<float>(a.size(), exponent));
    std::vector<float> y(a.size());
    binary(BinaryOp::pow, Broadcast<2>::flat(n, {false, true}), a.data(), &exponent, y.data());
    EXPECT_EQ(y, whole);
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(powers({a[i]}, {exponent})[0], whole[i]);
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
