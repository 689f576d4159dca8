// The draws of a loader depend on the global seed (unless it has its own), on the epoch, and on nothing else. Also
// sizes near the largest integer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>
#include <set>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/digits.hpp"
#include "normgrad/data/image_transform.hpp"
#include "normgrad/data/length_grouped_sampler.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();

TensorDataset twenty() {
  Tensor labels = Tensor::empty({20}, kInt64);
  for (std::int64_t i = 0; i < 20; ++i) {
    labels.mutable_data<std::int64_t>()[i] = i;
  }
  return {zeros({20}, {.dtype = kFloat64}), labels};
}

/// Writes its random numbers into the inputs.
Batch drawing(Batch batch, Generator& generator) {
  for (std::int64_t i = 0; i < batch.inputs.numel(); ++i) {
    batch.inputs.mutable_data<double>()[i] = generator.uniform();
  }
  return batch;
}

struct Epochs {
  std::vector<std::vector<std::int64_t>> orders;
  std::vector<std::vector<double>> draws;
};

Epochs epochs_of(DataLoader& loader, int count) {
  Epochs all;
  for (int epoch = 0; epoch < count; ++epoch) {
    all.orders.emplace_back();
    all.draws.emplace_back();
    for (const auto& [inputs, labels] : loader) {
      for (const std::int64_t label : labels.to_vector<std::int64_t>()) {
        all.orders.back().push_back(label);
      }
      for (const double draw : inputs.to_vector<double>()) {
        all.draws.back().push_back(draw);
      }
    }
  }
  return all;
}

TEST(LoaderSeedTest, DrawsDifferBetweenEpochsAndNotBetweenNumbersOfWorkers) {
  Epochs expected;
  for (const int workers : {0, 1, 2, 5}) {
    DataLoader loader(twenty(), {.batch_size = 3, .seed = 7, .num_workers = workers, .transform = drawing});
    const Epochs epochs = epochs_of(loader, 4);
    if (workers == 0) {
      expected = epochs;
      std::set<double> all;
      for (const std::vector<double>& draws : epochs.draws) {
        all.insert(draws.begin(), draws.end());
      }
      EXPECT_EQ(all.size(), 4U * 20U) << "no number comes twice, in no epoch and no batch";
    }
    EXPECT_EQ(epochs.draws, expected.draws) << workers << " workers";
    loader.set_epoch(2);
    EXPECT_EQ(epochs_of(loader, 1).draws[0], expected.draws[2]) << workers << " workers";
  }
}

TEST(LoaderSeedTest, ComesFromTheGlobalSeedUnlessGiven) {
  const DataLoaderOptions options = {.batch_size = 3, .shuffle = true, .transform = drawing};
  const auto run = [&](std::uint64_t seed, const DataLoaderOptions& with) {
    manual_seed(seed);
    DataLoader loader(twenty(), with);
    EXPECT_EQ(default_generator().position(), 0U) << "the global stream is not touched";
    return epochs_of(loader, 2);
  };
  const Epochs one = run(1, options);
  const Epochs two = run(2, options);
  EXPECT_NE(one.orders, two.orders);
  EXPECT_NE(one.draws, two.draws);
  const Epochs again = run(1, options);
  EXPECT_EQ(one.orders, again.orders);
  EXPECT_EQ(one.draws, again.draws);
  DataLoaderOptions given = options;
  given.seed = 5;
  EXPECT_EQ(run(1, given).orders, run(2, given).orders);
  EXPECT_EQ(run(1, given).draws, run(2, given).draws);
  EXPECT_NE(run(1, given).orders, one.orders);
  // Numbers drawn in between have no effect.
  manual_seed(1);
  default_generator().uniform();
  DataLoader later(twenty(), options);
  EXPECT_EQ(epochs_of(later, 2).orders, one.orders);
}

TEST(LoaderSeedTest, SamplersToo) {
  const std::vector<double> weights(20, 1.0);
  Tensor labels = Tensor::empty({20}, kInt64).zero_();
  const auto orders = [&](std::uint64_t seed) {
    manual_seed(seed);
    return std::vector{RandomSampler(20).order(0), WeightedRandomSampler(weights, 20).order(0),
                       ClassBalancedSampler(labels).order(0),
                       LengthGroupedSampler(std::vector<std::int64_t>(20, 3), {.batch_size = 4}).order(0)};
  };
  const auto one = orders(1);
  const auto two = orders(2);
  EXPECT_EQ(one, orders(1));
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_NE(one[i], two[i]) << i;
  }
}

