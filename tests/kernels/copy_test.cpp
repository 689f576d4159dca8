#include "normgrad/core/kernels/memory/copy.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

template <class T>
class CopyKernelTest : public testing::Test {};
using Types = testing::Types<std::uint8_t, std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(CopyKernelTest, Types);

// Matrices of all sizes around block and tile sizes, with gaps after the rows that must remain unchanged.
TYPED_TEST(CopyKernelTest, TransposesMatricesOfAllSizes) {
  using T = TypeParam;
  for (const std::int64_t rows : {1, 2, 3, 4, 5, 8, 15, 16, 17, 20, 33}) {
    for (const std::int64_t columns : {1, 2, 3, 4, 5, 7, 12, 16, 18, 31, 50}) {
      const std::int64_t batch = 2;
      const std::int64_t from_row = rows + 1;
      const std::int64_t to_row = columns + 2;
      std::vector<T> from(static_cast<std::size_t>(batch * columns * from_row));
      std::iota(from.begin(), from.end(), T(0));
      std::vector<T> to(static_cast<std::size_t>(batch * rows * to_row), T(7));
      kernels::CopyPlan plan;
      plan.push_back(batch, columns * from_row, rows * to_row);
      plan.push_back(rows, 1, to_row);
      plan.push_back(columns, from_row, 1);
      kernels::strided_copy(plan, from.data(), to.data(), sizeof(T));
      for (std::int64_t b = 0; b < batch; ++b) {
        for (std::int64_t i = 0; i < rows; ++i) {
          for (std::int64_t j = 0; j < to_row; ++j) {
            const T expected = j < columns ? from[static_cast<std::size_t>((b * columns + j) * from_row + i)] : T(7);
            ASSERT_EQ(to[static_cast<std::size_t>((b * rows + i) * to_row + j)], expected)
                << rows << " x " << columns << " at " << i << ", " << j;
          }
        }
      }
    }
  }
}

TYPED_TEST(CopyKernelTest, LongRowsRepeatsAndSteps) {
  using T = TypeParam;
  const std::int64_t n = 100003;
  std::vector<T> from(static_cast<std::size_t>(n));
  std::iota(from.begin(), from.end(), T(0));
  std::vector<T> to(from.size());
  kernels::copy(from.data(), to.data(), n, sizeof(T));
  EXPECT_EQ(from, to);

  kernels::CopyPlan repeat;
  repeat.push_back(n, 0, 1);
  kernels::strided_copy(repeat, from.data() + 5, to.data(), sizeof(T));
  EXPECT_EQ(to, std::vector<T>(to.size(), T(5)));

  kernels::CopyPlan backwards;
  backwards.push_back(n, -1, 1);
  kernels::strided_copy(backwards, from.data() + n - 1, to.data(), sizeof(T));
  EXPECT_TRUE(std::equal(from.rbegin(), from.rend(), to.begin()));

  kernels::CopyPlan spread;
  spread.push_back(n / 2, 1, 2);
  std::fill(to.begin(), to.end(), T(9));
  kernels::strided_copy(spread, from.data(), to.data(), sizeof(T));
  for (std::size_t i = 0; i + 1 < to.size(); i += 2) {
    ASSERT_EQ(to[i], from[i / 2]);
    ASSERT_EQ(to[i + 1], T(9));
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
