#include "normgrad/data/dataset_parts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <numeric>

#include "tests/support/raises.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/data/collate.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

/// Example i is the number i with label 10 i.
std::vector<std::pair<float, int>> pairs(int count) {
  std::vector<std::pair<float, int>> items;
  for (int i = 0; i < count; ++i) {
    items.emplace_back(static_cast<float>(i), 10 * i);
  }
  return items;
}

std::vector<std::int64_t> labels_of(const Dataset& dataset) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(dataset.size()));
  std::iota(all.begin(), all.end(), 0);
  return dataset.batch(all).labels.to_vector<std::int64_t>();
}

TEST(IndexedDatasetTest, ABatchOfPairs) {
  DataLoader loader(pairs(5), {.batch_size = 2});
  std::vector<std::int64_t> labels;
  for (const Batch& batch : loader) {
    EXPECT_EQ(batch.inputs.dtype(), kFloat32);
    EXPECT_EQ(batch.inputs.shape(), Shape{batch.labels.numel()});
    for (const std::int64_t label : batch.labels.to_vector<std::int64_t>()) {
      labels.push_back(label);
    }
  }
  EXPECT_THAT(labels, ElementsAre(0, 10, 20, 30, 40));
}

TEST(IndexedDatasetTest, AnyIndexableType) {
  // A container of examples.
  std::deque<Example> examples;
  for (int i = 0; i < 3; ++i) {
    examples.push_back({.input = full({2, 2}, i), .label = full({3}, -i)});
  }
  const Batch batch = share_dataset(examples)->batch(std::vector<std::int64_t>{2, 0});
  EXPECT_EQ(batch.inputs.shape(), (Shape{2, 2, 2}));
  EXPECT_THAT(batch.labels.to_vector<float>(), ElementsAre(-2, -2, -2, 0, 0, 0));

  // A user-defined class, whose examples have no labels.
  struct Squares {
    std::size_t size() const { return 4; }
    Tensor operator[](std::size_t i) const { return full({}, static_cast<double>(i * i)); }
  };
  const Batch squares = share_dataset(Squares())->batch(std::vector<std::int64_t>{3, 1});
  EXPECT_THAT(squares.inputs.to_vector<float>(), ElementsAre(9, 1));
  EXPECT_FALSE(squares.labels.defined());

  // User-defined elements, with a function that makes the batch: words of different lengths, padded.
  const DatasetPtr words = make_dataset(std::vector<std::string>{"a", "bcd"}, [](const std::vector<std::string>& some) {
    std::size_t longest = 0;
    for (const std::string& word : some) {
      longest = std::max(longest, word.size());
    }
    Tensor letters =
        zeros({static_cast<std::int64_t>(some.size()), static_cast<std::int64_t>(longest)}, {.dtype = kInt64});
    for (std::size_t i = 0; i < some.size(); ++i) {
      for (std::size_t j = 0; j < some[i].size(); ++j) {
        letters.mutable_data<std::int64_t>()[i * longest + j] = static_cast<unsigned char>(some[i][j]);
      }
    }
    return Batch{.inputs = letters, .labels = {}};
  });
  DataLoader loader(words, {.batch_size = 2});
  EXPECT_THAT((*loader.begin()).inputs.to_vector<std::int64_t>(), ElementsAre('a', 0, 0, 'b', 'c', 'd'));
}

TEST(CollateTest, NamesTheExampleThatDiffers) {
  EXPECT_EQ(error_of<ShapeError>([] {
              collate({{ones({2}), {}}, {ones({2}), {}}, {ones({3}), {}}});
            }),
            "collate: expected inputs of one shape, [2], but that of example 2 of the batch is [3]; pad them, or pass "
            "make_dataset() a function that makes the batch");
  EXPECT_THAT(error_of<DTypeError>([] {
                collate({{ones({2}), ones({})}, {ones({2}), ones({}, {.dtype = kInt64})}});
              }),
              HasSubstr("labels of one dtype, float32, but that of example 1 of the batch is int64"));
  EXPECT_THAT(error_of<ValueError>([] {
                collate({{ones({2}), ones({})}, {ones({2}), {}}});
              }),
              HasSubstr("example 1 of the batch has no label"));
  EXPECT_THAT(error_of<ValueError>([] {
                collate({{ones({2}), {}}, {ones({2}), ones({})}});
              }),
              HasSubstr("example 1 of the batch has a label"));
  EXPECT_THAT(error_of<ValueError>([] { collate({}); }), HasSubstr("at least 1 example"));
}

TEST(SubsetTest, PicksInOrder) {
  const Subset part = subset(pairs(5), {4, 0, 4});
  EXPECT_THAT(labels_of(part), ElementsAre(40, 0, 40));
  EXPECT_THAT(labels_of(subset(part, {1, 2})), ElementsAre(0, 40));
  EXPECT_THAT(error_of<IndexError>([] {
                subset(pairs(5), {1, 5});
              }),
              HasSubstr("Subset: expected indices of examples in [0, 5) but got 5"));
  EXPECT_THROW(part.batch(std::vector<std::int64_t>{3}), IndexError);
}

