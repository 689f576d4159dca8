// A TypedLoader resumes in the middle of an epoch, from its own state, that of a DataLoader, or a checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/loader.hpp"
#include "normgrad/data/typed_loader.hpp"
#include "normgrad/io/checkpoint.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;

/// The examples of a batch, and the draw of its transform.
struct Drawn {
  std::vector<std::int64_t> numbers;
  double draw = 0.0;
  bool operator==(const Drawn&) const = default;
};

TypedLoader<Drawn> loader_of(std::int64_t count, LoaderOptions<Drawn> options) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < count; ++i) {
    all.push_back(i);
  }
  options.transform = [](Drawn batch, Generator& generator) {
    batch.draw = generator.uniform();
    return batch;
  };
  const auto collate = [](const std::vector<std::int64_t>& some) { return Drawn{.numbers = some}; };
  return TypedLoader<Drawn>(all, collate, options);
}

/// A DataLoader of ten examples, whose labels are their indices.
DataLoader numbers(const DataLoaderOptions& options) {
  return DataLoader(TensorDataset(zeros({10}), arange(0, 10, 1, {.dtype = kInt64})), options);
}

/// All batches up to the end of epoch 2; calls `after` after each batch and each epoch.
std::vector<Drawn> to_the_end(
    TypedLoader<Drawn>& loader, const std::function<void(std::size_t seen)>& after = [](std::size_t) {}) {
  std::vector<Drawn> all;
  while (loader.epoch() < 3) {
    for (const Drawn& batch : loader) {
      all.push_back(batch);
      after(all.size());
    }
    after(all.size());
  }
  return all;
}

void expect_to_go_on_everywhere(const std::function<std::shared_ptr<Sampler>()>& make) {
  const auto options = [&](int workers) {
    const std::shared_ptr<Sampler> sampler = make();
    return LoaderOptions<Drawn>{
        .batch_size = 3, .shuffle = sampler == nullptr, .seed = 9, .num_workers = workers, .sampler = sampler};
  };
  TypedLoader<Drawn> whole = loader_of(10, options(0));
  std::vector<std::pair<std::size_t, StateDict>> states = {{0, whole.state_dict()}};
  const std::vector<Drawn> all =
      to_the_end(whole, [&](std::size_t seen) { states.emplace_back(seen, whole.state_dict()); });
  ASSERT_EQ(states.size(), 1U + 3 * (4 + 1));
  for (const auto& [seen, state] : states) {
    for (const int workers : {0, 2}) {
      TypedLoader<Drawn> rest = loader_of(10, options(workers));
      rest.load_state_dict(state);
      EXPECT_EQ(to_the_end(rest), std::vector<Drawn>(all.begin() + static_cast<std::ptrdiff_t>(seen), all.end()))
          << "after " << seen << " batches, " << workers << " workers";
    }
  }
}

TEST(TypedLoaderStateTest, GoesOnAfterEveryBatch) {
  expect_to_go_on_everywhere([] { return nullptr; });
  expect_to_go_on_everywhere([] {
    return std::make_shared<WeightedRandomSampler>(std::vector<double>{1, 2, 1, 4, 1, 1, 2, 1, 1, 3}, 10,
                                                   WeightedSamplerOptions{.seed = 3});
  });
}

TEST(TypedLoaderStateTest, TheStateOfADataLoaderFits) {
  DataLoader saved = numbers({.batch_size = 3, .shuffle = true, .seed = 5});
  DataLoader::Iterator it = saved.begin();
  ++ ++it;
  TypedLoader<Drawn> loader = loader_of(10, {.batch_size = 3, .shuffle = true});
  loader.load_state_dict(saved.state_dict());
  EXPECT_EQ(loader.seed(), 5U);
  std::vector<std::vector<std::int64_t>> rest;
  for (; it != saved.end(); ++it) {
    rest.push_back((*it).labels.to_vector<std::int64_t>());
  }
  ASSERT_EQ(rest.size(), 2U);
  std::size_t seen = 0;
  for (const Drawn& batch : loader) {
    EXPECT_EQ(batch.numbers, rest.at(seen++));
  }
  EXPECT_EQ(seen, 2U);
}

TEST(TypedLoaderStateTest, RefusesTheStateOfAnotherLoader) {
  TypedLoader<Drawn> loader = loader_of(10, {.batch_size = 3, .shuffle = true});
  loader.set_epoch(1);
  const auto error = [&](const StateDict& state) {
    std::string text = error_of<ValueError>([&] { loader.load_state_dict(state); });
    EXPECT_EQ(loader.epoch(), 1);
    return text;
  };
  EXPECT_EQ(error(numbers({.batch_size = 2, .shuffle = true}).state_dict()),
            "TypedLoader: load_state_dict: expected batch_size 3 but the state is from a loader with 2, which makes "
            "other batches");
  EXPECT_THAT(error(loader_of(11, {.batch_size = 3, .shuffle = true}).state_dict()),
              HasSubstr("expected num_examples 10 but"));
  EXPECT_THAT(error({}), HasSubstr("TypedLoader: load_state_dict: expected a whole number 'batch_size'"));
  EXPECT_THAT(error({{"batches", zeros({})}}), HasSubstr("TypedLoader: load_state_dict: unexpected entry 'batches'"));
}

TEST(TypedLoaderStateTest, IsAPartOfACheckpoint) {
  const tests::TemporaryFolder folder;
  const std::string file = (folder / "run.safetensors").string();
  const LoaderOptions<Drawn> options = {.batch_size = 4, .shuffle = true, .seed = 7, .num_workers = 2};
  TypedLoader<Drawn> loader = loader_of(20, options);
  loader.set_epoch(3);
  std::vector<Drawn> rest;
  for (const Drawn& batch : loader) {
    const double done = loader.state_dict().at("batch").item();
    if (done == 2.0) {
      save_checkpoint(file, {{"loader", loader}});
    } else if (done > 2.0) {
      rest.push_back(batch);
    }
  }
  ASSERT_EQ(rest.size(), 3U);
  TypedLoader<Drawn> other = loader_of(20, options);
  ASSERT_TRUE(resume_checkpoint(file, {{"loader", other}}));
  EXPECT_EQ(other.epoch(), 3);
  std::vector<Drawn> resumed;
  for (const Drawn& batch : other) {
    resumed.push_back(batch);
  }
  EXPECT_EQ(resumed, rest);
}

TEST(TypedLoaderStateTest, APartOfACheckpointLoadsInTwoSteps) {
  static_assert(detail::PreparesStateDict<TypedLoader<Drawn>>);
  static_assert(detail::PreparesStateDict<DataLoader>);
  TypedLoader<Drawn> loader = loader_of(20, {.batch_size = 4});
  const CheckpointPart part("loader", loader);
  const StateDict state = loader.state_dict();
  loader.set_epoch(7);
  const std::function<void()> commit = part.prepare(state);
  ASSERT_TRUE(commit);
  EXPECT_EQ(loader.epoch(), 7) << "preparing changes nothing";
  commit();
  EXPECT_EQ(loader.epoch(), 0);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
