// A batch that failed is not counted as done, with the same iterator and from a state.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

/// Ten examples; example 5 cannot be read while `broken` is set.
class Mendable final : public Dataset {
 public:
  explicit Mendable(std::atomic<bool>& broken) : broken_(&broken) {}
  std::int64_t size() const override { return 10; }
  Batch batch(std::span<const std::int64_t> indices) const override {
    Tensor labels = Tensor::empty({static_cast<std::int64_t>(indices.size())}, kInt64);
    std::int64_t* to = labels.mutable_data<std::int64_t>();
    for (const std::int64_t index : indices) {
      require<IoError>(index != 5 || !*broken_, "cannot read it");
      *to++ = index;
    }
    return {.inputs = labels, .labels = labels};
  }

 private:
  std::atomic<bool>* broken_;
};

std::vector<std::int64_t> labels_in(const Batch& batch) { return batch.labels.to_vector<std::int64_t>(); }

TEST(LoaderFailureTest, ThatBatchIsYieldedAgain) {
  for (const int workers : {0, 1, 2, 5}) {
    std::atomic<bool> broken = true;
    DataLoader loader(Mendable(broken), {.batch_size = 2, .num_workers = workers});
    DataLoader::Iterator it = loader.begin();
    for (int i = 0; i < 2; ++i, ++it) {
      *it;
    }
    for (int attempt = 0; attempt < 2; ++attempt) {
      EXPECT_THAT(error_of<IoError>([&] { *it; }), HasSubstr("example 5 (batch 2 of epoch 0)")) << workers;
      EXPECT_EQ(loader.state_dict().at("batch").item(), 2.0) << workers;
    }
    ++it;  // there is no completed batch to skip
    EXPECT_EQ(loader.state_dict().at("batch").item(), 2.0) << workers;
    broken = false;
    EXPECT_THAT(labels_in(*it), ElementsAre(4, 5)) << workers;
    EXPECT_EQ(loader.state_dict().at("batch").item(), 3.0) << workers;
    ++it;
    EXPECT_THAT(labels_in(*it), ElementsAre(6, 7)) << workers;
    ++it;
    EXPECT_THAT(labels_in(*it), ElementsAre(8, 9)) << workers;
    ++it;
    EXPECT_TRUE(it == loader.end());
  }
}

TEST(LoaderFailureTest, AStateGoesOnWithIt) {
  for (const int workers : {0, 2}) {
    std::atomic<bool> broken = true;
    const DataLoaderOptions options = {.batch_size = 2, .num_workers = workers};
    DataLoader loader(Mendable(broken), options);
    StateDict state;
    try {
      for ([[maybe_unused]] const Batch& batch : loader) {
      }
    } catch (const IoError&) {
      state = loader.state_dict();
    }
    broken = false;
    DataLoader other(Mendable(broken), options);
    other.load_state_dict(state);
    std::vector<std::int64_t> seen;
    for (const Batch& batch : other) {
      const std::vector<std::int64_t> labels = labels_in(batch);
      seen.insert(seen.end(), labels.begin(), labels.end());
    }
    EXPECT_THAT(seen, ElementsAre(4, 5, 6, 7, 8, 9)) << workers;
  }
}

TEST(LoaderFailureTest, AnEpochThatCannotBeginIsNotBegun) {
  struct Failing final : Sampler {
    std::int64_t size() const override { return 10; }
    std::vector<std::int64_t> order(std::int64_t epoch) const override {
      require<ValueError>(epoch != 1, "no order");
      return std::vector<std::int64_t>(epoch == 2 ? 9 : 10, 0);
    }
  };
  std::atomic<bool> broken = false;
  DataLoader loader(Mendable(broken), {.batch_size = 10, .sampler = std::make_shared<Failing>()});
  *loader.begin();
  EXPECT_EQ(loader.epoch(), 1);
  EXPECT_THROW(loader.begin(), ValueError);
  EXPECT_EQ(loader.epoch(), 1);
  loader.set_epoch(2);
  EXPECT_THAT(error_of<ValueError>([&] { loader.begin(); }), HasSubstr("expected an order of 10 examples"));
  EXPECT_THROW(loader.set_epoch(-1), ValueError);
  EXPECT_EQ(loader.epoch(), 2);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
