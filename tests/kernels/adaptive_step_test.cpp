// The adaptive steps against plain loops, with every instruction set that the machine has.
#include "normgrad/core/kernels/adaptive_step.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

using AdaptiveStepTest = test::SimdLevelTest;

// What a step does to one element: the parameter, its gradient after decay and sign, and its three slots.
using Element = std::function<void(double& p, double g, std::array<double, 3>& slots)>;

template <class T, class Step>
void check(std::int64_t n, const Step& step, std::array<bool, 3> in_use, const Element& element) {
  std::vector<T> p = test::random_values<T>(n + 3, 1);
  const std::vector<T> g = test::random_values<T>(n + 3, 2);
  std::array<std::vector<T>, 3> slots;
  for (std::uint32_t k = 0; k < 3; ++k) {
    slots[k] = test::random_values<T>(n + 3, 3 + k);
    for (T& value : slots[k]) {
      value = std::fabs(value);
    }
  }
  for (std::size_t i = 0; i < slots[0].size(); ++i) {
    slots[0][i] += slots[1][i] * slots[1][i] + T(0.5);  // as a mean square is above the squared mean
  }
  const std::vector<T> p_before = p;
  const std::array<std::vector<T>, 3> before = slots;
  StepJob<T, Step> job = {p.data(), g.data(), {}, step};
  for (std::size_t s = 0; s < 3; ++s) {
    job.slots[s] = in_use[s] ? slots[s].data() : nullptr;
  }
  adaptive_step(job, n);
  const double bound = 64.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < p.size(); ++i) {
    double x = static_cast<double>(p_before[i]);
    std::array<double, 3> expected = {};
    for (std::size_t s = 0; s < 3; ++s) {
      expected[s] = static_cast<double>(before[s][i]);
    }
    if (i < static_cast<std::size_t>(n)) {
      x *= 1.0 - step.common.decay;
      element(x, (step.common.maximize ? -1.0 : 1.0) * static_cast<double>(g[i]) + step.common.weight_decay * x,
              expected);
    }
    ASSERT_NEAR(static_cast<double>(p[i]), x, bound * (1.0 + std::fabs(x))) << n << " " << i;
    for (std::size_t s = 0; s < 3; ++s) {
      ASSERT_NEAR(static_cast<double>(slots[s][i]), expected[s], bound * (1.0 + std::fabs(expected[s])))
          << n << " " << i << " slot " << s;
    }
  }
}

template <class Step>
void check_all(Step step, std::array<bool, 3> in_use, const Element& element) {
  for (std::int64_t n = 0; n <= 67; ++n) {
    step.common = {.weight_decay = n % 2 == 0 ? 0.1 : 0.0, .decay = n % 2 == 1 ? 0.2 : 0.0, .maximize = n % 3 == 0};
    check<float>(n, step, in_use, element);
    check<double>(n, step, in_use, element);
  }
}

double mean(double& old, double weight, double now) { return old = weight * old + (1.0 - weight) * now; }

TEST_P(AdaptiveStepTest, Nadam) {
  check_all(
      NadamStep{
          .common = {}, .beta1 = 0.8, .beta2 = 0.9, .eps = 0.5, .gradient_rate = 0.2, .mean_rate = 0.3, .rscale = 1.5},
      {true, true, false}, [](double& p, double g, auto& s) {
        mean(s[0], 0.8, g);
        mean(s[1], 0.9, g * g);
        p -= (0.2 * g + 0.3 * s[0]) / (1.5 * std::sqrt(s[1]) + 0.5);
      });
}

TEST_P(AdaptiveStepTest, Radam) {
  for (const bool rectified : {false, true}) {
    check_all(RadamStep{.common = {}, .beta1 = 0.8, .beta2 = 0.9, .eps = 0.5, .rate = 0.2, .rectified = rectified},
              {true, true, false}, [&](double& p, double g, auto& s) {
                mean(s[0], 0.8, g);
                mean(s[1], 0.9, g * g);
                p -= 0.2 * s[0] / (rectified ? std::sqrt(s[1]) + 0.5 : 1.0);
              });
  }
}

