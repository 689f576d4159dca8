#include "normgrad/data/loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <numeric>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

/// Example i has input (i, -i) and label 10 i.
TensorDataset numbers(std::int64_t count) {
  Tensor inputs = Tensor::empty({count, 2}, kFloat64);
  Tensor labels = Tensor::empty({count}, kInt64);
  for (std::int64_t i = 0; i < count; ++i) {
    inputs.mutable_data<double>()[2 * i] = static_cast<double>(i);
    inputs.mutable_data<double>()[2 * i + 1] = -static_cast<double>(i);
    labels.mutable_data<std::int64_t>()[i] = 10 * i;
  }
  return {inputs, labels};
}

std::vector<std::int64_t> labels_of_epoch(DataLoader& loader) {
  std::vector<std::int64_t> all;
  for (const auto& [inputs, labels] : loader) {
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      const std::int64_t label = labels.data<std::int64_t>()[i];
      EXPECT_EQ(inputs.data<double>()[2 * i] * 10.0, static_cast<double>(label));
      EXPECT_EQ(inputs.data<double>()[2 * i + 1] * -10.0, static_cast<double>(label));
      all.push_back(label / 10);
    }
  }
  return all;
}

TEST(DataLoaderTest, GoesThroughInOrder) {
  DataLoader loader(numbers(7), {.batch_size = 3});
  EXPECT_EQ(loader.num_batches(), 3);
  std::vector<std::int64_t> sizes;
  for (const Batch& batch : loader) {
    sizes.push_back(batch.labels.numel());
  }
  EXPECT_THAT(sizes, ElementsAre(3, 3, 1));
  EXPECT_THAT(labels_of_epoch(loader), ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

TEST(DataLoaderTest, BatchesBindToEveryKindOfVariable) {
  static_assert(std::input_iterator<DataLoader::Iterator>);
  DataLoader loader(numbers(5), {.batch_size = 2});
  std::vector<std::vector<double>> seen;
  for (auto& [inputs, labels] : loader) {
    inputs = inputs + 1.0;  // the loop's own copy
    seen.push_back(inputs.to_vector<double>());
  }
  EXPECT_THAT(seen, ElementsAre(ElementsAre(1, 1, 2, 0), ElementsAre(3, -1, 4, -2), ElementsAre(5, -3)));
  const auto& first = *loader.begin();  // outlives its iterator
  EXPECT_THAT(first.inputs.to_vector<double>(), ElementsAre(0, 0, 1, -1));
}

TEST(DataLoaderTest, DropLastLeavesOutTheRest) {
  DataLoader loader(numbers(7), {.batch_size = 3, .drop_last = true});
  EXPECT_EQ(loader.num_batches(), 2);
  EXPECT_THAT(labels_of_epoch(loader), ElementsAre(0, 1, 2, 3, 4, 5));
  DataLoader exact(numbers(6), {.batch_size = 3, .drop_last = true});
  EXPECT_EQ(exact.num_batches(), 2);
}

TEST(DataLoaderTest, ShufflesAnewInEveryEpoch) {
  DataLoader loader(numbers(100), {.batch_size = 8, .shuffle = true, .seed = 3});
  std::vector<std::int64_t> first = labels_of_epoch(loader);
  const std::vector<std::int64_t> second = labels_of_epoch(loader);
  EXPECT_NE(first, second);
  EXPECT_EQ(second, loader.order(1));
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
  std::vector<std::int64_t> expected(100);
  std::iota(expected.begin(), expected.end(), 0);
  std::sort(first.begin(), first.end());
  EXPECT_EQ(first, expected);
}

TEST(DataLoaderTest, OrderDependsOnSeedAndEpochOnly) {
  const DataLoaderOptions options = {.batch_size = 8, .shuffle = true, .seed = 3};
  DataLoader one(numbers(100), options);
  manual_seed(5);
  DataLoader two(numbers(100), options);
  default_generator()();
  EXPECT_EQ(labels_of_epoch(one), labels_of_epoch(two));
  EXPECT_EQ(one.epoch(), 1);
  two.set_epoch(7);
  EXPECT_EQ(labels_of_epoch(two), one.order(7));
  DataLoader other(numbers(100), {.batch_size = 8, .shuffle = true, .seed = 4});
  EXPECT_NE(other.order(0), one.order(0));
}

TEST(DataLoaderTest, EveryPlaceIsEquallyLikely) {
  // The position of example 0 of 4 in 4000 epochs: 1000 times each, standard deviation 27.
  DataLoader loader(numbers(4), {.shuffle = true, .seed = 1});
  std::vector<int> times(4);
  for (std::int64_t epoch = 0; epoch < 4000; ++epoch) {
    const std::vector<std::int64_t> order = loader.order(epoch);
    ++times[static_cast<std::size_t>(std::find(order.begin(), order.end(), 0) - order.begin())];
  }
  for (const int count : times) {
    EXPECT_NEAR(count, 1000, 5 * 27);
  }
}

/// Resumes from `state` in a new loader up to the end of epoch 2, and returns the examples.
std::vector<std::int64_t> rest_of(const StateDict& state, const DataLoaderOptions& options) {
  DataLoader loader(numbers(10), options);
  loader.load_state_dict(state);
  std::vector<std::int64_t> all;
  while (loader.epoch() < 3) {
    const std::vector<std::int64_t> epoch = labels_of_epoch(loader);
    all.insert(all.end(), epoch.begin(), epoch.end());
  }
  return all;
}

TEST(DataLoaderTest, GoesOnAfterEveryBatch) {
  for (const bool shuffle : {false, true}) {
    const DataLoaderOptions options = {.batch_size = 3, .shuffle = shuffle, .seed = 0xffff'ffff'ffff'fff0};
    DataLoader whole(numbers(10), options);
    std::vector<std::int64_t> all;
    std::vector<std::pair<std::size_t, StateDict>> states = {{0, whole.state_dict()}};
    while (whole.epoch() < 3) {
      for (const auto& [inputs, labels] : whole) {
        for (std::int64_t i = 0; i < labels.numel(); ++i) {
          all.push_back(labels.data<std::int64_t>()[i] / 10);
        }
        states.emplace_back(all.size(), whole.state_dict());
      }
      states.emplace_back(all.size(), whole.state_dict());
    }
    ASSERT_EQ(states.size(), 1U + 3 * (4 + 1));
    for (const auto& [seen, state] : states) {
      EXPECT_EQ(rest_of(state, options),
                std::vector<std::int64_t>(all.begin() + static_cast<std::ptrdiff_t>(seen), all.end()));
    }
  }
}

TEST(DataLoaderTest, GoesOnAfterTheLastBatchInTheSameEpoch) {
  // Inside the loop an epoch is not over: the code after the loop is still to be run.
  DataLoader loader(numbers(4), {.batch_size = 2});
  StateDict inside;
  for ([[maybe_unused]] const Batch& batch : loader) {
    inside = loader.state_dict();
  }
  EXPECT_EQ(inside.at("epoch").item(), 0.0);
  EXPECT_EQ(inside.at("batch").item(), 2.0);
  EXPECT_EQ(loader.state_dict().at("epoch").item(), 1.0);
  EXPECT_EQ(loader.state_dict().at("batch").item(), 0.0);
  DataLoader other(numbers(4), {.batch_size = 2});
  other.load_state_dict(inside);
  EXPECT_EQ(other.epoch(), 0);
  EXPECT_EQ(other.state_dict().at("batch").item(), 2.0);
  EXPECT_TRUE(labels_of_epoch(other).empty());
  EXPECT_EQ(other.state_dict().at("epoch").item(), 1.0);
  EXPECT_THAT(labels_of_epoch(other), ElementsAre(0, 1, 2, 3));
}

TEST(DataLoaderTest, ThereIsNoBatchAtTheEnd) {
  DataLoader loader(numbers(4), {.batch_size = 2, .shuffle = true});
  StateDict state;
  for ([[maybe_unused]] const Batch& batch : loader) {
    state = loader.state_dict();  // in the end, that of the last batch
  }
  loader.load_state_dict(state);
  EXPECT_THAT(error_of<IndexError>([&] { *loader.begin(); }), HasSubstr("the epoch is at its end"));
}

TEST(DataLoaderTest, RefusesTheStateOfAnotherLoader) {
  const auto error = [](const StateDict& state) {
    DataLoader loader(numbers(10), {.batch_size = 3, .seed = 5});
    std::string text = tests::error_of<ValueError>([&] { loader.load_state_dict(state); });
    EXPECT_EQ(loader.epoch(), 0);
    return text;
  };
  EXPECT_EQ(error(DataLoader(numbers(10), {.batch_size = 2, .seed = 5}).state_dict()),
            "DataLoader: load_state_dict: expected batch_size 3 but the state is from a loader with 2, which makes "
            "other batches");
  EXPECT_THAT(error(DataLoader(numbers(11), {.batch_size = 3, .seed = 5}).state_dict()),
              HasSubstr("expected num_examples 10 but"));
  EXPECT_THAT(error(DataLoader(numbers(10), {.batch_size = 3, .shuffle = true, .seed = 5}).state_dict()),
              HasSubstr("expected shuffle 0 but"));
  EXPECT_THAT(error(DataLoader(numbers(10), {.batch_size = 3, .seed = 6}).state_dict()),
              HasSubstr("expected seed 5 but"));
  EXPECT_THAT(error(DataLoader(numbers(10), {.batch_size = 3, .drop_last = true, .seed = 5}).state_dict()),
              HasSubstr("expected drop_last 0 but"));
  StateDict state = DataLoader(numbers(10), {.batch_size = 3, .seed = 5}).state_dict();
  state["batch"] = Tensor::empty({}, kInt64).fill_(5);
  EXPECT_THAT(error(state), HasSubstr("a batch in [0, 4] but got 0 and 5"));
  state.erase("batch");
  EXPECT_THAT(error(state), HasSubstr("expected a whole number 'batch'"));
  state["batches"] = Tensor::empty({}, kInt64);
  EXPECT_THAT(error(state), HasSubstr("unexpected entry 'batches'"));
}

TEST(DataLoaderTest, RefusesWhatGivesNoBatch) {
  const auto error = [](std::int64_t examples, const DataLoaderOptions& options) -> std::string {
    try {
      DataLoader(numbers(examples), options);
    } catch (const ValueError& caught) {
      return caught.what();
    }
    return "no error";
  };
  EXPECT_THAT(error(3, {.batch_size = 0}), HasSubstr("batch_size >= 1 but got 0"));
  EXPECT_THAT(error(0, {.batch_size = 2}), HasSubstr("at least 1 examples but got 0"));
  EXPECT_THAT(error(3, {.batch_size = 4, .drop_last = true}), HasSubstr("at least 4 examples but got 3"));
}

TEST(TensorDatasetTest, ChecksSizesAndNumbers) {
  EXPECT_THROW(TensorDataset(Tensor::empty({3, 2}), Tensor::empty({2})), ShapeError);
  EXPECT_THROW(TensorDataset(Tensor::empty({}), Tensor::empty({})), ShapeError);
  const std::vector<std::int64_t> wrong = {0, 3};
  EXPECT_THROW(numbers(3).batch(wrong), IndexError);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
