// A resumed run returns the same examples as an uninterrupted one, with every sampler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "tests/support/raises.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/length_grouped_sampler.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;

constexpr std::int64_t kExamples = 10;
constexpr std::int64_t kEpochs = 3;

TensorDataset examples() {
  Tensor labels = Tensor::empty({kExamples}, kInt64);
  for (std::int64_t i = 0; i < kExamples; ++i) {
    labels.mutable_data<std::int64_t>()[i] = i;
  }
  return {labels.to(kFloat32), labels};
}

/// Draws an example more often the more often it was seen; it changes with every batch.
class Growing final : public Sampler {
 public:
  explicit Growing(std::uint64_t seed) : seed_(seed), weights_(ones({kExamples}, {.dtype = kFloat64})) {}
  std::int64_t size() const override { return kExamples; }
  std::vector<std::int64_t> order(std::int64_t epoch) const override {
    return WeightedRandomSampler(weights_.to_vector<double>(), kExamples, {.seed = seed_}).order(epoch);
  }
  StateDict state_dict() const override { return {{"weights", weights_}}; }
  void load_state_dict(const StateDict& state) override {
    require<ValueError>(state.size() == 1 && state.contains("weights"), "Growing: expected 'weights'");
    weights_ = state.at("weights").clone();
  }
  void seen(std::int64_t example) { weights_.mutable_data<double>()[example] *= 2.0; }

 private:
  std::uint64_t seed_;
  Tensor weights_;
};

struct Training {
  std::shared_ptr<Sampler> sampler;
  DataLoader loader;
  Training(const std::shared_ptr<Sampler>& made, int workers)
      : sampler(made), loader(examples(), {.batch_size = 3, .num_workers = workers, .sampler = made}) {}

  /// Runs to the end of the last epoch; calls `after` after each batch and each epoch.
  std::vector<std::int64_t> to_the_end(const std::function<void(std::size_t seen)>& after = [](std::size_t) {}) {
    std::vector<std::int64_t> all;
    while (loader.epoch() < kEpochs) {
      for (const Batch& batch : loader) {
        for (const std::int64_t label : batch.labels.to_vector<std::int64_t>()) {
          all.push_back(label);
          if (auto* growing = dynamic_cast<Growing*>(sampler.get())) {
            growing->seen(label);
          }
        }
        after(all.size());
      }
      after(all.size());
    }
    return all;
  }
};

void expect_to_go_on_everywhere(const std::function<std::shared_ptr<Sampler>()>& make) {
  Training whole(make(), 0);
  std::vector<std::pair<std::size_t, StateDict>> states = {{0, whole.loader.state_dict()}};
  const std::vector<std::int64_t> all =
      whole.to_the_end([&](std::size_t seen) { states.emplace_back(seen, whole.loader.state_dict()); });
  ASSERT_EQ(states.size(), 1U + kEpochs * (4 + 1));
  for (const auto& [seen, state] : states) {
    const std::vector<std::int64_t> expected(all.begin() + static_cast<std::ptrdiff_t>(seen), all.end());
    for (const int workers : {0, 2}) {
      Training rest(make(), workers);
      rest.loader.load_state_dict(state);
      // Interrupted once more before its first batch.
      Training again(make(), workers);
      again.loader.load_state_dict(rest.loader.state_dict());
      EXPECT_EQ(rest.to_the_end(), expected) << "after " << seen << " examples, " << workers << " workers";
      EXPECT_EQ(again.to_the_end(), expected) << "after " << seen << " examples, " << workers << " workers";
    }
  }
}

std::shared_ptr<Sampler> weighted(std::uint64_t seed, double last = 3.0) {
  return std::make_shared<WeightedRandomSampler>(std::vector<double>{1, 2, 1, 4, 1, 1, 2, 1, 1, last}, kExamples,
                                                 WeightedSamplerOptions{.seed = seed});
}

std::shared_ptr<Sampler> balanced(std::int64_t first) {
  Tensor labels = ones({kExamples}, {.dtype = kInt64});
  labels.mutable_data<std::int64_t>()[first] = 0;
  return std::make_shared<ClassBalancedSampler>(labels, ClassBalancedSamplerOptions{.seed = 4});
}

std::shared_ptr<Sampler> by_length(std::int64_t last) {
  return std::make_shared<LengthGroupedSampler>(
      std::vector<std::int64_t>{3, 9, 4, 4, 7, 1, 2, 8, 8, last},
      LengthGroupedSamplerOptions{.batch_size = 3, .mega_batch_mult = 2, .seed = 6});
}