TEST_P(AdaptiveStepTest, Rmsprop) {
  for (const bool centered : {false, true}) {
    for (const bool momentum : {false, true}) {
      check_all(RmspropStep{.common = {}, .lr = 0.2, .alpha = 0.9, .eps = 0.5, .momentum = 0.7},
                {true, centered, momentum}, [&](double& p, double g, auto& s) {
                  double square = mean(s[0], 0.9, g * g);
                  if (centered) {
                    mean(s[1], 0.9, g);
                    square = std::max(0.0, square - s[1] * s[1]);
                  }
                  double d = g / (std::sqrt(square) + 0.5);
                  if (momentum) {
                    d = s[2] = 0.7 * s[2] + d;
                  }
                  p -= 0.2 * d;
                });
    }
  }
}

TEST_P(AdaptiveStepTest, Adagrad) {
  check_all(AdagradStep{.common = {}, .rate = 0.2, .eps = 0.5}, {true, false, false},
            [](double& p, double g, auto& s) { p -= 0.2 * g / (std::sqrt(s[0] += g * g) + 0.5); });
}

TEST_P(AdaptiveStepTest, Adadelta) {
  check_all(AdadeltaStep{.common = {}, .lr = 0.2, .rho = 0.9, .eps = 0.5}, {true, true, false},
            [](double& p, double g, auto& s) {
              const double d = std::sqrt(s[1] + 0.5) / std::sqrt(mean(s[0], 0.9, g * g) + 0.5) * g;
              mean(s[1], 0.9, d * d);
              p -= 0.2 * d;
            });
}

TEST_P(AdaptiveStepTest, Adamax) {
  check_all(AdamaxStep{.common = {}, .beta1 = 0.8, .beta2 = 0.9, .eps = 0.5, .rate = 0.2}, {true, true, false},
            [](double& p, double g, auto& s) {
              mean(s[0], 0.8, g);
              s[1] = std::max(0.9 * s[1], std::fabs(g) + 0.5);
              p -= 0.2 * s[0] / s[1];
            });
}

TEST_P(AdaptiveStepTest, Lion) {
  check_all(LionStep{.common = {}, .lr = 0.2, .beta1 = 0.6, .beta2 = 0.9}, {true, false, false},
            [](double& p, double g, auto& s) {
              const double c = 0.6 * s[0] + 0.4 * g;
              p -= c > 0.0 ? 0.2 : c < 0.0 ? -0.2 : 0.0;
              mean(s[0], 0.9, g);
            });
}

// A gradient that is not a number must not vanish in a maximum or a sign; one of zero moves nothing.
TEST_P(AdaptiveStepTest, NanShowsAndZeroStays) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> gradient = {nan, 0.0F, 1.0F};
  const auto run = [&](const auto& step, std::array<bool, 3> in_use) {
    std::vector<float> p(3, 1.0F);
    std::array<std::vector<float>, 3> slots;
    slots.fill(std::vector<float>(3, 0.0F));
    StepJob<float, std::remove_cvref_t<decltype(step)>> job = {p.data(), gradient.data(), {}, step};
    for (std::size_t s = 0; s < 3; ++s) {
      job.slots[s] = in_use[s] ? slots[s].data() : nullptr;
    }
    adaptive_step(job, 3);
    EXPECT_TRUE(std::isnan(p[0]));
    EXPECT_EQ(p[1], 1.0F);
    EXPECT_LT(p[2], 1.0F);
  };
  run(LionStep{.common = {}, .lr = 0.1, .beta1 = 0.9, .beta2 = 0.99}, {true, false, false});
  run(AdamaxStep{.common = {}, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .rate = 0.1}, {true, true, false});
  run(RmspropStep{.common = {}, .lr = 0.1, .alpha = 0.9, .eps = 1e-8, .momentum = 0.0}, {true, true, false});
}

// The square of a mean and the mean of squares differ by rounding only: no root of a negative number.
TEST_P(AdaptiveStepTest, CenteredRmspropOfConstantGradients) {
  std::vector<float> p(19, 0.0F);
  const std::vector<float> g(19, 0.1F);
  std::vector<float> v(19, 0.0F);
  std::vector<float> m(19, 0.0F);
  const RmspropStep step = {.common = {}, .lr = 1e-6, .alpha = 0.5, .eps = 1e-3, .momentum = 0.0};
  for (int i = 0; i < 200; ++i) {
    adaptive_step(StepJob<float, RmspropStep>{p.data(), g.data(), {v.data(), m.data(), nullptr}, step}, 19);
  }
  for (const float value : p) {
    ASSERT_TRUE(std::isfinite(value));
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, AdaptiveStepTest, test::simd_levels(), test::name_of_level);

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
