#include "normgrad/core/base/random.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <set>
#include <vector>

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;

// The published Random123 vectors for philox4x32-10.
TEST(PhiloxTest, KnownAnswers) {
  EXPECT_THAT(detail::philox({0, 0, 0, 0}, {0, 0}), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_THAT(detail::philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(detail::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(GeneratorTest, DrawsPhiloxBlocksInOrder) {
  Generator generator(0x299f31d0a4093822);
  std::vector<std::uint32_t> drawn(8);
  std::generate(drawn.begin(), drawn.end(), std::ref(generator));
  const auto first = detail::philox({0, 0, 0, 0}, {0xa4093822, 0x299f31d0});
  const auto second = detail::philox({1, 0, 0, 0}, {0xa4093822, 0x299f31d0});
  EXPECT_TRUE(std::equal(first.begin(), first.end(), drawn.begin()));
  EXPECT_TRUE(std::equal(second.begin(), second.end(), drawn.begin() + 4));
}

TEST(GeneratorTest, PositionAndSeedAreTheWholeState) {
  Generator generator(42);
  for (std::uint64_t skip = 0; skip < 9; ++skip) {
    generator.manual_seed(42);
    for (std::uint64_t i = 0; i < skip; ++i) {
      generator();
    }
    EXPECT_EQ(generator.position(), skip);
    Generator other(generator.seed());
    other.set_position(generator.position());
    EXPECT_EQ(other.next64(), generator.next64()) << skip;
    EXPECT_EQ(other.normal(), generator.normal()) << skip;
  }
  generator.set_position(3);
  generator.set_position(0);
  EXPECT_EQ(generator(), Generator(42)());
}

TEST(GeneratorTest, CopiesGoOnAlone) {
  Generator a(7);
  a();
  Generator b = a;
  const std::uint32_t next = a();
  a();
  EXPECT_EQ(b(), next);
}

TEST(GeneratorTest, SeedsGiveDifferentStreams) {
  std::set<std::uint64_t> firsts;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    firsts.insert(Generator(seed).next64());
  }
  EXPECT_EQ(firsts.size(), 1000U);
  EXPECT_NE(Generator(1).next64(), Generator(std::uint64_t{1} << 32).next64());
}

TEST(GeneratorTest, ServesTheStandardLibrary) {
  std::vector<int> cards(52);
  for (int i = 0; i < 52; ++i) {
    cards[static_cast<std::size_t>(i)] = i;
  }
  Generator generator(1);
  std::shuffle(cards.begin(), cards.end(), generator);
  EXPECT_FALSE(std::is_sorted(cards.begin(), cards.end()));
}

// Chi-square statistic of counts in equal cells; 99.99% of such statistics are below the bounds used here.
double chi_square(const std::vector<int>& counts, int draws) {
  const double expected = static_cast<double>(draws) / static_cast<double>(counts.size());
  double sum = 0.0;
  for (const int count : counts) {
    sum += (count - expected) * (count - expected) / expected;
  }
  return sum;
}

TEST(GeneratorTest, UniformIsUniform) {
  constexpr int kDraws = 100000;
  Generator generator(5);
  std::vector<int> cells(64);
  std::vector<int> cells_float(64);
  double mean = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = generator.uniform();
    const float f = generator.uniform_float();
    ASSERT_TRUE(u >= 0.0 && u < 1.0 && f >= 0.0F && f < 1.0F);
    ++cells[static_cast<std::size_t>(u * 64)];
    ++cells_float[static_cast<std::size_t>(f * 64)];
    mean += u / kDraws;
  }
  EXPECT_LT(chi_square(cells, kDraws), 115.0);  // 63 degrees of freedom
  EXPECT_LT(chi_square(cells_float, kDraws), 115.0);
  EXPECT_NEAR(mean, 0.5, 4 * std::sqrt(1.0 / 12 / kDraws));
}

TEST(GeneratorTest, NormalIsNormal) {
  constexpr int kDraws = 100000;
  Generator generator(6);
  std::array<double, 5> moments{};
  std::vector<int> cells(32);
  for (int i = 0; i < kDraws; ++i) {
    const double z = generator.normal();
    ASSERT_TRUE(std::isfinite(z));
    for (std::size_t k = 1; k < moments.size(); ++k) {
      moments[k] += std::pow(z, static_cast<double>(k)) / kDraws;
    }
    ++cells[static_cast<std::size_t>(0.5 * std::erfc(-z / std::sqrt(2.0)) * 32)];
  }
  EXPECT_NEAR(moments[1], 0.0, 4 * std::sqrt(1.0 / kDraws));
  EXPECT_NEAR(moments[2], 1.0, 4 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(moments[3], 0.0, 4 * std::sqrt(15.0 / kDraws));
  EXPECT_NEAR(moments[4], 3.0, 4 * std::sqrt(96.0 / kDraws));
  EXPECT_LT(chi_square(cells, kDraws), 68.0);  // 31 degrees of freedom
}

TEST(GeneratorTest, BelowIsUnbiasedAndInRange) {
  Generator generator(8);
  for (const std::uint64_t n : {1U, 2U, 3U, 7U, 10U, 48U}) {
    constexpr int kDraws = 60000;
    std::vector<int> counts(n);
    for (int i = 0; i < kDraws; ++i) {
      const std::uint64_t draw = generator.below(n);
      ASSERT_LT(draw, n);
      ++counts[draw];
    }
    if (n > 1) {
      const double freedom = static_cast<double>(n - 1);
      EXPECT_LT(chi_square(counts, kDraws), freedom + 6 * std::sqrt(2 * freedom) + 8) << n;
    }
  }
  // A plain remainder would assign half of all draws to the lower third of this range.
  const std::uint64_t n = (std::uint64_t{1} << 63) + (std::uint64_t{1} << 62);
  int low = 0;
  for (int i = 0; i < 3000; ++i) {
    low += generator.below(n) < n / 3 ? 1 : 0;
  }
  EXPECT_NEAR(low, 1000, 110);
}

TEST(GeneratorTest, DefaultGeneratorIsSeeded) {
  manual_seed(99);
  const std::uint64_t first = default_generator().next64();
  manual_seed(99);
  EXPECT_EQ(default_generator().next64(), first);
  EXPECT_EQ(first, Generator(99).next64());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
