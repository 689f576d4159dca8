// The steps of the optimizers against plain loops, with every instruction set that the machine has.
#include "normgrad/core/kernels/optim_step.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

using OptimStepTest = test::SimdLevelTest;

template <class T>
std::vector<T> positive(std::vector<T> values) {
  for (T& v : values) {
    v = std::fabs(v);
  }
  return values;
}

// Some roundings of numbers of about 1.
template <class T>
void expect_close(const std::vector<T>& values, const std::vector<double>& expected, std::int64_t n) {
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (static_cast<std::int64_t>(i) < n) {
      ASSERT_NEAR(static_cast<double>(values[i]), expected[i], 16.0 * eps * (1.0 + std::fabs(expected[i])))
          << n << " " << i;
    } else {
      ASSERT_EQ(static_cast<double>(values[i]), expected[i]) << n << " " << i;  // past the end: untouched
    }
  }
}

template <class T>
void check_sgd(std::int64_t n, const SgdStep& step, bool with_buffer) {
  std::vector<T> p = test::random_values<T>(n + 3, 1);
  const std::vector<T> g = test::random_values<T>(n + 3, 2);
  std::vector<T> buffer = test::random_values<T>(n + 3, 3);
  std::vector<double> expected_p(p.begin(), p.end());
  std::vector<double> expected_buffer(buffer.begin(), buffer.end());
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    double d = (step.maximize ? -1.0 : 1.0) * static_cast<double>(g[i]) + step.weight_decay * expected_p[i];
    if (with_buffer) {
      double& b = expected_buffer[i];
      b = step.first ? d : step.momentum * b + (1.0 - step.dampening) * d;
      d = step.nesterov ? d + step.momentum * b : b;
    }
    expected_p[i] -= step.lr * d;
  }
  sgd_step<T>(p.data(), g.data(), with_buffer ? buffer.data() : nullptr, n, step);
  expect_close(p, expected_p, n);
  expect_close(buffer, expected_buffer, with_buffer ? n : 0);
}

TEST_P(OptimStepTest, SgdOfAnyLength) {
  for (std::int64_t n = 0; n <= 67; ++n) {
    for (const bool flag : {false, true}) {
      const SgdStep step = {.lr = 0.3,
                            .momentum = 0.9,
                            .dampening = 0.2,
                            .weight_decay = 0.1,
                            .nesterov = flag,
                            .maximize = n % 2 == 1,
                            .first = n % 3 == 0};
      check_sgd<float>(n, step, true);
      check_sgd<double>(n, step, true);
      check_sgd<float>(n, step, false);
      check_sgd<double>(n, step, false);
    }
  }
}

// What a buffer holds before its first step may be anything.
TEST_P(OptimStepTest, TheFirstStepDoesNotReadTheBuffer) {
  std::vector<float> p(19, 1.0F);
  const std::vector<float> g(19, 2.0F);
  std::vector<float> buffer(19, std::numeric_limits<float>::quiet_NaN());
  sgd_step<float>(p.data(), g.data(), buffer.data(), 19,
                  {.lr = 0.25,
                   .momentum = 0.9,
                   .dampening = 0.0,
                   .weight_decay = 0.0,
                   .nesterov = false,
                   .maximize = false,
                   .first = true});
  EXPECT_EQ(p, std::vector<float>(19, 0.5F));
  EXPECT_EQ(buffer, g);
}

template <class T>
void check_adam(std::int64_t n, const AdamStep& step, bool with_vmax) {
  std::vector<T> p = test::random_values<T>(n + 3, 4);
  const std::vector<T> g = test::random_values<T>(n + 3, 5);
  std::vector<T> m = test::random_values<T>(n + 3, 6);
  std::vector<T> v = positive(test::random_values<T>(n + 3, 7));
  std::vector<T> vmax = positive(test::random_values<T>(n + 3, 8));
  std::vector<double> expected_p(p.begin(), p.end());
  std::vector<double> expected_m(m.begin(), m.end());
  std::vector<double> expected_v(v.begin(), v.end());
  std::vector<double> expected_vmax(vmax.begin(), vmax.end());
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    expected_p[i] *= 1.0 - step.decay;
    const double d = (step.maximize ? -1.0 : 1.0) * static_cast<double>(g[i]) + step.weight_decay * expected_p[i];
    expected_m[i] = step.beta1 * expected_m[i] + (1.0 - step.beta1) * d;
    expected_v[i] = step.beta2 * expected_v[i] + (1.0 - step.beta2) * d * d;
    double square = expected_v[i];
    if (with_vmax) {
      square = expected_vmax[i] = std::max(expected_vmax[i], square);
    }
    expected_p[i] -= step.step_size * expected_m[i] / (std::sqrt(square) * step.rscale + step.eps);
  }
  adam_step<T>(p.data(), g.data(), m.data(), v.data(), with_vmax ? vmax.data() : nullptr, n, step);
  expect_close(p, expected_p, n);
  expect_close(m, expected_m, n);
  expect_close(v, expected_v, n);
  expect_close(vmax, expected_vmax, with_vmax ? n : 0);
}

TEST_P(OptimStepTest, AdamOfAnyLength) {
  for (std::int64_t n = 0; n <= 67; ++n) {
    for (const bool with_vmax : {false, true}) {
      const AdamStep step = {.beta1 = 0.8,
                             .beta2 = 0.9,
                             .eps = 0.5,
                             .weight_decay = n % 2 == 0 ? 0.1 : 0.0,
                             .decay = n % 2 == 1 ? 0.1 : 0.0,
                             .step_size = 0.3,
                             .rscale = 1.5,
                             .maximize = n % 3 == 0};
      check_adam<float>(n, step, with_vmax);
      check_adam<double>(n, step, with_vmax);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, OptimStepTest, test::simd_levels(), test::name_of_level);

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
