// The updates of the optimizers against plain loops, with every instruction set of the machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"
#include "normgrad/optim/adadelta.hpp"
#include "normgrad/optim/adagrad.hpp"
#include "normgrad/optim/adam.hpp"
#include "normgrad/optim/adamax.hpp"
#include "normgrad/optim/detail/step.hpp"
#include "normgrad/optim/lamb.hpp"
#include "normgrad/optim/lars.hpp"
#include "normgrad/optim/lion.hpp"
#include "normgrad/optim/nadam.hpp"
#include "normgrad/optim/radam.hpp"
#include "normgrad/optim/rmsprop.hpp"
#include "normgrad/optim/rprop.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using kernels::StepArrays;
using UpdateTest = tests::SimdLevelTest;

// The update of one element: the parameter, its gradient after decay and sign, and its three slots.
using Element = std::function<void(double& p, double g, std::array<double, 3>& slots)>;

struct Case {
  std::array<bool, 3> in_use = {};
  bool decoupled = false;
  std::int64_t step = 3;
  double scalar = 0.0;
  bool is_new = false;            // the first slot
  bool decay_in_element = false;  // which then sees the gradient without decay
};

template <class T, class Options>
void run(const StepArrays<T>& arrays, const Options& options, std::int64_t n) {
  NORMGRAD_SIMD_SELECT(optimizer_step<T, Options>)(arrays, options, 0, n);
}

template <class T, class Options>
void check(std::int64_t n, const Options& o, const Case& c, const Element& element) {
  std::vector<T> p = tests::random_values<T>(n + 3, 1);
  const std::vector<T> g = tests::random_values<T>(n + 3, 2);
  std::array<std::vector<T>, 3> slots;
  for (std::uint32_t k = 0; k < 3; ++k) {
    slots[k] = tests::random_values<T>(n + 3, 3 + k);
    for (T& value : slots[k]) {
      value = std::fabs(value);
    }
  }
  for (std::size_t i = 0; i < slots[0].size(); ++i) {
    slots[0][i] += slots[1][i] * slots[1][i] + T(0.5);  // a mean square is above the squared mean
  }
  const std::vector<T> p_before = p;
  const std::array<std::vector<T>, 3> before = slots;
  StepArrays<T> arrays = {
      .p = p.data(), .gradient = g.data(), .slots = {}, .step = c.step, .scalar = c.scalar, .is_new = {c.is_new}};
  for (std::size_t s = 0; s < 3; ++s) {
    arrays.slots[s] = c.in_use[s] ? slots[s].data() : nullptr;
  }
  run(arrays, o, n);
  const double bound = 64.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < p.size(); ++i) {
    double x = static_cast<double>(p_before[i]);
    std::array<double, 3> expected = {};
    for (std::size_t s = 0; s < 3; ++s) {
      expected[s] = static_cast<double>(before[s][i]);
    }
    if (i < static_cast<std::size_t>(n)) {  // elements past the end stay unchanged
      double weight_decay = 0.0;
      if constexpr (requires { o.weight_decay; }) {
        x *= c.decoupled ? 1.0 - o.lr * o.weight_decay : 1.0;
        weight_decay = c.decoupled || c.decay_in_element ? 0.0 : o.weight_decay;
      }
      element(x, (o.maximize ? -1.0 : 1.0) * static_cast<double>(g[i]) + weight_decay * x, expected);
    }
    ASSERT_NEAR(static_cast<double>(p[i]), x, bound * (1.0 + std::fabs(x))) << n << " " << i;
    for (std::size_t s = 0; s < 3; ++s) {
      ASSERT_NEAR(static_cast<double>(slots[s][i]), expected[s], bound * (1.0 + std::fabs(expected[s])))
          << n << " " << i << " slot " << s;
    }
  }
}

template <class Options>
void check_all(Options o, const Case& c, const Element& element) {
  for (std::int64_t n = 0; n <= 67; ++n) {
    if constexpr (requires { o.weight_decay; }) {
      o.weight_decay = n % 2 == 0 ? 0.1 : 0.0;
    }
    o.maximize = n % 3 == 0;
    check<float>(n, o, c, element);
    check<double>(n, o, c, element);
  }
}

double mean(double& old, double weight, double now) { return old = weight * old + (1.0 - weight) * now; }

TEST_P(UpdateTest, Sgd) {
  for (const bool nesterov : {false, true}) {
    for (const bool is_new : {false, true}) {
      check_all(SGDOptions{.lr = 0.3, .momentum = 0.9, .dampening = 0.2, .nesterov = nesterov},
                {.in_use = {true, false, false}, .is_new = is_new}, [&](double& p, double g, auto& s) {
                  s[0] = is_new ? g : 0.9 * s[0] + 0.8 * g;
                  p -= 0.3 * (nesterov ? g + 0.9 * s[0] : s[0]);
                });
    }
  }
  check_all(SGDOptions{.lr = 0.3}, {}, [](double& p, double g, auto& /*s*/) { p -= 0.3 * g; });
}

