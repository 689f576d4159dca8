// Softmax along an axis that is not the last: columns are copied tile by tile. Against the definition in float64.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/simd_levels.hpp"
#include "normgrad/core/kernels/reduce/softmax.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using kernels::SoftmaxOp;

struct SoftmaxColumnsTest : tests::SimdLevelTest {};

// Errors in units of the last place of 1, or of the largest term.
template <class T>
void agrees_with_definition(SoftmaxOp op, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  const auto size = static_cast<std::size_t>(outer * n * inner);
  std::mt19937 random(7);
  std::normal_distribution<double> normal(0.0, 3.0);
  std::vector<T> x(size), gy(size), y(size, T(7)), gx(size, T(7));
  for (std::size_t i = 0; i < size; ++i) {
    x[i] = static_cast<T>(normal(random));
    gy[i] = static_cast<T>(normal(random));
  }
  kernels::softmax(op, x.data(), y.data(), outer, n, inner);
  kernels::softmax_grad(op, y.data(), gy.data(), gx.data(), outer, n, inner);
  const double unit = std::numeric_limits<T>::epsilon();
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t c = 0; c < inner; ++c) {
      const auto at = [&](std::int64_t i) { return static_cast<std::size_t>((o * n + i) * inner + c); };
      double largest = -std::numeric_limits<double>::infinity();
      for (std::int64_t i = 0; i < n; ++i) {
        largest = std::max(largest, static_cast<double>(x[at(i)]));
      }
      double sum = 0.0;
      for (std::int64_t i = 0; i < n; ++i) {
        sum += std::exp(static_cast<double>(x[at(i)]) - largest);
      }
      double dot = 0.0;
      double terms = 0.0;
      for (std::int64_t i = 0; i < n; ++i) {
        const double g = static_cast<double>(gy[at(i)]);
        const double term = op == SoftmaxOp::softmax ? g * static_cast<double>(y[at(i)]) : g;
        dot += term;
        terms += std::abs(term);
      }
      // A sum of n terms of T, one by one, has an error of at most n / 2 units of its terms' sizes.
      const double count = static_cast<double>(n) / 2.0 + 8.0;
      for (std::int64_t i = 0; i < n; ++i) {
        const double shifted = static_cast<double>(x[at(i)]) - largest;
        const double exact = op == SoftmaxOp::softmax ? std::exp(shifted) / sum : shifted - std::log(sum);
        EXPECT_NEAR(static_cast<double>(y[at(i)]), exact, count * unit * std::max(1.0, std::abs(exact)));
        const double value = static_cast<double>(y[at(i)]);
        const double g = static_cast<double>(gy[at(i)]);
        const double gradient = op == SoftmaxOp::softmax ? value * (g - dot) : g - std::exp(value) * dot;
        EXPECT_NEAR(static_cast<double>(gx[at(i)]), gradient, count * unit * (std::abs(g) + terms));
      }
    }
  }
}

TEST_P(SoftmaxColumnsTest, AgreeWithTheDefinition) {
  for (const SoftmaxOp op : {SoftmaxOp::softmax, SoftmaxOp::log_softmax}) {
    for (const std::int64_t n : {1, 2, 21, 255, 256, 257}) {
      for (const std::int64_t inner : {2, 15, 16, 17, 70, 300}) {
        SCOPED_TRACE(testing::Message() << (op == SoftmaxOp::softmax ? "softmax " : "log_softmax ") << n << " x "
                                        << inner);
        agrees_with_definition<float>(op, 2, n, inner);
        agrees_with_definition<double>(op, 2, n, inner);
      }
    }
    agrees_with_definition<float>(op, 3, 5, 2000);  // wider than a task
  }
}

TEST_P(SoftmaxColumnsTest, NaNAndInfinitiesStayInTheirColumn) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const std::vector<double> x = {1, -kInf, std::nan(""), kInf, 1, 2, -kInf, 1, 1, 1};  // two rows of five columns
  std::vector<double> y(10);
  kernels::softmax(SoftmaxOp::softmax, x.data(), y.data(), 1, 2, 5);
  EXPECT_DOUBLE_EQ(y[0] + y[5], 1.0);
  EXPECT_TRUE(std::isnan(y[1]) && std::isnan(y[6]));  // all -inf
  EXPECT_TRUE(std::isnan(y[2]) && std::isnan(y[7]));
  EXPECT_TRUE(std::isnan(y[3]) && std::isnan(y[8]));  // inf - inf
  EXPECT_DOUBLE_EQ(y[4], 0.5);
}

TEST_P(SoftmaxColumnsTest, NothingToDo) {
  float none = 0.0F;
  kernels::softmax(SoftmaxOp::softmax, &none, &none, 0, 3, 4);
  kernels::softmax(SoftmaxOp::softmax, &none, &none, 3, 0, 4);
  kernels::softmax_grad(SoftmaxOp::softmax, &none, &none, &none, 3, 4, 0);
  EXPECT_EQ(none, 0.0F);
}

INSTANTIATE_TEST_SUITE_P(All, SoftmaxColumnsTest, tests::simd_levels(), tests::name_of_level);

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
