#include "normgrad/core/kernels/gemm/gemm.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

using tests::random_values;

struct Case {
  std::int64_t m, n, k;
};
constexpr Case kCases[] = {{1, 1, 1},      {2, 3, 4},     {5, 1, 7},      {1, 9, 3},      {13, 17, 19},  {60, 100, 784},
                           {60, 10, 100},  {97, 33, 257}, {12, 257, 300}, {193, 31, 513}, {64, 300, 65}, {25, 16, 1},
                           {60, 100, 100}, {100, 52, 60}, {11, 7, 230},   {9, 14, 1100}};

template <class T>
class GemmTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(GemmTest, Types);

// Elements of a [rows, columns] matrix with row stride `ld`.
std::int64_t storage(std::int64_t rows, std::int64_t ld) { return rows * ld; }

TYPED_TEST(GemmTest, EqualsTheNaiveSumForAllTransposesAndGaps) {
  using T = TypeParam;
  for (const Case& size : kCases) {
    for (int variant = 0; variant < 8; ++variant) {
      GemmShape s = GemmShape::dense((variant & 1) != 0, (variant & 2) != 0, size.m, size.n, size.k);
      if ((variant & 4) != 0) {
        s.lda += 3;
        s.ldb += 1;
        s.ldc += 2;
      }
      const auto a = random_values<T>(storage(s.transpose_a ? s.k : s.m, s.lda), 1);
      const auto b = random_values<T>(storage(s.transpose_b ? s.n : s.k, s.ldb), 2);
      const auto before = random_values<T>(storage(s.m, s.ldc), 3);
      std::vector<T> c = before;
      gemm(s, T(0.5), a.data(), b.data(), T(-2), c.data());
      for (std::int64_t i = 0; i < s.m; ++i) {
        for (std::int64_t j = 0; j < s.ldc; ++j) {
          const auto at = static_cast<std::size_t>(i * s.ldc + j);
          if (j >= s.n) {
            ASSERT_EQ(c[at], before[at]) << "wrote beyond a row";
            continue;
          }
          double sum = 0.0;
          double size_of_terms = 2.0 * std::abs(static_cast<double>(before[at]));
          for (std::int64_t p = 0; p < s.k; ++p) {
            const double term =
                static_cast<double>(a[static_cast<std::size_t>(s.transpose_a ? p * s.lda + i : i * s.lda + p)]) *
                static_cast<double>(b[static_cast<std::size_t>(s.transpose_b ? j * s.ldb + p : p * s.ldb + j)]);
            sum += term;
            size_of_terms += std::abs(term);
          }
          const double expected = 0.5 * sum - 2.0 * static_cast<double>(before[at]);
          // The rounding error of a sum of k terms is below (k + 2) ulp of the sum of absolute terms.
          const double bound =
              static_cast<double>(s.k + 2) * static_cast<double>(std::numeric_limits<T>::epsilon()) * size_of_terms;
          ASSERT_NEAR(static_cast<double>(c[at]), expected, bound)
              << s.m << 'x' << s.n << 'x' << s.k << " variant " << variant << " at " << i << ',' << j;
        }
      }
    }
  }
}

TYPED_TEST(GemmTest, BetaZeroIgnoresWhatWasThere) {
  using T = TypeParam;
  const auto a = random_values<T>(7 * 300, 1);
  const auto b = random_values<T>(300 * 9, 2);
  std::vector<T> c(7 * 9, std::numeric_limits<T>::quiet_NaN());
  gemm(GemmShape::dense(false, false, 7, 9, 300), T(1), a.data(), b.data(), T(0), c.data());
  for (const T v : c) {
    ASSERT_TRUE(std::isfinite(v));
  }
}

TYPED_TEST(GemmTest, PlusRowAddsItToEveryRow) {
  using T = TypeParam;
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    for (const Case& size : kCases) {
      for (const bool transpose_b : {false, true}) {
        const GemmShape s = GemmShape::dense(false, transpose_b, size.m, size.n, size.k);
        const auto a = random_values<T>(s.m * s.k, 1);
        const auto b = random_values<T>(s.n * s.k, 2);
        const auto row = random_values<T>(s.n, 3);
        // The same sum, starting from the row.
        std::vector<T> expected;
        for (std::int64_t i = 0; i < s.m; ++i) {
          expected.insert(expected.end(), row.begin(), row.end());
        }
        std::vector<T> c(expected.size(), std::numeric_limits<T>::quiet_NaN());
        gemm_plus_row(s, a.data(), b.data(), row.data(), c.data());
        gemm(s, T(1), a.data(), b.data(), T(1), expected.data());
        EXPECT_EQ(c, expected) << simd_name(level) << ' ' << s.m << 'x' << s.n << 'x' << s.k;
      }
    }
  }
}