// The buffer may hold anything before its first step.
TEST_P(UpdateTest, TheFirstStepOfSgdDoesNotReadTheBuffer) {
  std::vector<float> p(19, 1.0F);
  const std::vector<float> g(19, 2.0F);
  std::vector<float> buffer(19, std::numeric_limits<float>::quiet_NaN());
  run<float>(
      {.p = p.data(), .gradient = g.data(), .slots = {buffer.data()}, .step = 1, .scalar = 0.0, .is_new = {true}},
      SGDOptions{.lr = 0.25, .momentum = 0.9}, 19);
  EXPECT_EQ(p, std::vector<float>(19, 0.5F));
  EXPECT_EQ(buffer, g);
}

template <class Options>
void check_adam(bool decoupled) {
  for (const bool amsgrad : {false, true}) {
    check_all(Options{.lr = 0.3, .betas = {0.8, 0.9}, .eps = 0.5, .amsgrad = amsgrad},
              {.in_use = {true, true, amsgrad}, .decoupled = decoupled}, [&](double& p, double g, auto& s) {
                mean(s[0], 0.8, g);
                mean(s[1], 0.9, g * g);
                const double square = amsgrad ? s[2] = std::max(s[2], s[1]) : s[1];
                const double step_size = 0.3 / (1.0 - std::pow(0.8, 3.0));
                p -= step_size * s[0] / (std::sqrt(square / (1.0 - std::pow(0.9, 3.0))) + 0.5);
              });
  }
}

TEST_P(UpdateTest, Adam) { check_adam<AdamOptions>(false); }

TEST_P(UpdateTest, AdamW) { check_adam<AdamWOptions>(true); }

TEST_P(UpdateTest, NAdam) {
  for (const bool decoupled : {false, true}) {
    const auto mu = [](double t) { return 0.8 * (1.0 - 0.5 * std::pow(0.96, 0.7 * t)); };
    const double product = mu(1) * mu(2) * mu(3);
    check_all(
        NAdamOptions{
            .lr = 0.3, .betas = {0.8, 0.9}, .eps = 0.5, .momentum_decay = 0.7, .decoupled_weight_decay = decoupled},
        {.in_use = {true, true, false}, .decoupled = decoupled, .scalar = product}, [&](double& p, double g, auto& s) {
          mean(s[0], 0.8, g);
          mean(s[1], 0.9, g * g);
          const double d = (1.0 - mu(3)) / (1.0 - product) * g + mu(4) / (1.0 - product * mu(4)) * s[0];
          p -= 0.3 * d / (std::sqrt(s[1] / (1.0 - std::pow(0.9, 3.0))) + 0.5);
        });
  }
}

TEST_P(UpdateTest, RAdam) {
  for (const std::int64_t step : {3, 20}) {  // before and after the length exceeds 5
    for (const bool decoupled : {false, true}) {
      check_all(RAdamOptions{.lr = 0.3, .betas = {0.8, 0.9}, .eps = 0.5, .decoupled_weight_decay = decoupled},
                {.in_use = {true, true, false}, .decoupled = decoupled, .step = step},
                [&](double& p, double g, auto& s) {
                  const auto t = static_cast<double>(step);
                  mean(s[0], 0.8, g);
                  mean(s[1], 0.9, g * g);
                  const double rho = 19.0;
                  const double rho_t = rho - 2.0 * t * std::pow(0.9, t) / (1.0 - std::pow(0.9, t));
                  double d = s[0] / (1.0 - std::pow(0.8, t));
                  ASSERT_EQ(rho_t > 5.0, step == 20);
                  if (rho_t > 5.0) {
                    d *= std::sqrt((rho_t - 4.0) * (rho_t - 2.0) * rho / ((rho - 4.0) * (rho - 2.0) * rho_t)) *
                         std::sqrt(1.0 - std::pow(0.9, t)) / (std::sqrt(s[1]) + 0.5);
                  }
                  p -= 0.3 * d;
                });
    }
  }
}

