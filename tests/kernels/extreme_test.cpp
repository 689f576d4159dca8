#include "normgrad/core/kernels/reduce/extreme.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/simd_levels.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

using tests::supported_levels;
using tests::UsedSimdLevel;

// A few different numbers, so that there are ties, with both zeros, infinities, and NaN in one of ten columns.
template <class T>
std::vector<T> few_numbers(std::int64_t outer, std::int64_t n, std::int64_t inner) {
  std::mt19937 engine(static_cast<std::uint32_t>(n * 31 + inner));
  std::vector<T> x(static_cast<std::size_t>(outer * n * inner));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto draw = static_cast<int>(engine() % 12);
    const bool may_be_nan = static_cast<std::int64_t>(i) % inner % 10 == 3;
    x[i] = draw == 0                 ? -T(0)
           : draw == 1               ? std::numeric_limits<T>::infinity()
           : draw == 2               ? -std::numeric_limits<T>::infinity()
           : draw == 3 && may_be_nan ? std::numeric_limits<T>::quiet_NaN()
                                     : static_cast<T>(draw - 7);
  }
  return x;
}

template <class T>
std::int64_t expected_position(bool largest, const T* x, std::int64_t n, std::int64_t step) {
  std::int64_t best = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const T value = x[i * step];
    if (std::isnan(value)) {
      return i;
    }
    if (largest ? value > x[best * step] : value < x[best * step]) {
      best = i;
    }
  }
  return best;
}

template <class T>
void check_positions(std::int64_t outer, std::int64_t n, std::int64_t inner) {
  const std::vector<T> x = few_numbers<T>(outer, n, inner);
  std::vector<std::int64_t> got(static_cast<std::size_t>(outer * inner));
  for (const bool largest : {true, false}) {
    arg_reduce(largest, x.data(), got.data(), outer, n, inner);
    for (std::int64_t i = 0; i < outer * inner; ++i) {
      ASSERT_EQ(got[static_cast<std::size_t>(i)],
                expected_position(largest, x.data() + i / inner * n * inner + i % inner, n, inner))
          << "element " << i << " of [" << outer << ", " << n << ", " << inner << "] on " << simd_name(simd_level());
    }
  }
}

TEST(ExtremeKernelTest, PositionsOfTheFirstLargestAndSmallest) {
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    for (const std::int64_t n : {1, 2, 7, 16, 33, 130}) {
      for (const std::int64_t inner : {1, 3, 64, 65, 300}) {
        check_positions<float>(3, n, inner);
        check_positions<double>(3, n, inner);
      }
    }
    check_positions<float>(40, 1000, 1);  // several threads
    check_positions<float>(1, 300, 1000);
  }
}

template <class T>
void check_gradients_of_rows(std::int64_t rows, std::int64_t n) {
  std::vector<T> x = few_numbers<T>(rows, n, 1);
  std::vector<T> y(static_cast<std::size_t>(rows));
  std::vector<T> gy(y.size());
  for (std::size_t r = 0; r < y.size(); ++r) {
    T* row = x.data() + static_cast<std::int64_t>(r) * n;
    if (r == 1) {
      row[n / 2] = std::numeric_limits<T>::quiet_NaN();
    }
    y[r] = row[expected_position(true, row, n, 1)];
    gy[r] = static_cast<T>(3 + r);
  }
  std::vector<T> gx(x.size(), T(-77));
  std::vector<std::int64_t> winner(y.size());
  const std::vector<T> want = y;
  extremes(true, x.data(), y.data(), winner.data(), rows, n);
  extreme_grad(x.data(), y.data(), winner.data(), gy.data(), gx.data(), rows, n);
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto at = static_cast<std::size_t>(r);
    const T* row = x.data() + r * n;
    EXPECT_TRUE(y[at] == want[at] || (std::isnan(y[at]) && std::isnan(want[at])));
    std::int64_t winners = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      winners += row[i] == y[at] ? 1 : 0;
    }
    EXPECT_EQ(winner[at], winners == 1 ? expected_position(true, row, n, 1) : -1);
    for (std::int64_t i = 0; i < n; ++i) {
      const T got = gx[static_cast<std::size_t>(r * n + i)];
      if (std::isnan(y[at])) {
        EXPECT_TRUE(std::isnan(got));
      } else {
        EXPECT_EQ(got, row[i] == y[at] ? gy[at] / static_cast<T>(winners) : T(0)) << r << ", " << i;
      }
    }
  }
}

TEST(ExtremeKernelTest, EqualLargestElementsShareTheGradient) {
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    for (const std::int64_t n : {1, 5, 16, 100}) {
      check_gradients_of_rows<float>(4, n);
      check_gradients_of_rows<double>(4, n);
    }
    check_gradients_of_rows<float>(20, 5000);
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