TEST(SamplerStateTest, GoesOnAfterEveryBatch) {
  expect_to_go_on_everywhere([] { return weighted(3); });
  expect_to_go_on_everywhere([] { return balanced(2); });
  expect_to_go_on_everywhere([] { return by_length(5); });
  expect_to_go_on_everywhere([] {
    return std::make_shared<RandomSampler>(
        kExamples, RandomSamplerOptions{.replacement = true, .num_samples = kExamples, .seed = 8});
  });
}

TEST(SamplerStateTest, GoesOnWithASamplerThatChanges) {
  expect_to_go_on_everywhere([] { return std::make_shared<Growing>(5); });
  // It does change: without the seen examples, the second epoch is different.
  Training told(std::make_shared<Growing>(5), 0);
  told.to_the_end();
  EXPECT_NE(told.loader.order(1), Growing(5).order(1));
}

TEST(SamplerStateTest, TheEpochUnderWayKeepsItsOrder) {
  const auto sampler = std::make_shared<Growing>(5);
  DataLoader loader(examples(), {.batch_size = 3, .sampler = sampler});
  auto it = loader.begin();
  static_cast<void>(*it);
  EXPECT_FALSE(loader.state_dict().contains("order")) << "the sampler gives it again";
  sampler->seen(7);
  const StateDict state = loader.state_dict();
  EXPECT_EQ(state.at("order").to_vector<std::int64_t>(), Growing(5).order(0));
  EXPECT_EQ(state.at("sampler.weights").to_vector<double>()[7], 2.0);
  sampler->seen(7);
  EXPECT_EQ(state.at("sampler.weights").to_vector<double>()[7], 2.0) << "a state is of its moment";
}

TEST(SamplerStateTest, RefusesTheStateOfAnotherSampler) {
  const auto error = [](const std::shared_ptr<Sampler>& saved, const std::shared_ptr<Sampler>& loading) {
    const Training run(saved, 0);
    Training other(loading, 0);
    other.loader.set_epoch(1);
    std::string text = error_of<ValueError>([&] { other.loader.load_state_dict(run.loader.state_dict()); });
    EXPECT_EQ(other.loader.epoch(), 1);
    return text;
  };
  EXPECT_EQ(error(weighted(3), weighted(4)),
            "Sampler: load_state_dict: 'seed' differs: the state is from a sampler with another order");
  EXPECT_THAT(error(weighted(3), weighted(3, 3.0000001)), HasSubstr("'weights' differs"));
  EXPECT_THAT(error(balanced(1), balanced(2)), HasSubstr("'classes' differs"));
  EXPECT_THAT(error(by_length(5), by_length(6)), HasSubstr("'lengths' differs"));
  EXPECT_EQ(error(weighted(3), balanced(2)),
            "Sampler: load_state_dict: unexpected entry 'weights': the state is from another kind of sampler");
  EXPECT_THAT(error(std::make_shared<SequentialSampler>(kExamples),
                    std::make_shared<RandomSampler>(kExamples, RandomSamplerOptions{})),
              HasSubstr("'num_samples' is missing"));
  EXPECT_THAT(error(std::make_shared<Growing>(1), weighted(3)), HasSubstr("'weights' differs"));
  EXPECT_EQ(error(balanced(1), nullptr), "DataLoader: load_state_dict: unexpected entry 'sampler.classes'");
  EXPECT_THAT(error(nullptr, balanced(1)), HasSubstr("expected sampler 1 but the state is from a loader with 0"));
}

TEST(SamplerStateTest, RefusesAnOrderThatIsNone) {
  Training run(std::make_shared<Growing>(5), 0);
  StateDict state = run.loader.state_dict();
  const auto error = [&](const Tensor& order) {
    state["order"] = order;
    return error_of<ValueError>([&] { run.loader.load_state_dict(state); });
  };
  const std::string expected = "DataLoader: load_state_dict: expected 'order' to hold 10 indices of examples below 10";
  EXPECT_EQ(error(ones({9}, {.dtype = kInt64})), expected);
  EXPECT_EQ(error(ones({10})), expected);
  EXPECT_EQ(error(full({10}, 10.0, {.dtype = kInt64})), expected);
  EXPECT_EQ(error(full({10}, -1.0, {.dtype = kInt64})), expected);
  EXPECT_EQ(error(Tensor()), expected);
  state["order"] = zeros({10}, {.dtype = kInt64});
  run.loader.load_state_dict(state);
  EXPECT_EQ((*run.loader.begin()).labels.to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 0, 0}));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
