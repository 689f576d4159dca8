#include "normgrad/core/kernels/memory/random.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "tests/support/simd_levels.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {
namespace NORMGRAD_TEST_FILE {

using tests::supported_levels;
using tests::UsedSimdLevel;

constexpr std::uint64_t kSeed = 0x123456789ABCDEFU;

// Fills n elements from each place in a block on, on every instruction set and with 1 and 3 threads, and expects the
// elements and the generator that one draw after the other gives.
template <class T, class Fill, class Draw>
void check_against_draws(std::int64_t n, Fill fill, Draw draw) {
  for (std::uint64_t position = 0; position < 4; ++position) {
    Generator one(kSeed);
    one.set_position(position);
    std::vector<T> want(static_cast<std::size_t>(n));
    for (T& v : want) {
      v = draw(one);
    }
    for (const SimdLevel level : supported_levels()) {
      const UsedSimdLevel used(level);
      const int threads = get_num_threads();
      for (const int count : {1, 3}) {
        set_num_threads(count);
        Generator many(kSeed);
        many.set_position(position);
        std::vector<T> got(want.size());
        fill(got.data(), n, many);
        EXPECT_TRUE(got == want) << n << " elements from " << position << " on " << simd_name(level);
        EXPECT_EQ(many.position(), one.position());
        EXPECT_EQ(many(), Generator(one)());
      }
      set_num_threads(threads);
    }
  }
}

TEST(RandomKernelTest, UniformNumbersAreThoseOfTheGenerator) {
  for (const std::int64_t n : {0, 1, 5, 17, 30000}) {
    check_against_draws<float>(n, fill_uniform<float>, [](Generator& g) { return g.uniform_float(); });
    check_against_draws<double>(n, fill_uniform<double>, [](Generator& g) { return g.uniform(); });
  }
}

TEST(RandomKernelTest, NormalNumbersAreThoseOfTheGenerator) {
  for (const std::int64_t n : {0, 1, 7, 8, 257, 50000}) {
    check_against_draws<float>(n, fill_normal<float>, [](Generator& g) { return static_cast<float>(g.normal()); });
  }
  check_against_draws<double>(300, fill_normal<double>, [](Generator& g) { return g.normal(); });
}

// Numbers on the edges: no radius, the largest radius, cosines near 0 and 1.
TEST(RandomKernelTest, NormalNumbersOfExtremeDraws) {
  const std::uint32_t kEdges[] = {0U,          1U,          0x7FFU,      0x800U,      0x3FFFFFFFU,
                                  0x40000000U, 0x7FFFFFFFU, 0x80000000U, 0xC0000000U, 0xFFFFFFFFU};
  std::vector<std::uint64_t> columns[4];
  for (const std::uint32_t a : kEdges) {
    for (const std::uint32_t b : kEdges) {
      for (const std::uint32_t c : kEdges) {
        const std::uint64_t noise = std::uint64_t{a ^ b} << 32;  // the high halves do not count
        columns[0].push_back(a | noise);
        columns[1].push_back(b | noise);
        columns[2].push_back(c | noise);
        columns[3].push_back(a | noise);
      }
    }
  }
  const auto n = static_cast<std::int64_t>(columns[0].size() / kRandomBlocks * kRandomBlocks);
  const std::uint64_t* const x[4] = {columns[0].data(), columns[1].data(), columns[2].data(), columns[3].data()};
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    std::vector<float> low(columns[0].size());
    std::vector<float> high(columns[0].size());
    NORMGRAD_SIMD_SELECT(normal_numbers)(x, n, low.data(), high.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      std::uint32_t numbers[4];
      for (std::size_t j = 0; j < 4; ++j) {
        numbers[j] = static_cast<std::uint32_t>(columns[j][i]);
      }
      const auto want = static_cast<float>(normgrad::detail::normal(numbers));
      EXPECT_TRUE(low[i] != high[i] || high[i] == want) << i << " on " << simd_name(level);
      EXPECT_TRUE(low[i] <= want && want <= high[i]) << low[i] << " " << want << " " << high[i];
    }
  }
}