TEST(RandomSplitTest, DividesEverythingByTheSeed) {
  const auto parts = random_split(pairs(10), {0.75, 0.25}, 3);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].size(), 8);  // 7.5 and 2.5: the remaining example goes to the first
  EXPECT_EQ(parts[1].size(), 2);
  std::vector<std::int64_t> all = parts[0].indices();
  all.insert(all.end(), parts[1].indices().begin(), parts[1].indices().end());
  EXPECT_FALSE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(random_split(pairs(10), {8, 2}, 3)[0].indices(), parts[0].indices());
  EXPECT_NE(random_split(pairs(10), {8, 2}, 4)[0].indices(), parts[0].indices());
  std::sort(all.begin(), all.end());
  EXPECT_THAT(all, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_EQ(random_split(pairs(1), {1.0}).front().size(), 1);
  const auto thirds = random_split(pairs(10), {1.0 / 3, 1.0 / 3, 1.0 / 3});
  EXPECT_EQ(thirds[0].size(), 4);
  EXPECT_EQ(thirds[2].size(), 3);
  for (const std::vector<double>& wrong : {std::vector<double>{0.5, 0.4}, {5, 6}, {-1, 11}, {}}) {
    EXPECT_THAT(error_of<ValueError>([&] { random_split(pairs(10), wrong); }),
                HasSubstr("random_split: expected shares that sum to 1, or numbers of examples that sum to 10"));
  }
}

TEST(MapTest, ChangesBatchesOrExamples) {
  const auto by_batch = map_dataset(pairs(3), [](Batch batch) {
    batch.inputs = batch.inputs * 2.0;
    return batch;
  });
  const std::vector<std::int64_t> some = {2, 1};
  EXPECT_THAT(by_batch.batch(some).inputs.to_vector<float>(), ElementsAre(4, 2));
  const auto by_example = map_dataset(by_batch, [](const Example& example) {
    EXPECT_EQ(example.input.dim(), 0);
    return Example{.input = example.input.reshape({1}) + 1.0, .label = example.label};
  });
  EXPECT_EQ(by_example.size(), 3);
  EXPECT_EQ(by_example.batch(some).inputs.shape(), (Shape{2, 1}));
  EXPECT_THAT(by_example.batch(some).inputs.to_vector<float>(), ElementsAre(5, 3));
  EXPECT_THAT(by_example.batch(some).labels.to_vector<std::int64_t>(), ElementsAre(20, 10));
}

TEST(KFoldTest, EachExampleIsValidatedOnce) {
  const auto folds = k_fold(pairs(7), 3);
  ASSERT_EQ(folds.size(), 3U);
  EXPECT_THAT(folds[0].validation.indices(), ElementsAre(0, 1, 2));
  EXPECT_THAT(folds[0].train.indices(), ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(folds[1].validation.indices(), ElementsAre(3, 4));
  EXPECT_THAT(folds[1].train.indices(), ElementsAre(0, 1, 2, 5, 6));
  EXPECT_THAT(folds[2].validation.indices(), ElementsAre(5, 6));
  EXPECT_THAT(labels_of(folds[2].validation), ElementsAre(50, 60));
  EXPECT_EQ(k_fold(pairs(2), 2)[1].train.size(), 1);
}

TEST(KFoldTest, ShufflesByTheSeed) {
  std::vector<std::int64_t> all;
  for (const auto& [train, validation] : k_fold(pairs(10), 3, {.shuffle = true, .seed = 1})) {
    EXPECT_EQ(train.size() + validation.size(), 10);
    std::vector<std::int64_t> both = train.indices();
    both.insert(both.end(), validation.indices().begin(), validation.indices().end());
    std::sort(both.begin(), both.end());
    EXPECT_THAT(both, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    all.insert(all.end(), validation.indices().begin(), validation.indices().end());
  }
  EXPECT_FALSE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(k_fold(pairs(10), 3, {.shuffle = true, .seed = 1})[0].validation.indices(),
            std::vector<std::int64_t>(all.begin(), all.begin() + 4));
  EXPECT_NE(k_fold(pairs(10), 3, {.shuffle = true, .seed = 2})[0].validation.indices(),
            std::vector<std::int64_t>(all.begin(), all.begin() + 4));
}

TEST(KFoldTest, RefusesBadNumbers) {
  EXPECT_EQ(error_of<ValueError>([] { k_fold(pairs(3), 1); }),
            "k_fold: expected k between 2 and the 3 examples but got 1");
  EXPECT_EQ(error_of<ValueError>([] { k_fold(pairs(3), 4); }),
            "k_fold: expected k between 2 and the 3 examples but got 4");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
