// The precision of docs/norms.md with set_norm_arithmetic(kFloat64), for every norm of the registry that standardizes,
// against long double on the same values. tests/kernels/norm_arithmetic_test.cpp tests the default.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/norm_arithmetic.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/norm_sets.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::Elements;
using tests::SetOf;

constexpr double kHalf = 0.5;

class NormPrecision : public tests::NormPlaceTest {
 protected:
  void SetUp() override {
    elements_ = tests::find_sets(*plain(), input());
    eps_ = tests::printed_eps(*plain(), kFloat32);
  }

  /// The largest errors of y and of dx, per element in units in the last place of the nearest float32. Rounding once
  /// gives half a unit. The error of the float64 sums is subtracted: a few float64 units for each term of an element,
  /// since terms may cancel.
  std::pair<double, double> errors(const Tensor& input, double eps) const {
    Tensor x = input.detach().requires_grad_();
    const Tensor gy = gradient(kFloat32);
    const Tensor result = (*plain(kFloat32))(x);
    const std::vector<double> y = bits(result);
    const std::vector<double> gx = bits(grad({result}, {x}, {gy})[0]);
    const std::vector<double> in = bits(x);
    const std::vector<double> g = bits(gy);
    long double y_error = 0, gx_error = 0;
    for (const Elements& members : elements_) {
      const SetOf set(members, in, entry().centers, eps);
      const auto xhat = [&](std::size_t i) { return (static_cast<long double>(in[i]) - set.mu) / set.s; };
      long double mean_g = 0, mean_g_xhat = 0, largest_x = 0, largest_g = 0;
      for (const std::size_t i : members) {
        mean_g += entry().centers ? static_cast<long double>(g[i]) / set.m : 0.0L;
        mean_g_xhat += static_cast<long double>(g[i]) * xhat(i) / set.m;
        largest_x = std::max(largest_x, std::fabs(static_cast<long double>(in[i])));
        largest_g = std::max(largest_g, std::fabs(static_cast<long double>(g[i])));
      }
      const long double of_xhat = 0x1p-50L * (1 + largest_x / set.s + std::sqrt(set.m));
      for (const std::size_t i : members) {
        const long double dx = (static_cast<long double>(g[i]) - mean_g - xhat(i) * mean_g_xhat) / set.s;
        const long double of_dx = of_xhat * largest_g * (2 + std::fabs(xhat(i))) / set.s;
        y_error = std::max(y_error, units(y[i], xhat(i), of_xhat));
        gx_error = std::max(gx_error, units(gx[i], dx, of_dx));
      }
    }
    return {static_cast<double>(y_error), static_cast<double>(gx_error)};
  }

  /// |actual - truth| - slack, in units in the last place of the float32 at `truth`.
  static long double units(double actual, long double truth, long double slack) {
    int exponent = 0;
    std::frexp(truth, &exponent);
    const long double unit = std::ldexp(1.0L, std::max(exponent - 24, -149));
    return (std::fabs(static_cast<long double>(actual) - truth) - slack) / unit;
  }

  const tests::UsedNormArithmetic used_{kFloat64};
  std::vector<Elements> elements_;
  double eps_ = 0.0;
};

INSTANTIATE_TEST_SUITE_P(Registry, NormPrecision, testing::ValuesIn(tests::standardizing_places()), tests::place_name);

TEST_P(NormPrecision, NearestNumberForAnyMean) {
  for (const double ratio : {0.0, 1.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6}) {
    for (const double sigma : {1e-3, 1.0, 1e3}) {
      const auto [y, gx] = errors(input(1, kFloat32, ratio * sigma, sigma), eps_);
      EXPECT_LE(y, kHalf) << "mean / std " << ratio << ", std " << sigma;
      EXPECT_LE(gx, kHalf) << "mean / std " << ratio << ", std " << sigma;
    }
  }
}

TEST_P(NormPrecision, NearestNumberForHugeAndTinyValues) {
  for (const double scale : {1e30, 1e-30}) {
    const auto [y, gx] = errors(input(1, kFloat32, scale, scale), eps_);
    EXPECT_LE(y, kHalf) << scale;
    EXPECT_LE(gx, kHalf) << scale;
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
