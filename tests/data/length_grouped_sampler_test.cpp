#include "normgrad/data/length_grouped_sampler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

using Order = std::vector<std::int64_t>;

// Each length from 0 to n - 1 once, in a scattered order: 7 and n have no common divisor.
Order scattered_lengths(std::int64_t n) {
  Order lengths;
  for (std::int64_t i = 0; i < n; ++i) {
    lengths.push_back(7 * i % n);
  }
  return lengths;
}

Order sorted(Order order) {
  std::sort(order.begin(), order.end());
  return order;
}

Order counted(std::int64_t n) {
  Order order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

// Elements that padding adds to the batches of an order.
std::int64_t padding_of(const Order& order, const Order& lengths, std::int64_t batch_size) {
  std::int64_t padding = 0;
  for (std::size_t at = 0; at < order.size(); at += static_cast<std::size_t>(batch_size)) {
    const std::size_t end = std::min(order.size(), at + static_cast<std::size_t>(batch_size));
    std::int64_t longest = 0;
    std::int64_t sum = 0;
    for (std::size_t i = at; i < end; ++i) {
      const std::int64_t length = lengths[static_cast<std::size_t>(order[i])];
      longest = std::max(longest, length);
      sum += length;
    }
    padding += longest * static_cast<std::int64_t>(end - at) - sum;
  }
  return padding;
}

TEST(LengthGroupedSamplerTest, EveryExampleOnceInANewOrderPerEpoch) {
  for (const std::int64_t n : {1, 5, 8, 64, 65, 100}) {
    for (const std::int64_t batch_size : {1, 3, 8, 200}) {
      for (const std::int64_t mult : {0, 1, 2, 1000}) {
        const LengthGroupedSampler sampler(scattered_lengths(n),
                                           {.batch_size = batch_size, .mega_batch_mult = mult, .seed = 3});
        EXPECT_EQ(sampler.size(), n);
        for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
          EXPECT_EQ(sorted(sampler.order(epoch)), counted(n)) << batch_size << " " << mult;
        }
      }
    }
  }
  const LengthGroupedSampler sampler(scattered_lengths(100), {.batch_size = 8, .seed = 3});
  EXPECT_NE(sampler.order(0), sampler.order(1));
  EXPECT_EQ(sampler.order(1), LengthGroupedSampler(scattered_lengths(100), {.batch_size = 8, .seed = 3}).order(1));
  EXPECT_NE(sampler.order(1), LengthGroupedSampler(scattered_lengths(100), {.batch_size = 8, .seed = 4}).order(1));
  // Equal lengths give a random order of all.
  const LengthGroupedSampler equal(Order(100, 5), {.batch_size = 100, .seed = 3});
  EXPECT_NE(equal.order(0), counted(100));
  EXPECT_NE(equal.order(0), equal.order(1));
}

TEST(LengthGroupedSamplerTest, BatchesOfOneMegaBatchAreRunsOfLengths) {
  // One mega-batch: batch k holds the lengths of one of the runs 0..7, 8..15, ... (each length occurs once).
  const Order lengths = scattered_lengths(64);
  const LengthGroupedSampler sampler(lengths, {.batch_size = 8, .mega_batch_mult = 8, .seed = 1});
  std::set<Order> orders_of_runs;
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    const Order order = sampler.order(epoch);
    Order runs;
    for (std::size_t batch = 0; batch < 8; ++batch) {
      const std::int64_t run = lengths[static_cast<std::size_t>(order[8 * batch])] / 8;
      runs.push_back(run);
      for (std::size_t i = 0; i < 8; ++i) {
        EXPECT_EQ(lengths[static_cast<std::size_t>(order[8 * batch + i])] / 8, run);
      }
    }
    EXPECT_EQ(sorted(runs), counted(8));
    orders_of_runs.insert(runs);
  }
  EXPECT_EQ(orders_of_runs.size(), 5U) << "the batches come in another order in each epoch";
}