TYPED_TEST(GemmTest, PlusRowOfAnEmptySumIsTheRow) {
  using T = TypeParam;
  const std::vector<T> row{T(1), T(2), T(3)};
  std::vector<T> c(6, T(7));
  gemm_plus_row(GemmShape::dense(false, true, 2, 3, 0), row.data(), row.data(), row.data(), c.data());
  EXPECT_EQ(c, (std::vector<T>{T(1), T(2), T(3), T(1), T(2), T(3)}));
}

TYPED_TEST(GemmTest, EmptySumsScale) {
  using T = TypeParam;
  std::vector<T> c(6, T(3));
  gemm(GemmShape::dense(false, false, 2, 3, 0), T(1), c.data(), c.data(), T(2), c.data());
  EXPECT_EQ(c, std::vector<T>(6, T(6)));
  gemm(GemmShape::dense(false, false, 2, 3, 0), T(1), c.data(), c.data(), T(0), c.data());
  EXPECT_EQ(c, std::vector<T>(6, T(0)));
}

TYPED_TEST(GemmTest, SameBitsForAnyNumberOfThreads) {
  using T = TypeParam;
  const int before = get_num_threads();
  // Split by rows and by columns, and the products of a small perceptron, which are not split for one thread.
  for (const GemmShape& s :
       {GemmShape::dense(false, true, 515, 130, 333), GemmShape::dense(false, true, 130, 515, 333),
        GemmShape::dense(false, true, 60, 100, 784), GemmShape::dense(false, true, 60, 100, 100),
        GemmShape::dense(false, true, 240, 100, 100), GemmShape::dense(false, false, 240, 100, 100),
        GemmShape::dense(true, false, 100, 784, 60), GemmShape::dense(false, false, 60, 100, 100),
        GemmShape::dense(false, false, 64, 500, 128)}) {
    const auto a = random_values<T>(s.m * s.k, 1);
    const auto b = random_values<T>(s.n * s.k, 2);
    std::vector<std::vector<T>> results;
    for (const int threads : {1, 2, 4}) {
      set_num_threads(threads);
      results.emplace_back(static_cast<std::size_t>(s.m * s.n));
      gemm(s, T(1), a.data(), b.data(), T(0), results.back().data());
    }
    set_num_threads(before);
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(results[0], results[2]);
  }
}

// [columns, rows] from [rows, columns].
template <class T>
std::vector<T> transposed(const std::vector<T>& x, std::int64_t rows, std::int64_t columns) {
  std::vector<T> y(x.size());
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      y[static_cast<std::size_t>(j * rows + i)] = x[static_cast<std::size_t>(i * columns + j)];
    }
  }
  return y;
}

// Sizes beyond one block of rows, of columns and of the summed axis, and just below.
constexpr Case kBlocks[] = {{961, 50, 385}, {960, 48, 384}, {30, 620, 390}, {2, 289, 769},
                            {10, 575, 3},   {40, 45, 1},    {5, 47, 383}};

TYPED_TEST(GemmTest, BlockedGivesTheSameBitsForAllTransposesAndCuts) {
  using T = TypeParam;
  const auto blocked = NORMGRAD_SIMD_SELECT(gemm_blocked<T>);
  for (const Case& size : kBlocks) {
    const auto a = random_values<T>(size.m * size.k, 1);
    const auto b = random_values<T>(size.k * size.n, 2);
    const auto before = random_values<T>(size.m * size.n, 3);
    std::vector<T> scratch(static_cast<std::size_t>(gemm_scratch(size.m, size.n, size.k)));
    const GemmShape plain = GemmShape::dense(false, false, size.m, size.n, size.k);
    std::vector<T> expected = before;
    blocked(plain, T(0.5), a.data(), b.data(), {expected.data(), size.n, T(-2)}, expected.data(), scratch.data());
    for (int variant = 1; variant < 4; ++variant) {
      const bool ta = (variant & 1) != 0;
      const bool tb = (variant & 2) != 0;
      const auto a_as_stored = ta ? transposed(a, size.m, size.k) : a;
      const auto b_as_stored = tb ? transposed(b, size.k, size.n) : b;
      std::vector<T> c = before;
      blocked(GemmShape::dense(ta, tb, size.m, size.n, size.k), T(0.5), a_as_stored.data(), b_as_stored.data(),
              {c.data(), size.n, T(-2)}, c.data(), scratch.data());
      ASSERT_EQ(c, expected) << size.m << ' ' << size.n << ' ' << size.k << " variant " << variant;
    }
    std::vector<T> c = before;  // row by row, then the last column alone
    GemmShape part = plain;
    part.m = 1;
    part.n = size.n - 1;
    for (std::int64_t i = 0; i < size.m; ++i) {
      T* row = c.data() + i * size.n;
      blocked(part, T(0.5), a.data() + i * size.k, b.data(), {row, size.n, T(-2)}, row, scratch.data());
    }
    part.m = size.m;
    part.n = 1;
    T* last = c.data() + size.n - 1;
    blocked(part, T(0.5), a.data(), b.data() + size.n - 1, {last, size.n, T(-2)}, last, scratch.data());
    ASSERT_EQ(c, expected) << size.m << ' ' << size.n << ' ' << size.k << " in parts";
  }
}

