#include "normgrad/data/stream_loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <stdexcept>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

using Numbers = std::vector<std::int64_t>;

Example example_of(std::int64_t i) { return {.input = to_tensor(static_cast<double>(i)), .label = to_tensor(i)}; }

/// 0, 1, ..., count - 1, beginning with 100 * epoch.
std::function<ExampleStream(std::int64_t)> numbers(std::int64_t count) {
  return [count](std::int64_t epoch) -> ExampleStream {
    return [next = 100 * epoch, end = 100 * epoch + count]() mutable -> std::optional<Example> {
      return next == end ? std::nullopt : std::optional(example_of(next++));
    };
  };
}

Numbers labels_of(const Batch& batch) { return batch.labels.to_vector<std::int64_t>(); }

std::vector<Numbers> epoch_of(StreamLoader& loader) {
  std::vector<Numbers> batches;
  for (const Batch& batch : loader) {
    batches.push_back(labels_of(batch));
  }
  return batches;
}

Numbers joined(const std::vector<Numbers>& batches) {
  Numbers all;
  for (const Numbers& batch : batches) {
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

Numbers sorted(Numbers values) {
  std::sort(values.begin(), values.end());
  return values;
}

TEST(StreamLoaderTest, BatchesUntilTheEnd) {
  StreamLoader loader(numbers(5), {.batch_size = 2});
  EXPECT_THAT(epoch_of(loader), ElementsAre(Numbers{0, 1}, Numbers{2, 3}, Numbers{4}));
  EXPECT_EQ(loader.epoch(), 1);
  EXPECT_THAT(epoch_of(loader), ElementsAre(Numbers{100, 101}, Numbers{102, 103}, Numbers{104}));
  loader.set_epoch(4);
  EXPECT_EQ(epoch_of(loader)[0], (Numbers{400, 401}));
  StreamLoader whole_batches(numbers(5), {.batch_size = 2, .drop_last = true});
  EXPECT_EQ(joined(epoch_of(whole_batches)), (Numbers{0, 1, 2, 3}));
  StreamLoader even(numbers(4), {.batch_size = 2});
  EXPECT_EQ(epoch_of(even).size(), 2U);
  StreamLoader empty(numbers(0), {.batch_size = 2});
  EXPECT_TRUE(epoch_of(empty).empty());
  EXPECT_EQ(empty.epoch(), 1);
  for (const auto& [inputs, labels] : even) {
    EXPECT_EQ(inputs.shape(), Shape{2});
    EXPECT_EQ(inputs.to_vector<double>()[0], labels.to_vector<double>()[0]);
  }
}

TEST(StreamLoaderTest, AStreamNeedNotEnd) {
  StreamLoader loader(
      [](std::int64_t) -> ExampleStream { return [i = 0]() mutable { return std::optional(example_of(i++)); }; },
      {.batch_size = 3, .shuffle_buffer = 10});
  Numbers seen;
  for (const Batch& batch : loader) {
    const Numbers labels = labels_of(batch);
    seen.insert(seen.end(), labels.begin(), labels.end());
    if (seen.size() == 300) {
      break;
    }
  }
  EXPECT_LT(sorted(seen).back(), 310) << "no more than the buffer is read ahead";
}

TEST(StreamLoaderTest, TheBufferShuffles) {
  StreamLoader loader(numbers(50), {.batch_size = 8, .shuffle_buffer = 10, .seed = 3});
  const Numbers first = joined(epoch_of(loader));
  Numbers all(50);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted(first), all);
  EXPECT_NE(first, all);
  for (std::int64_t i = 0; i < 50; ++i) {
    EXPECT_LT(first[static_cast<std::size_t>(i)], i + 10) << "the i-th example is among the first i + 10";
  }
  Numbers second = joined(epoch_of(loader));
  for (std::int64_t& number : second) {
    number -= 100;
  }
  EXPECT_NE(first, second) << "another order in each epoch";
  StreamLoader same(numbers(50), {.batch_size = 8, .shuffle_buffer = 10, .seed = 3});
  EXPECT_EQ(joined(epoch_of(same)), first);
  StreamLoader other(numbers(50), {.batch_size = 8, .shuffle_buffer = 10, .seed = 4});
  EXPECT_NE(joined(epoch_of(other)), first);
  // A buffer for all: every order of three is equally likely. 6000 epochs, five standard deviations.
  std::map<Numbers, int> counts;
  StreamLoader three([](std::int64_t) { return numbers(3)(0); }, {.batch_size = 3, .shuffle_buffer = 100, .seed = 5});
  for (int i = 0; i < 6000; ++i) {
    ++counts[joined(epoch_of(three))];
  }
  EXPECT_EQ(counts.size(), 6U);
  for (const auto& [order, count] : counts) {
    EXPECT_NEAR(count, 1000, 5 * 29);
  }
}

TEST(StreamLoaderTest, CollatesAndTransforms) {
  StreamLoader loader(numbers(4), {.batch_size = 2,
                                   .seed = 1,
                                   .collate =
                                       [](const std::vector<Example>& examples) {
                                         EXPECT_FALSE(is_grad_enabled());
                                         Batch batch = collate(examples);
                                         batch.inputs = batch.inputs.unsqueeze(1);
                                         return batch;
                                       },
                                   .transform =
                                       [](Batch batch, Generator& generator) {
                                         batch.inputs = batch.inputs + generator.uniform();
                                         return batch;
                                       }});
  std::vector<double> draws;
  for (const Batch& batch : loader) {
    EXPECT_EQ(batch.inputs.shape(), (Shape{2, 1}));
    draws.push_back(batch.inputs.to_vector<double>()[0] - static_cast<double>(labels_of(batch)[0]));
  }
  EXPECT_NE(draws[0], draws[1]);
  // The draws of a batch are those of a DataLoader.
  std::vector<Example> examples;
  for (std::int64_t i = 0; i < 4; ++i) {
    examples.push_back(example_of(i));
  }
  DataLoader indexed(examples, {.batch_size = 2, .seed = 1, .transform = [](Batch batch, Generator& generator) {
                                  batch.inputs = batch.inputs + generator.uniform();
                                  return batch;
                                }});
  EXPECT_EQ((*indexed.begin()).inputs.to_vector<double>()[0], draws[0]);
}

TEST(StreamLoaderTest, ResumesAfterEveryBatch) {
  for (const bool drop_last : {false, true}) {
    for (const std::int64_t buffer : {0, 4, 100}) {
      const StreamLoaderOptions options{.batch_size = 3, .drop_last = drop_last, .shuffle_buffer = buffer, .seed = 7};
      const auto rest_of = [](StreamLoader& loader, const std::function<void(std::size_t)>& after) {
        std::vector<Numbers> batches;
        while (loader.epoch() < 2) {
          for (const Batch& batch : loader) {
            batches.push_back(labels_of(batch));
            after(batches.size());
          }
          after(batches.size());
        }
        return batches;
      };
      StreamLoader whole(numbers(10), options);
      std::vector<std::pair<std::size_t, StateDict>> states = {{0, whole.state_dict()}};
      const std::vector<Numbers> all =
          rest_of(whole, [&](std::size_t done) { states.emplace_back(done, whole.state_dict()); });
      ASSERT_EQ(states.size(), drop_last ? 9U : 11U);
      for (const auto& [done, state] : states) {
        StreamLoader resumed(numbers(10), options);
        resumed.load_state_dict(state);
        StreamLoader again(numbers(10), options);
        again.load_state_dict(resumed.state_dict());
        const std::vector<Numbers> expected(all.begin() + static_cast<std::ptrdiff_t>(done), all.end());
        EXPECT_EQ(rest_of(resumed, [](std::size_t) {}), expected) << "after " << done;
        EXPECT_EQ(rest_of(again, [](std::size_t) {}), expected) << "after " << done;
      }
    }
  }
}

TEST(StreamLoaderTest, AStateBringsItsSeed) {
  manual_seed(1);
  StreamLoader first(numbers(30), {.batch_size = 30, .shuffle_buffer = 30});
  manual_seed(2);
  StreamLoader second(numbers(30), {.batch_size = 30, .shuffle_buffer = 30});
  const StateDict state = first.state_dict();
  const Numbers order = joined(epoch_of(first));
  EXPECT_NE(joined(epoch_of(second)), order);
  second.load_state_dict(state);
  EXPECT_EQ(second.seed(), first.seed());
  EXPECT_EQ(joined(epoch_of(second)), order);
}

TEST(StreamLoaderTest, AnErrorNamesItsBatchWhichIsMadeAgain) {
  bool fails = true;
  const auto open = [&fails](std::int64_t) -> ExampleStream {
    return [i = std::int64_t{0}, &fails]() mutable -> std::optional<Example> {
      if (i == 5 && fails) {
        throw IoError("line 5 has no end");
      }
      return i == 8 ? std::nullopt : std::optional(example_of(i++));
    };
  };
  StreamLoader loader(open, {.batch_size = 2});
  Numbers seen;
  const std::string text = error_of<IoError>([&] {
    for (const Batch& batch : loader) {
      seen.push_back(labels_of(batch)[0]);
    }
  });
  EXPECT_EQ(text, "StreamLoader: batch 2 of epoch 0: line 5 has no end");
  EXPECT_EQ(seen, (Numbers{0, 2}));
  const StateDict state = loader.state_dict();
  EXPECT_EQ(state.at("batch").item<std::int64_t>(), 2);
  // Resuming passes over the batches that were done, and fails in the same way until the cause is gone.
  loader.load_state_dict(state);
  EXPECT_THROW(loader.begin(), IoError);
  EXPECT_EQ(loader.epoch(), 0);
  EXPECT_EQ(loader.state_dict().at("batch").item<std::int64_t>(), 2);
  fails = false;
  EXPECT_THAT(epoch_of(loader), ElementsAre(Numbers{4, 5}, Numbers{6, 7}));
  // Examples that do not fit together, and an error of another kind.
  StreamLoader unequal(
      [](std::int64_t) -> ExampleStream {
        return [i = 1]() mutable { return std::optional(Example{.input = ones({i++}), .label = {}}); };
      },
      {.batch_size = 2});
  EXPECT_THAT(error_of<ShapeError>([&] { unequal.begin(); }), HasSubstr("StreamLoader: batch 0 of epoch 0: "));
  StreamLoader other([](std::int64_t) -> ExampleStream {
    return []() -> std::optional<Example> { throw std::runtime_error("no network"); };
  });
  EXPECT_THAT(error_of<Error>([&] { other.begin(); }), HasSubstr("batch 0 of epoch 0: no network"));
}

TEST(StreamLoaderTest, Refuses) {
  EXPECT_THAT(error_of<ValueError>([] { StreamLoader(nullptr); }), HasSubstr("opens the stream but got none"));
  EXPECT_THAT(error_of<ValueError>([] { StreamLoader(numbers(3), {.batch_size = 0}); }),
              HasSubstr("batch_size >= 1 but got 0"));
  EXPECT_THAT(error_of<ValueError>([] { StreamLoader(numbers(3), {.shuffle_buffer = -1}); }),
              HasSubstr("shuffle_buffer >= 0 but got -1"));
  EXPECT_THAT(error_of<ValueError>([] { StreamLoader(numbers(3), {.collate = nullptr}); }),
              HasSubstr("a collate function but got none"));
  StreamLoader empty([](std::int64_t) { return ExampleStream(); });
  EXPECT_THAT(error_of<ValueError>([&] { empty.begin(); }), HasSubstr("open() to return a stream"));

  StreamLoader loader(numbers(10), {.batch_size = 3, .seed = 1});
  EXPECT_THROW(loader.set_epoch(-1), ValueError);
  const auto error = [&](const std::string& name, std::int64_t value) {
    StateDict state = loader.state_dict();
    state[name] = full({}, static_cast<double>(value), {.dtype = kInt64});
    return error_of<ValueError>([&] { loader.load_state_dict(state); });
  };
  EXPECT_EQ(error("batch_size", 4),
            "StreamLoader: load_state_dict: expected batch_size 3 but the state is from a loader with 4, which makes "
            "other batches");
  EXPECT_THAT(error("shuffle_buffer", 5), HasSubstr("expected shuffle_buffer 0"));
  EXPECT_THAT(error("seed", 2), HasSubstr("expected seed 1 but"));
  EXPECT_THAT(error("batch", -1), HasSubstr("batch >= 0 but got 0 and -1"));
  EXPECT_THAT(error("num_examples", 1), HasSubstr("unexpected entry 'num_examples'"));
  StateDict state = loader.state_dict();
  state.erase("epoch");
  EXPECT_THAT(error_of<ValueError>([&] { loader.load_state_dict(state); }), HasSubstr("a whole number 'epoch'"));
  // A stream that has become shorter.
  state = loader.state_dict();
  state["batch"] = full({}, 7.0, {.dtype = kInt64});
  loader.load_state_dict(state);
  EXPECT_EQ(error_of<ValueError>([&] { loader.begin(); }),
            "StreamLoader: before batch 7 of epoch 0: the stream ended after 4 batches, but 7 were done when the state "
            "was saved; expected open() to give the same examples again");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
