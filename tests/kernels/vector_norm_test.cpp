#include "normgrad/core/kernels/reduce/vector_norm.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

TEST(VectorNormTest, LongArraysOnAnyNumberOfThreads) {
  std::vector<float> x(100003);
  double expected = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(static_cast<int>(i % 7) - 3);
    expected += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  const int threads = get_num_threads();
  for (const int n : {1, 2, 3}) {
    set_num_threads(n);
    EXPECT_EQ(power_sum(x.data(), static_cast<std::int64_t>(x.size()), 2.0), expected);
    EXPECT_EQ(power_sum(x.data(), static_cast<std::int64_t>(x.size()), std::numeric_limits<double>::infinity()), 3.0);
  }
  set_num_threads(threads);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
