// The precision promise of docs/norms.md, for every norm of the registry, against long double on the very same values.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/norm_places.hpp"
#include "tests/support/norm_sets.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"

namespace normgrad {
namespace {

using tests::bits;
using tests::Elements;
using tests::largest;
using tests::SetOf;

constexpr double kUnits = 2.0;

class NormPrecision : public tests::NormPlaceTest {
 protected:
  void SetUp() override {
    elements_ = tests::find_sets(*plain(), input());
    eps_ = tests::printed_eps(*plain(), kFloat32);
  }

  /// The largest errors of y and of dx, in units of float32's epsilon and of the largest value in the tensor.
  std::pair<double, double> errors(const Tensor& input, double eps) const {
    Tensor x = input.detach().requires_grad_();
    const Tensor gy = gradient(kFloat32);
    const Tensor result = (*plain(kFloat32))(x);
    const std::vector<double> y = bits(result);
    const std::vector<double> gx = bits(grad({result}, {x}, {gy})[0]);
    const std::vector<double> in = bits(x);
    const std::vector<double> g = bits(gy);
    long double y_error = 0, y_size = 0, gx_error = 0, gx_size = 0;
    for (const Elements& members : elements_) {
      const SetOf set(members, in, entry().centres, eps);
      const auto xhat = [&](std::size_t i) { return (static_cast<long double>(in[i]) - set.mu) / set.s; };
      long double mean_g = 0, mean_g_xhat = 0;
      for (const std::size_t i : members) {
        mean_g += entry().centres ? static_cast<long double>(g[i]) / set.m : 0.0L;
        mean_g_xhat += static_cast<long double>(g[i]) * xhat(i) / set.m;
      }
      for (const std::size_t i : members) {
        const long double dx = (static_cast<long double>(g[i]) - mean_g - xhat(i) * mean_g_xhat) / set.s;
        y_error = std::max(y_error, std::fabs(static_cast<long double>(y[i]) - xhat(i)));
        gx_error = std::max(gx_error, std::fabs(static_cast<long double>(gx[i]) - dx));
        y_size = std::max(y_size, std::fabs(xhat(i)));
        gx_size = std::max(gx_size, std::fabs(dx));
      }
    }
    constexpr auto kUnit = static_cast<long double>(std::numeric_limits<float>::epsilon());
    return {static_cast<double>(y_error / y_size / kUnit), static_cast<double>(gx_error / gx_size / kUnit)};
  }

  std::vector<Elements> elements_;
  double eps_ = 0.0;
};

INSTANTIATE_TEST_SUITE_P(Registry, NormPrecision, testing::ValuesIn(tests::norm_places(true)), tests::place_name);

TEST_P(NormPrecision, TwoUnitsForAnyMean) {
  for (const double ratio : {0.0, 1.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6}) {
    for (const double sigma : {1e-3, 1.0, 1e3}) {
      const auto [y, gx] = errors(input(1, kFloat32, ratio * sigma, sigma), eps_);
      EXPECT_LE(y, kUnits) << "mean / std " << ratio << ", std " << sigma;
      EXPECT_LE(gx, kUnits) << "mean / std " << ratio << ", std " << sigma;
    }
  }
}

TEST_P(NormPrecision, TwoUnitsForHugeAndTinyValues) {
  for (const double scale : {1e30, 1e-30}) {
    const auto [y, gx] = errors(input(1, kFloat32, scale, scale), eps_);
    EXPECT_LE(y, kUnits) << scale;
    EXPECT_LE(gx, kUnits) << scale;
  }
}

}  // namespace
}  // namespace normgrad
