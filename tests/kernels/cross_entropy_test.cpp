#include "normgrad/core/kernels/reduce/cross_entropy.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "normgrad/core/base/random.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

template <class T>
class CrossEntropyKernelTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(CrossEntropyKernelTest, Types);

// All row lengths around the vector widths, against long double.
TYPED_TEST(CrossEntropyKernelTest, AgreesWithTheFormula) {
  using T = TypeParam;
  Generator g(4);
  for (std::int64_t classes = 1; classes <= 40; ++classes) {
    for (const double smoothing : {0.0, 0.2}) {
      const std::int64_t rows = 3;
      const auto n = static_cast<std::size_t>(rows * classes);
      std::vector<T> x(n);
      std::vector<T> weight(static_cast<std::size_t>(classes));
      for (T& v : x) {
        v = static_cast<T>(4.0 * g.normal());
      }
      for (T& v : weight) {
        v = static_cast<T>(0.5 + g.uniform());
      }
      const std::vector<std::int64_t> target{0, -100, classes - 1};
      const kernels::CrossEntropyRows<T> in{x.data(), target.data(), weight.data(), rows, classes, -100, smoothing};
      const std::vector<T> gy{T(0.5), T(1.5), T(-2)};
      std::vector<T> loss(3), logsumexp(3), gx(n, std::numeric_limits<T>::quiet_NaN());
      kernels::cross_entropy_forward(in, loss.data(), logsumexp.data());
      kernels::cross_entropy_backward(in, logsumexp.data(), gy.data(), gx.data());
      const double tolerance = 32.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
      for (std::size_t i = 0; i < 3; ++i) {
        const T* row = x.data() + i * weight.size();
        long double sum = 0;
        for (std::size_t c = 0; c < weight.size(); ++c) {
          sum += std::exp(static_cast<long double>(row[c]));
        }
        const bool kept = target[i] != -100;
        long double expected = 0;
        long double q_sum = 0;
        std::vector<long double> q(weight.size());
        for (std::size_t c = 0; kept && c < weight.size(); ++c) {
          const long double hit = static_cast<std::int64_t>(c) == target[i] ? 1.0L - smoothing : 0.0L;
          q[c] = (hit + smoothing / static_cast<long double>(classes)) * weight[c];
          q_sum += q[c];
          expected += q[c] * (std::log(sum) - row[c]);
        }
        EXPECT_NEAR(static_cast<double>(loss[i]), static_cast<double>(expected), tolerance * 10) << classes;
        for (std::size_t c = 0; c < weight.size(); ++c) {
          const long double p = std::exp(static_cast<long double>(row[c])) / sum;
          EXPECT_NEAR(static_cast<double>(gx[i * weight.size() + c]), static_cast<double>(gy[i] * (p * q_sum - q[c])),
                      tolerance)
              << classes << " " << i << " " << c;
        }
      }
    }
  }
}

TYPED_TEST(CrossEntropyKernelTest, LargeAndInfiniteLogits) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  const std::vector<T> x{T(1e4), T(1e4) - T(1), -inf, T(-1e4), T(0), -inf, T(1), std::numeric_limits<T>::quiet_NaN(),
                         T(0)};
  const std::vector<std::int64_t> target{0, 1, 2};
  const kernels::CrossEntropyRows<T> in{x.data(), target.data(), nullptr, 3, 3, -100, 0.0};
  std::vector<T> loss(3), logsumexp(3), gx(9);
  kernels::cross_entropy_forward(in, loss.data(), logsumexp.data());
  // tol: log1p(exp(-1)) at 1e4, where a float has an error of 1e-3
  EXPECT_NEAR(static_cast<double>(loss[0]), std::log1p(std::exp(-1.0)), sizeof(T) == 4 ? 1e-3 : 1e-11);
  EXPECT_EQ(loss[1], 0);
  EXPECT_TRUE(std::isnan(loss[2]));
  const std::vector<T> gy{1, 1, 1};
  kernels::cross_entropy_backward(in, logsumexp.data(), gy.data(), gx.data());
  EXPECT_EQ(gx[2], 0);
  EXPECT_EQ(gx[3], 0);
  EXPECT_TRUE(std::isnan(gx[6]));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
