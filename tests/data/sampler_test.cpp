#include "normgrad/data/sampler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/ops/creation.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

std::map<std::int64_t, int> counts_of(const std::vector<std::int64_t>& order) {
  std::map<std::int64_t, int> counts;
  for (const std::int64_t index : order) {
    ++counts[index];
  }
  return counts;
}

TEST(SamplerTest, SequentialAndRandom) {
  EXPECT_THAT(SequentialSampler(4).order(9), ElementsAre(0, 1, 2, 3));
  const RandomSampler random(50, {.seed = 4});
  EXPECT_EQ(random.order(3), RandomSampler(50, {.seed = 4}).order(3));
  EXPECT_NE(random.order(3), random.order(4));
  EXPECT_NE(random.order(3), RandomSampler(50, {.seed = 5}).order(3));
  EXPECT_EQ(counts_of(random.order(0)).size(), 50U);
  EXPECT_EQ(RandomSampler(50, {.num_samples = 7}).order(0).size(), 7U);
  EXPECT_EQ(RandomSampler(3, {.replacement = true, .num_samples = 40}).order(0).size(), 40U);
}

TEST(SamplerTest, WeightsAreTheChances) {
  // Binomial: 20000 draws, p = 0.1, 0.6, 0.3; five standard deviations.
  const WeightedRandomSampler sampler({1.0, 0.0, 6.0, 3.0}, 20000, {.seed = 2});
  auto counts = counts_of(sampler.order(0));
  EXPECT_EQ(counts[1], 0);
  for (const auto& [index, p] : std::map<std::int64_t, double>{{0, 0.1}, {2, 0.6}, {3, 0.3}}) {
    EXPECT_NEAR(counts[index], 20000 * p, 5 * std::sqrt(20000 * p * (1 - p))) << index;
  }
}

TEST(SamplerTest, WeightedWithoutReplacementDrawsFromWhatIsLeft) {
  const WeightedRandomSampler sampler({1.0, 0.0, 2.0, 1.0}, 3, {.replacement = false, .seed = 3});
  // The first draw is 2 with probability 1/2; all three occur in every epoch.
  int first_is_two = 0;
  for (std::int64_t epoch = 0; epoch < 4000; ++epoch) {
    const std::vector<std::int64_t> order = sampler.order(epoch);
    EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()), (std::set<std::int64_t>{0, 2, 3}));
    first_is_two += order[0] == 2 ? 1 : 0;
  }
  EXPECT_NEAR(first_is_two, 2000, 5 * 32);
}

TEST(SamplerTest, ClassesComeEquallyOften) {
  // 1 example of class 7, 9 of class 2.
  Tensor labels = full({10}, 2.0, {.dtype = kInt64});
  labels.mutable_data<std::int64_t>()[4] = 7;
  const ClassBalancedSampler sampler(labels, {.num_samples = 21, .seed = 1});
  EXPECT_EQ(sampler.num_classes(), 2);
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    auto counts = counts_of(sampler.order(epoch));
    EXPECT_EQ(counts[4], epoch % 2 == 0 ? 10 : 11) << "the odd one goes to the classes by turns";
    counts.erase(4);
    EXPECT_EQ(counts.size(), 9U);
    for (const auto& [index, count] : counts) {
      EXPECT_TRUE(count == 1 || count == 2) << index << ": each comes once before any comes again";
    }
  }
  EXPECT_EQ(ClassBalancedSampler(labels).size(), 10);
  EXPECT_NE(sampler.order(0), sampler.order(2));
  EXPECT_EQ(sampler.order(2), ClassBalancedSampler(labels, {.num_samples = 21, .seed = 1}).order(2));
}

TEST(SamplerTest, Refuses) {
  EXPECT_EQ(error_of<ValueError>([] { RandomSampler(3, {.num_samples = 4}); }),
            "RandomSampler: expected at most 3 samples, as many as there are examples, but got 4; pass {.replacement = "
            "true} to draw more");
  EXPECT_THAT(error_of<ValueError>([] { RandomSampler(0); }), HasSubstr("at least 1 example but got 0"));
  EXPECT_THAT(error_of<ValueError>([] { SequentialSampler(0); }), HasSubstr("at least 1 example but got 0"));
  EXPECT_THAT(error_of<ValueError>([] { RandomSampler(3, {.num_samples = -1}); }),
              HasSubstr("num_samples >= 0 but got -1"));
  EXPECT_THAT(error_of<ValueError>([] { WeightedRandomSampler({1.0, -2.0}, 1); }), HasSubstr("weight 1 is -2"));
  EXPECT_THAT(error_of<ValueError>([] { WeightedRandomSampler({std::numeric_limits<double>::quiet_NaN()}, 1); }),
              HasSubstr("weight 0 is nan"));
  EXPECT_THAT(error_of<ValueError>([] { WeightedRandomSampler({0.0}, 1); }), HasSubstr("a weight above 0"));
  EXPECT_THAT(error_of<ValueError>([] { WeightedRandomSampler({1.0}, 0); }), HasSubstr("num_samples >= 1 but got 0"));
  EXPECT_THAT(error_of<ValueError>([] {
                WeightedRandomSampler({1.0, 0.0}, 2, {.replacement = false});
              }),
              HasSubstr("at most 1 samples, as many as there are weights above 0"));
  EXPECT_THAT(error_of<DTypeError>([] { ClassBalancedSampler(ones({3})); }), HasSubstr("labels.to(kInt64)"));
  EXPECT_THAT(error_of<ShapeError>([] {
                ClassBalancedSampler(ones({3, 1}, {.dtype = kInt64}));
              }),
              HasSubstr("labels [n] but got [3, 1]"));
  EXPECT_THAT(error_of<ValueError>([] { ClassBalancedSampler(ones({0}, {.dtype = kInt64})); }),
              HasSubstr("at least 1 label"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
