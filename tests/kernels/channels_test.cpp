#include "normgrad/core/kernels/elementwise/channel_bias.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

using tests::random_values;

template <class T>
class ChannelsTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ChannelsTest, Types);

constexpr ChannelArray kArrays[] = {{1, 1, 1, false},    {3, 5, 7, false}, {3, 5, 7, true},   {2, 33, 100, true},
                                    {2, 33, 100, false}, {0, 3, 4, true},  {0, 3, 4, false},  {70, 40, 60, true},
                                    {70, 40, 60, false}, {1, 17, 1, true}, {4, 16, 65, true}, {1, 2, 70000, false}};

std::int64_t channel_of(const ChannelArray& a, std::int64_t i) {
  return a.channels_last ? i % a.channels : i / a.positions % a.channels;
}

TYPED_TEST(ChannelsTest, BiasIsAddedToItsChannel) {
  using T = TypeParam;
  for (const ChannelArray& a : kArrays) {
    const auto bias = random_values<T>(a.channels, 1);
    const auto before = random_values<T>(a.numel(), 2);
    std::vector<T> y = before;
    add_channel_bias(a, bias.data(), y.data());
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      ASSERT_EQ(y[at], before[at] + bias[static_cast<std::size_t>(channel_of(a, i))]) << i;
    }
  }
}

TYPED_TEST(ChannelsTest, SumsEqualTheNaiveOnes) {
  using T = TypeParam;
  for (const ChannelArray& a : kArrays) {
    const auto gy = random_values<T>(a.numel(), 3);
    std::vector<double> expected(static_cast<std::size_t>(a.channels));
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      expected[static_cast<std::size_t>(channel_of(a, i))] += static_cast<double>(gy[static_cast<std::size_t>(i)]);
    }
    std::vector<T> sums(expected.size(), T(9));
    channel_sums(a, gy.data(), sums.data());
    // Runs of 64 normal numbers, summed in T, and at most 1100 of them.
    const double bound = std::is_same_v<T, float> ? 2e-4 : 1e-11;
    for (std::size_t c = 0; c < sums.size(); ++c) {
      ASSERT_NEAR(static_cast<double>(sums[c]), expected[c], bound) << c;
    }
  }
}

TYPED_TEST(ChannelsTest, SumsHaveTheSameBitsForAnyNumberOfThreads) {
  using T = TypeParam;
  const int before = get_num_threads();
  for (const bool channels_last : {false, true}) {
    const ChannelArray a{20, 24, 500, channels_last};
    const auto gy = random_values<T>(a.numel(), 3);
    std::vector<std::vector<T>> results;
    for (const int threads : {1, 2, 4}) {
      set_num_threads(threads);
      results.emplace_back(static_cast<std::size_t>(a.channels));
      channel_sums(a, gy.data(), results.back().data());
    }
    set_num_threads(before);
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(results[0], results[2]);
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
