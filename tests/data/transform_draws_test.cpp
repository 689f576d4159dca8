// The draws of transforms: every position occurs about equally often, including the edges, and no epoch repeats
// another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cmath>
#include <map>
#include <set>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/dataset.hpp"
#include "normgrad/data/image_dataset.hpp"
#include "normgrad/data/image_transform.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using Place = std::array<std::int64_t, 2>;

constexpr std::int64_t kDraws = 6000;
constexpr std::int64_t kHeight = 5;
constexpr std::int64_t kWidth = 7;

// `kDraws` copies of one image whose pixels encode their position.
Tensor marked_images() {
  Tensor x = Tensor::empty({kDraws, 1, kHeight, kWidth});
  float* to = x.mutable_data<float>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    to[i] = static_cast<float>(1 + i % (kHeight * kWidth));
  }
  return x;
}

// The number of occurrences of each position: that of the pixel [row, column] of each result, which must be inside the
// image.
std::map<Place, std::int64_t> places_of(const Tensor& y, std::int64_t row, std::int64_t column) {
  std::map<Place, std::int64_t> counts;
  const float* from = y.data<float>();
  for (std::int64_t n = 0; n < y.size(0); ++n) {
    const auto mark = static_cast<std::int64_t>(from[(n * y.size(2) + row) * y.size(3) + column]) - 1;
    ++counts[mark < 0 ? Place{-1, -1} : Place{mark / kWidth, mark % kWidth}];
  }
  return counts;
}

// Checks that the positions are exactly those from `first` to `last`, each within 6 standard deviations of its share.
void expect_all_places(const std::map<Place, std::int64_t>& counts, Place first, Place last) {
  const std::int64_t places = (last[0] - first[0] + 1) * (last[1] - first[1] + 1);
  EXPECT_EQ(static_cast<std::int64_t>(counts.size()), places);
  const double share = static_cast<double>(kDraws) / static_cast<double>(places);
  for (std::int64_t i = first[0]; i <= last[0]; ++i) {
    for (std::int64_t j = first[1]; j <= last[1]; ++j) {
      const auto found = counts.find({i, j});
      const double count = found == counts.end() ? 0.0 : static_cast<double>(found->second);
      EXPECT_NEAR(count, share, 6.0 * std::sqrt(share)) << i << " " << j;
    }
  }
}

TEST(TransformDrawsTest, EveryCropOccurs) {
  const Tensor x = marked_images();
  Generator generator(1);
  expect_all_places(places_of(RandomCrop{.height = 3, .width = 4}(x, generator), 0, 0), {0, 0}, {2, 3});
  // With padding, the corner may be outside the image; the pixel in the middle never is.
  const Tensor padded = RandomCrop{.height = 5, .width = 7, .padding = 2}(x, generator);
  expect_all_places(places_of(padded, 2, 3), {0, 1}, {4, 5});
  const Tensor whole = RandomCrop{.height = kHeight, .width = kWidth}(x, generator);
  EXPECT_EQ(whole.to_vector<float>(), x.to_vector<float>());
}

TEST(TransformDrawsTest, EveryShiftOccurs) {
  Generator generator(2);
  expect_all_places(places_of(RandomShift{2}(marked_images(), generator), 2, 3), {0, 1}, {4, 5});
}

TEST(TransformDrawsTest, FlipsHaveTheirProbability) {
  const Tensor x = marked_images();
  for (const double p : {0.0, 0.2, 0.7, 1.0}) {
    Generator generator(3);
    std::map<Place, std::int64_t> across = places_of(RandomHorizontalFlip{p}(x, generator), 1, 0);
    std::map<Place, std::int64_t> over = places_of(RandomVerticalFlip{p}(x, generator), 0, 1);
    const double wanted = p * static_cast<double>(kDraws);
    const double reach = 6.0 * std::sqrt(wanted * (1.0 - p));
    EXPECT_NEAR(static_cast<double>(across[{1, kWidth - 1}]), wanted, reach) << p;
    EXPECT_EQ((across[{1, kWidth - 1}]) + (across[{1, 0}]), kDraws);
    EXPECT_NEAR(static_cast<double>(over[{kHeight - 1, 1}]), wanted, reach) << p;
    EXPECT_EQ((over[{kHeight - 1, 1}]) + (over[{0, 1}]), kDraws);
  }
}

// --- in a loader

// The first number of the transform's generator in each batch, over several epochs.
std::vector<double> draws_of(DataLoaderOptions options, int epochs) {
  std::vector<double> draws;
  options.batch_size = 2;
  options.transform = [&draws](Batch batch, Generator& generator) {
    draws.push_back(generator.uniform());
    return batch;
  };
  DataLoader loader(TensorDataset(zeros({6, 1}), zeros({6}, {.dtype = kInt64})), options);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (const Batch& batch : loader) {
      EXPECT_EQ(batch.inputs.size(0), 2);
    }
  }
  return draws;
}

TEST(TransformDrawsTest, NoBatchOfAnyEpochDrawsAsAnother) {
  const std::vector<double> draws = draws_of({.seed = 5}, 4);
  ASSERT_EQ(draws.size(), 12U);
  EXPECT_EQ(std::set<double>(draws.begin(), draws.end()).size(), 12U);
  EXPECT_EQ(draws_of({.seed = 5}, 4), draws);
  std::set<double> both(draws.begin(), draws.end());
  for (const double draw : draws_of({.seed = 6}, 4)) {
    EXPECT_TRUE(both.insert(draw).second);
  }
}

TEST(TransformDrawsTest, TransformsAreNotRecorded) {
  for (const int workers : {0, 2}) {
    std::atomic<int> recorded = 0;
    DataLoader loader(TensorDataset(zeros({4, 1}), zeros({4}, {.dtype = kInt64})),
                      {.batch_size = 2, .num_workers = workers, .transform = [&recorded](Batch batch, Generator&) {
                         recorded += is_grad_enabled() ? 1 : 0;
                         return batch;
                       }});
    for (const Batch& batch : loader) {
      EXPECT_EQ(batch.inputs.size(0), 2);
    }
    EXPECT_EQ(recorded.load(), 0) << workers;
  }
}

TEST(TransformDrawsTest, AnEpochDrawsTheSameWhenItIsGoneBackTo) {
  std::vector<double> draws;
  DataLoader loader(TensorDataset(zeros({4, 1}), zeros({4}, {.dtype = kInt64})),
                    {.batch_size = 2, .seed = 5, .transform = [&draws](Batch batch, Generator& generator) {
                       draws.push_back(generator.uniform());
                       return batch;
                     }});
  for (const std::int64_t epoch : {std::int64_t{3}, std::int64_t{1}, std::int64_t{3}}) {
    loader.set_epoch(epoch);
    for (const Batch& batch : loader) {
      EXPECT_EQ(batch.inputs.size(0), 2);
    }
  }
  ASSERT_EQ(draws.size(), 6U);
  EXPECT_EQ(draws[0], draws[4]);
  EXPECT_EQ(draws[1], draws[5]);
  EXPECT_NE(draws[0], draws[2]);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