TEST(RandomKernelTest, IntegersAreThoseOfTheGenerator) {
  const std::uint64_t kRanges[] = {1, 2, 3, 10, 1000, 65536, 999999937, 0x7FFFFFFF, 0x80000000, 0x80000001,
                                   // half of the draws are rejected:
                                   0x100000003, 0x8000000000000001U, ~std::uint64_t{0}};
  for (const std::uint64_t range : kRanges) {
    check_against_draws<std::int64_t>(
        20000,
        [range](std::int64_t* y, std::int64_t n, Generator& generator) { fill_below(-5, range, y, n, generator); },
        [range](Generator& g) { return static_cast<std::int64_t>(g.below(range) - 5); });
  }
}

// The last step of a permutation decides between 2 elements, the first between n.
TEST(RandomKernelTest, PermutationsExchangeFromTheEnd) {
  for (const std::int64_t n : {0, 1, 2, 3, 257, 258, 20000}) {
    for (const std::uint64_t position : {0, 3}) {
      Generator one(kSeed);
      one.set_position(position);
      std::vector<std::int64_t> want(static_cast<std::size_t>(n));
      std::iota(want.begin(), want.end(), 0);
      for (std::int64_t i = n - 1; i > 0; --i) {
        std::swap(want[static_cast<std::size_t>(i)], want[one.below(static_cast<std::uint64_t>(i) + 1)]);
      }
      for (const SimdLevel level : supported_levels()) {
        const UsedSimdLevel used(level);
        Generator many(kSeed);
        many.set_position(position);
        std::vector<std::int64_t> got(want.size());
        fill_permutation(got.data(), n, many);
        EXPECT_TRUE(got == want) << n << " elements on " << simd_name(level);
        EXPECT_EQ(many.position(), one.position());
      }
    }
  }
}

// Divisors up to 2^31 and numbers whose quotients are large.
TEST(RandomKernelTest, RemaindersAreExact) {
  const std::uint32_t kWords[] = {1U, 2U, 3U, 0x7FFFFFFFU, 0x80000000U, 0x80000001U, 0xFFFFFFFEU, 0xFFFFFFFFU};
  std::vector<std::uint32_t> words;
  for (const std::uint32_t high : kWords) {
    for (const std::uint32_t low : kWords) {
      words.insert(words.end(), {high, low});
    }
  }
  const auto n = static_cast<std::int64_t>(words.size() / 2) - 3;
  words.resize(words.size() + 16, 1U);
  for (const SimdLevel level : supported_levels()) {
    const UsedSimdLevel used(level);
    for (const std::int64_t first : {n, n + 1, std::int64_t{1000}, std::int64_t{65536}, std::int64_t{1} << 30,
                                     (std::int64_t{1} << 31) - 1, std::int64_t{1} << 31}) {
      for (const std::int64_t step : {0, 1}) {
        std::vector<std::int64_t> rest(static_cast<std::size_t>(n) + 1, -77);
        EXPECT_TRUE(NORMGRAD_SIMD_SELECT(remainders)(words.data(), n, Divisors{first, step}, 5, rest.data()));
        EXPECT_EQ(rest.back(), -77);
        for (std::int64_t i = 0; i < n; ++i) {
          const auto at = static_cast<std::size_t>(i);
          const std::uint64_t number = std::uint64_t{words[2 * at]} << 32 | words[2 * at + 1];
          EXPECT_EQ(rest[at], 5 + static_cast<std::int64_t>(number % static_cast<std::uint64_t>(first - i * step)));
        }
      }
    }
    words[6] = 0;
    std::vector<std::int64_t> rest(static_cast<std::size_t>(n));
    EXPECT_FALSE(NORMGRAD_SIMD_SELECT(remainders)(words.data(), n, Divisors{1000, 0}, 0, rest.data()));
    words[6] = 1;
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::kernels