TEST(LengthGroupedSamplerTest, SavesPadding) {
  // Runs of 8 consecutive lengths need 0 + 1 + ... + 7 = 28 elements of padding per batch.
  const Order lengths = scattered_lengths(800);
  const LengthGroupedSampler whole(lengths, {.batch_size = 8, .mega_batch_mult = 100, .seed = 1});
  const RandomSampler random(800, {.seed = 1});
  const LengthGroupedSampler grouped(lengths, {.batch_size = 8, .seed = 1});  // mega-batches of 25 batches
  const LengthGroupedSampler single(lengths, {.batch_size = 8, .mega_batch_mult = 1, .seed = 1});
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    EXPECT_EQ(padding_of(whole.order(epoch), lengths, 8), 28 * 100);
    const std::int64_t without = padding_of(random.order(epoch), lengths, 8);
    // The longest of 8 random lengths below 800 is 8 / 9 * 800 on average and a length is 1 / 2 * 800, which makes a
    // padding of 7 / 18 * 800 * 800 = 249,000 in all.
    EXPECT_GT(without, 200'000);
    // A fourth of the lengths at a time has gaps of 4 on average: 4 * 28 * 100 elements.
    EXPECT_LT(padding_of(grouped.order(epoch), lengths, 8), 12'000);
    EXPECT_GT(padding_of(single.order(epoch), lengths, 8), 200'000) << "a mega-batch of one batch sorts nothing";
  }
}

TEST(LengthGroupedSamplerTest, TheSmallerBatchComesLastAndHasAnyLength) {
  // 8 full batches and 3 examples: those are a run of lengths, too, but not always the same one.
  const Order lengths = scattered_lengths(67);
  const LengthGroupedSampler sampler(lengths, {.batch_size = 8, .mega_batch_mult = 8, .seed = 2});
  std::set<std::int64_t> longest_of_last;
  for (std::int64_t epoch = 0; epoch < 40; ++epoch) {
    const Order order = sampler.order(epoch);
    Order last;
    for (std::size_t i = 64; i < 67; ++i) {
      last.push_back(lengths[static_cast<std::size_t>(order[i])]);
    }
    EXPECT_THAT(last, ElementsAre(last[0], last[0] - 1, last[0] - 2));
    longest_of_last.insert(last[0]);
  }
  EXPECT_EQ(longest_of_last.size(), 9U) << "before, between and behind the 8 full batches";
}

TEST(LengthGroupedSamplerTest, MegaBatchesByDefault) {
  const auto mult = [](std::int64_t examples, std::int64_t batch_size) {
    const LengthGroupedSampler sampler(Order(static_cast<std::size_t>(examples), 1), {.batch_size = batch_size});
    return sampler.state_dict().at("mega_batch_mult").item<std::int64_t>();
  };
  EXPECT_EQ(mult(10'000, 10), 50);
  EXPECT_EQ(mult(1'000, 10), 25);
  EXPECT_EQ(mult(10, 10), 1);
}

TEST(LengthGroupedSamplerTest, Refuses) {
  EXPECT_EQ(error_of<ValueError>([] {
              LengthGroupedSampler({3, 4}, {});
            }),
            "LengthGroupedSampler: expected batch_size >= 1, that of the loader, but got 0");
  EXPECT_THAT(error_of<ValueError>([] { LengthGroupedSampler({}, {.batch_size = 2}); }),
              HasSubstr("at least 1 length but got none"));
  EXPECT_THAT(error_of<ValueError>([] {
                LengthGroupedSampler({3, -4}, {.batch_size = 2});
              }),
              HasSubstr("length 1 is -4"));
  EXPECT_THAT(error_of<ValueError>([] { LengthGroupedSampler({3}, {.batch_size = 2, .mega_batch_mult = -1}); }),
              HasSubstr("mega_batch_mult >= 0 but got -1"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
