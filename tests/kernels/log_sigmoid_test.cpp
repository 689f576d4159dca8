// The logistic function's logarithms, against the definition in long double.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/simd_levels.hpp"
#include "normgrad/core/kernels/elementwise/log_sigmoid.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

struct LogSigmoidTest : tests::SimdLevelTest {};

// -log(sigmoid(x))
long double surprise(long double x) { return (x < 0 ? -x : 0.0L) + std::log1p(std::exp(-std::abs(x))); }

// Two units for the logarithm, two for the exponential, one for the sum; numbers below the normal ones have no more
// digits than the least of those.
template <class T>
long double tolerance(long double exact) {
  return 5.0L * std::numeric_limits<T>::epsilon() * std::abs(exact) + 2.0L * std::numeric_limits<T>::min();
}

template <class T>
void agree_with_definition() {
  std::vector<T> x;
  for (int i = -1300; i <= 1300; ++i) {
    x.push_back(static_cast<T>(i) / T(10));
    x.push_back(static_cast<T>(i) / T(1e6));
  }
  const std::size_t n = x.size();
  std::vector<T> a(n), b(n), logs(n), losses(n);
  for (std::size_t i = 0; i < n; ++i) {
    a[i] = static_cast<T>(i % 7) / T(3);
    b[i] = static_cast<T>(i % 5) / T(4);
  }
  kernels::log_sigmoid(x.data(), logs.data(), static_cast<std::int64_t>(n));
  kernels::logistic_loss(x.data(), a.data(), b.data(), losses.data(), static_cast<std::int64_t>(n));
  for (std::size_t i = 0; i < n; ++i) {
    const long double at = x[i];
    EXPECT_NEAR(static_cast<double>(logs[i] + surprise(at)), 0.0, static_cast<double>(tolerance<T>(surprise(at))))
        << at;
    const long double exact = a[i] * surprise(at) + b[i] * surprise(-at);
    EXPECT_NEAR(static_cast<double>(losses[i] - exact), 0.0, static_cast<double>(2.0L * tolerance<T>(exact))) << at;
  }
}

TEST_P(LogSigmoidTest, AgreesWithTheDefinition) {
  agree_with_definition<float>();
  agree_with_definition<double>();
}

TEST_P(LogSigmoidTest, InfinitiesNaNAndWeightsOfZero) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const std::vector<double> x = {kInf, -kInf, std::nan(""), kInf, -kInf};
  const std::vector<double> a = {1, 1, 1, 0.5, 0};
  const std::vector<double> b = {0, 1, 1, 0.5, 1};
  std::vector<double> y(5);
  kernels::log_sigmoid(x.data(), y.data(), 5);
  EXPECT_EQ(y[0], 0.0);
  EXPECT_EQ(y[1], -kInf);
  EXPECT_TRUE(std::isnan(y[2]));
  kernels::logistic_loss(x.data(), a.data(), b.data(), y.data(), 5);
  EXPECT_EQ(y[0], 0.0);
  EXPECT_EQ(y[1], kInf);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_EQ(y[3], kInf);
  EXPECT_EQ(y[4], 0.0);
}

INSTANTIATE_TEST_SUITE_P(All, LogSigmoidTest, tests::simd_levels(), tests::name_of_level);

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