TYPED_TEST(GemmTest, BlockedEqualsTheNaiveSum) {
  using T = TypeParam;
  for (const Case& size : kBlocks) {
    const auto a = random_values<T>(size.m * size.k, 1);
    const auto b = random_values<T>(size.k * size.n, 2);
    std::vector<T> c(static_cast<std::size_t>(size.m * size.n));
    std::vector<T> scratch(static_cast<std::size_t>(gemm_scratch(size.m, size.n, size.k)));
    NORMGRAD_SIMD_SELECT(gemm_blocked<T>)
    (GemmShape::dense(false, false, size.m, size.n, size.k), T(1), a.data(), b.data(), {}, c.data(), scratch.data());
    for (std::int64_t i = 0; i < size.m; ++i) {
      for (std::int64_t j = 0; j < size.n; ++j) {
        double sum = 0.0;
        double size_of_terms = 0.0;
        for (std::int64_t p = 0; p < size.k; ++p) {
          const double term = static_cast<double>(a[static_cast<std::size_t>(i * size.k + p)]) *
                              static_cast<double>(b[static_cast<std::size_t>(p * size.n + j)]);
          sum += term;
          size_of_terms += std::abs(term);
        }
        ASSERT_NEAR(
            static_cast<double>(c[static_cast<std::size_t>(i * size.n + j)]), sum,
            size_of_terms * static_cast<double>(size.k) * static_cast<double>(std::numeric_limits<T>::epsilon()));
      }
    }
  }
}

// The size of a product decides which loop computes it, and must not show in the result.
TEST(GemmFloatTest, BothLoopsGiveTheSameBits) {
  for (const Case& size : kBlocks) {
    for (const bool transpose_a : {false, true}) {
      const GemmShape s = GemmShape::dense(transpose_a, false, size.m, size.n, size.k);
      const auto a = random_values<float>(size.m * size.k, 1);
      const auto b = random_values<float>(size.k * size.n, 2);
      std::vector<float> c(static_cast<std::size_t>(size.m * size.n), 1.0F);
      std::vector<float> expected = c;
      std::vector<float> scratch(
          static_cast<std::size_t>(std::max(kGemmTilesScratch, gemm_scratch(size.m, size.n, size.k))));
      NORMGRAD_SIMD_SELECT(gemm_tiles)
      (s, 0.5F, a.data(), b.data(), {expected.data(), s.ldc, 3.0F}, expected.data(), scratch.data());
      NORMGRAD_SIMD_SELECT(gemm_blocked<float>)
      (s, 0.5F, a.data(), b.data(), {c.data(), s.ldc, 3.0F}, c.data(), scratch.data());
      ASSERT_EQ(c, expected) << size.m << ' ' << size.n << ' ' << size.k;
    }
  }
}

TYPED_TEST(GemmTest, BatchedTakesEachPair) {
  using T = TypeParam;
  const GemmShape s = GemmShape::dense(false, false, 3, 5, 4);
  const auto a = random_values<T>(2 * 12, 1);
  const auto b = random_values<T>(3 * 20, 2);
  const std::vector<std::int64_t> a_offsets{0, 12, 12, 0};
  const std::vector<std::int64_t> b_offsets{40, 20, 0, 0};
  std::vector<T> c(4 * 15);
  gemm_batched(s, 4, a.data(), a_offsets.data(), b.data(), b_offsets.data(), c.data());
  for (std::size_t i = 0; i < 4; ++i) {
    std::vector<T> one(15);
    gemm(s, T(1), a.data() + a_offsets[i], b.data() + b_offsets[i], T(0), one.data());
    EXPECT_EQ(one, std::vector<T>(c.begin() + static_cast<std::ptrdiff_t>(15 * i),
                                  c.begin() + static_cast<std::ptrdiff_t>(15 * (i + 1))));
  }
}

TEST(GemmDoubleTest, EveryInstructionSetAgrees) {
  const GemmShape s = GemmShape::dense(true, false, 61, 45, 300);
  const auto a = random_values<double>(s.m * s.k, 1);
  const auto b = random_values<double>(s.n * s.k, 2);
  std::vector<double> first;
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    std::vector<double> c(static_cast<std::size_t>(s.m * s.n));
    gemm(s, 1.0, a.data(), b.data(), 0.0, c.data());
    if (first.empty()) {
      first = c;
    }
    for (std::size_t i = 0; i < c.size(); ++i) {
      ASSERT_NEAR(c[i], first[i], 1e-11) << simd_name(level);
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