TEST_P(UpdateTest, RMSprop) {
  for (const bool centered : {false, true}) {
    for (const bool momentum : {false, true}) {
      check_all(RMSpropOptions{.lr = 0.2, .alpha = 0.9, .eps = 0.5, .momentum = 0.7, .centered = centered},
                {.in_use = {true, centered, momentum}}, [&](double& p, double g, auto& s) {
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

TEST_P(UpdateTest, Adagrad) {
  check_all(AdagradOptions{.lr = 0.2, .lr_decay = 0.5, .eps = 0.5}, {.in_use = {true, false, false}},
            [](double& p, double g, auto& s) { p -= 0.1 * g / (std::sqrt(s[0] += g * g) + 0.5); });
}

TEST_P(UpdateTest, Adadelta) {
  check_all(AdadeltaOptions{.lr = 0.2, .rho = 0.9, .eps = 0.5}, {.in_use = {true, true, false}},
            [](double& p, double g, auto& s) {
              const double d = std::sqrt(s[1] + 0.5) / std::sqrt(mean(s[0], 0.9, g * g) + 0.5) * g;
              mean(s[1], 0.9, d * d);
              p -= 0.2 * d;
            });
}

TEST_P(UpdateTest, Adamax) {
  check_all(AdamaxOptions{.lr = 0.2, .betas = {0.8, 0.9}, .eps = 0.5}, {.in_use = {true, true, false}},
            [](double& p, double g, auto& s) {
              mean(s[0], 0.8, g);
              s[1] = std::max(0.9 * s[1], std::fabs(g) + 0.5);
              p -= 0.2 / (1.0 - std::pow(0.8, 3.0)) * s[0] / s[1];
            });
}

TEST_P(UpdateTest, Lion) {
  check_all(LionOptions{.lr = 0.2, .betas = {0.6, 0.9}}, {.in_use = {true, false, false}, .decoupled = true},
            [](double& p, double g, auto& s) {
              const double c = 0.6 * s[0] + 0.4 * g;
              p -= c > 0.0 ? 0.2 : c < 0.0 ? -0.2 : 0.0;
              mean(s[0], 0.9, g);
            });
}

TEST_P(UpdateTest, Rprop) {
  check_all(RpropOptions{.etas = {0.5, 1.5}, .step_sizes = {0.3, 0.6}}, {.in_use = {true, true, false}},
            [](double& p, double g, auto& s) {
              const double product = g * s[0];
              s[1] = std::clamp(s[1] * (product > 0.0 ? 1.5 : product < 0.0 ? 0.5 : 1.0), 0.3, 0.6);
              s[0] = product < 0.0 ? 0.0 : g;
              p -= s[0] > 0.0 ? s[1] : s[0] < 0.0 ? -s[1] : 0.0;
            });
}

// The kernel leaves the parameter and writes the direction to the third slot.
TEST_P(UpdateTest, LambDirection) {
  for (const double weight_decay : {0.0, 0.1}) {
    for (std::int64_t n = 0; n <= 67; ++n) {
      const LAMBOptions o{.lr = 0.3, .betas = {0.8, 0.9}, .eps = 0.5, .weight_decay = weight_decay};
      const Element element = [&](double& p, double g, std::array<double, 3>& s) {
        mean(s[0], 0.8, g);
        mean(s[1], 0.9, g * g);
        s[2] =
            s[0] / (1.0 - std::pow(0.8, 3.0)) / (std::sqrt(s[1] / (1.0 - std::pow(0.9, 3.0))) + 0.5) + weight_decay * p;
      };
      check<float>(n, o, {.in_use = {true, true, true}, .decay_in_element = true}, element);
      check<double>(n, o, {.in_use = {true, true, true}, .decay_in_element = true}, element);
    }
  }
}

TEST_P(UpdateTest, LarsWithTheRateOfTheLayer) {
  check_all(LARSOptions{.momentum = 0.7}, {.in_use = {true, false, false}, .scalar = 0.25},
            [](double& p, double g, auto& s) { p -= s[0] = 0.7 * s[0] + 0.25 * g; });
}

// A NaN gradient must propagate through maximum and sign; a zero gradient moves nothing.
TEST_P(UpdateTest, NanShowsAndZeroStays) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> gradient = {nan, 0.0F, 1.0F};
  const auto step = [&](const auto& options, std::array<bool, 3> in_use) {
    std::vector<float> p(3, 1.0F);
    std::array<std::vector<float>, 3> slots;
    slots.fill(std::vector<float>(3, 0.0F));
    StepArrays<float> arrays = {
        .p = p.data(), .gradient = gradient.data(), .slots = {}, .step = 1, .scalar = 0.0, .is_new = {}};
    for (std::size_t s = 0; s < 3; ++s) {
      arrays.slots[s] = in_use[s] ? slots[s].data() : nullptr;
    }
    run(arrays, options, 3);
    EXPECT_TRUE(std::isnan(p[0]));
    EXPECT_EQ(p[1], 1.0F);
    EXPECT_LT(p[2], 1.0F);
  };
  step(LionOptions{.lr = 0.1}, {true, false, false});
  step(AdamaxOptions{.lr = 0.1}, {true, true, false});
  step(RMSpropOptions{.lr = 0.1, .alpha = 0.9, .centered = true}, {true, true, false});
}

// The square of a mean and the mean of squares differ by rounding only: the root's argument must not be negative.
TEST_P(UpdateTest, CenteredRmspropOfConstantGradients) {
  std::vector<float> p(19, 0.0F);
  const std::vector<float> g(19, 0.1F);
  std::vector<float> v(19, 0.0F);
  std::vector<float> m(19, 0.0F);
  for (int i = 0; i < 200; ++i) {
    run<float>({.p = p.data(),
                .gradient = g.data(),
                .slots = {v.data(), m.data()},
                .step = i + 1,
                .scalar = 0.0,
                .is_new = {}},
               RMSpropOptions{.lr = 1e-6, .alpha = 0.5, .eps = 1e-3, .centered = true}, 19);
  }
  for (const float value : p) {
    ASSERT_TRUE(std::isfinite(value));
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, UpdateTest, tests::simd_levels(), tests::name_of_level);

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
