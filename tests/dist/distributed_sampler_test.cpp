#include "normgrad/dist/distributed_sampler.hpp"

#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/dataset.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

using Order = std::vector<std::int64_t>;

/// The orders of all ranks, one example of each in turn.
Order joined(std::int64_t size, int ranks, std::int64_t epoch, const DistributedSamplerOptions& options) {
  std::vector<Order> orders;
  for (int rank = 0; rank < ranks; ++rank) {
    const DistributedSampler sampler(size, ranks, rank, options);
    orders.push_back(sampler.order(epoch));
    EXPECT_EQ(orders.back().size(), static_cast<std::size_t>(sampler.size()));
  }
  Order all;
  for (std::size_t i = 0; i < orders[0].size(); ++i) {
    for (const Order& order : orders) {
      all.push_back(order.at(i));
    }
  }
  return all;
}

TEST(DistributedSampler, TheUnionIsTheOrderOfOneProcess) {
  for (const int ranks : {1, 2, 3, 4, 7}) {
    for (const std::int64_t size : {1, 2, 12, 13}) {
      for (const bool shuffle : {false, true}) {
        for (const std::int64_t epoch : {0, 5}) {
          const DistributedSamplerOptions options{.shuffle = shuffle, .seed = 9};
          Order whole = shuffle ? RandomSampler(size, {.seed = 9}).order(epoch) : SequentialSampler(size).order(epoch);
          const std::size_t n = whole.size();
          while (whole.size() % static_cast<std::size_t>(ranks) != 0) {
            whole.push_back(whole[whole.size() % n]);
          }
          EXPECT_EQ(joined(size, ranks, epoch, options), whole) << ranks << " ranks, " << size << " examples";
        }
      }
    }
  }
  Order dropped = RandomSampler(13, {.seed = 9}).order(2);
  dropped.resize(12);
  EXPECT_EQ(joined(13, 4, 2, {.drop_last = true, .seed = 9}), dropped);
  EXPECT_EQ(joined(99, 3, 0, {.sampler = std::make_shared<SequentialSampler>(4)}), (Order{0, 1, 2, 3, 0, 1}));
}

TEST(DistributedSampler, FollowsTheGlobalSeedAndSavesIt) {
  manual_seed(4);
  const DistributedSampler first(10, 2, 0);
  manual_seed(5);
  DistributedSampler second(10, 2, 0);
  EXPECT_NE(first.order(0), second.order(0));
  second.load_state_dict(first.state_dict());
  EXPECT_EQ(first.order(0), second.order(0));
}

// A loader on each rank: together they see the batches of one process.
TEST(DistributedSampler, DividesTheBatchesOfALoader) {
  const ProcessGroup group = ProcessGroup::world();
  const std::int64_t size = 12 * group.size();
  const TensorDataset data(arange(size).to(kFloat32).reshape({-1, 1}), arange(size));
  DataLoader one(data, {.batch_size = 3 * group.size(), .shuffle = true, .seed = 1});
  DataLoader own(data, {.batch_size = 3,
                        .sampler = std::make_shared<DistributedSampler>(size, DistributedSamplerOptions{.seed = 1})});
  auto whole = one.begin();
  for (const auto& [inputs, labels] : own) {
    Order together = group.all_gather(labels).to_vector<std::int64_t>();
    Order expected = (*whole).labels.to_vector<std::int64_t>();
    std::sort(together.begin(), together.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(together, expected);
    ++whole;
  }
  EXPECT_TRUE(whole == std::default_sentinel);
}

TEST(DistributedSampler, RefusesWrongArguments) {
  EXPECT_EQ(error_of<ValueError>([] { DistributedSampler(0, 2, 0); }),
            "DistributedSampler: expected at least 1 example but got 0");
  EXPECT_EQ(error_of<IndexError>([] { DistributedSampler(5, 2, 2); }),
            "DistributedSampler: expected a rank in [0, 2) but got 2");
  EXPECT_EQ(error_of<ValueError>([] { DistributedSampler(2, 3, 0, {.drop_last = true}); }),
            "DistributedSampler: expected at least 3 examples, one for each rank, but got 2; use fewer ranks, or "
            "drop_last = false");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
