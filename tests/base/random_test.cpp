#include "normgrad/core/base/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace normgrad {
namespace {

// Known answers of Philox 4x32-10 from the authors' Random123 (kat_vectors): counter 0, key 0.
TEST(Generator, IsPhilox4x32With10Rounds) {
  Generator generator(0);
  const std::array<std::uint32_t, 4> known = {0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U};
  for (const std::uint32_t word : known) {
    EXPECT_EQ(generator(), word);
  }
}

TEST(Generator, SeedAndPositionAreTheWholeState) {
  Generator generator(42);
  std::vector<std::uint32_t> drawn;
  for (int i = 0; i < 23; ++i) {
    drawn.push_back(generator());
  }
  EXPECT_EQ(generator.position(), 23U);
  for (std::uint64_t start = 0; start < 23; ++start) {
    Generator other(42);
    other.set_position(start);
    for (std::uint64_t i = start; i < 23; ++i) {
      ASSERT_EQ(other(), drawn[i]) << "from position " << start << " at " << i;
    }
  }
}

TEST(Generator, CopiesGoOnIndependently) {
  Generator a(7);
  a();
  a();
  Generator b = a;
  const std::uint32_t next = a();
  a();
  EXPECT_EQ(b(), next);
  a.manual_seed(7);
  EXPECT_EQ(a.position(), 0U);
  EXPECT_EQ(a(), Generator(7)());
}

TEST(Generator, SeedsGiveDifferentStreams) {
  EXPECT_NE(Generator(1)(), Generator(2)());
  EXPECT_NE(Generator(1)(), Generator(std::uint64_t{1} << 32 | 1)());
}

// The standard error of a mean over n draws is sigma / sqrt(n); 5 of them are exceeded once in two million seeds.
TEST(Generator, UniformHasItsMoments) {
  Generator generator(3);
  constexpr int n = 100'000;
  double sum = 0.0;
  double squares = 0.0;
  for (int i = 0; i < n; ++i) {
    const double u = generator.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    squares += (u - 0.5) * (u - 0.5);
  }
  EXPECT_NEAR(sum / n, 0.5, 5 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(squares / n, 1.0 / 12, 5 * std::sqrt(1.0 / 180 / n));
  for (int i = 0; i < 1000; ++i) {
    const float u = generator.uniform_float();
    ASSERT_TRUE(u >= 0.0F && u < 1.0F) << u;
  }
}

TEST(Generator, NormalHasItsMoments) {
  Generator generator(4);
  constexpr int n = 100'000;
  std::array<double, 5> moments{};
  for (int i = 0; i < n; ++i) {
    const double x = generator.normal();
    ASSERT_TRUE(std::isfinite(x));
    for (std::size_t p = 1; p < moments.size(); ++p) {
      moments[p] += std::pow(x, static_cast<double>(p)) / n;
    }
  }
  EXPECT_NEAR(moments[1], 0.0, 5 * std::sqrt(1.0 / n));
  EXPECT_NEAR(moments[2], 1.0, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(moments[3], 0.0, 5 * std::sqrt(15.0 / n));
  EXPECT_NEAR(moments[4], 3.0, 5 * std::sqrt(96.0 / n));
}

TEST(Generator, BelowHitsEveryNumberAlike) {
  Generator generator(5);
  constexpr int n = 70'000;
  std::array<int, 7> counts{};
  for (int i = 0; i < n; ++i) {
    const std::uint64_t k = generator.below(7);
    ASSERT_LT(k, 7U);
    ++counts[k];
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, n / 7.0, 5 * std::sqrt(n / 7.0));
  }
  EXPECT_EQ(generator.below(1), 0U);
}

TEST(DefaultGenerator, ManualSeedStartsItAnew) {
  manual_seed(11);
  const std::uint32_t first = default_generator()();
  default_generator()();
  manual_seed(11);
  EXPECT_EQ(default_generator()(), first);
}

}  // namespace
}  // namespace normgrad