TEST(LoaderSeedTest, AStateBringsItsSeed) {
  const auto sampled = [] {
    return DataLoaderOptions{.batch_size = 3, .sampler = std::make_shared<RandomSampler>(20), .transform = drawing};
  };
  const auto shuffled = [] { return DataLoaderOptions{.batch_size = 3, .shuffle = true, .transform = drawing}; };
  for (const std::function<DataLoaderOptions()>& options : {std::function(sampled), std::function(shuffled)}) {
    manual_seed(1);
    DataLoader whole(twenty(), options());
    epochs_of(whole, 1);
    const StateDict state = whole.state_dict();
    const Epochs expected = epochs_of(whole, 2);
    manual_seed(2);
    DataLoader resumed(twenty(), options());
    EXPECT_NE(resumed.seed(), whole.seed());
    resumed.load_state_dict(state);
    EXPECT_EQ(resumed.seed(), whole.seed());
    const Epochs epochs = epochs_of(resumed, 2);
    EXPECT_EQ(epochs.orders, expected.orders);
    EXPECT_EQ(epochs.draws, expected.draws);
    // A state that does not fit changes nothing.
    DataLoaderOptions other = options();
    other.batch_size = 4;
    DataLoader refusing(twenty(), other);
    const std::uint64_t seed = refusing.seed();
    EXPECT_THROW(refusing.load_state_dict(state), ValueError);
    EXPECT_EQ(refusing.seed(), seed);
  }
  manual_seed(1);
  RandomSampler sampler(20);
  const std::vector<std::int64_t> order = sampler.order(3);
  StateDict of_another_size = RandomSampler(21, {.seed = 3}).state_dict();
  EXPECT_THROW(sampler.load_state_dict(of_another_size), ValueError);
  EXPECT_EQ(sampler.order(3), order);
}

TEST(LoaderSizesTest, NearTheLargestNumber) {
  DataLoader loader(twenty(), {.batch_size = kLargest, .num_workers = 1, .prefetch_factor = 1});
  EXPECT_EQ(loader.num_batches(), 1);
  EXPECT_EQ(loader.last_batch_size(), 20);
  EXPECT_EQ((*loader.begin()).labels.numel(), 20);
  EXPECT_THAT(error_of<ValueError>([] { DataLoader(twenty(), {.batch_size = kLargest, .drop_last = true}); }),
              HasSubstr("expected a dataset of at least"));
  constexpr int kLargestInt = std::numeric_limits<int>::max();
  DataLoader many(twenty(), {.batch_size = 10, .num_workers = kLargestInt, .prefetch_factor = kLargestInt});
  EXPECT_EQ(epochs_of(many, 1).orders[0].size(), 20U);
  for (const std::int64_t count : {kLargest, std::int64_t{1} << 60}) {
    EXPECT_THAT(error_of<ValueError>([&] { RandomSampler(20, {.replacement = true, .num_samples = count}).order(0); }),
                HasSubstr("RandomSampler: expected an epoch that fits into memory but got one of"));
    EXPECT_THROW(WeightedRandomSampler({1.0}, count).order(0), ValueError);
    EXPECT_THROW(SequentialSampler(count).order(0), ValueError);
    EXPECT_THROW(RandomSampler(count).order(0), ValueError);
  }
  EXPECT_THROW(make_digits({.train = kLargest}), ValueError);
  EXPECT_THROW(make_digits({.test = kLargest}), ValueError);
  Generator generator(1);
  const Tensor images = zeros({1, 1, 2, 2});
  EXPECT_THROW(RandomShift{kLargest}(images, generator), ValueError);
  EXPECT_THROW((RandomCrop{2, 2, kLargest}(images, generator)), ValueError);
  EXPECT_THROW((RandomCrop{kLargest, 2, 1}(images, generator)), ShapeError);
  EXPECT_EQ(TensorDataset(zeros({0, 3}), zeros({0})).batch({}).inputs.shape(), (Shape{0, 3}));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
