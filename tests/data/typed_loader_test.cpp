// TypedLoader: batches of any type, in the order, with the draws, workers and errors of a DataLoader.
#include "normgrad/data/typed_loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/data/image_transform.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

using Numbers = std::vector<std::int64_t>;

/// Example i: an image of i and, at pixel i % 16, of -1; a mask with a 1 there; i % 3 boxes.
struct Sample {
  Tensor image;
  Tensor mask;
  Tensor boxes;
  std::int64_t number = 0;
};

struct SampleBatch {
  Tensor images;
  Tensor masks;
  Tensor boxes;    // of all images, one after another
  Tensor lengths;  // boxes of each image
  Numbers numbers;
};

Sample sample(std::int64_t i) {
  Sample made = {.image = full({1, 4, 4}, static_cast<double>(i)),
                 .mask = zeros({4, 4}, {.dtype = kInt64}),
                 .boxes = full({i % 3, 4}, static_cast<double>(i)),
                 .number = i};
  made.image.mutable_data<float>()[i % 16] = -1.0F;
  made.mask.mutable_data<std::int64_t>()[i % 16] = 1;
  return made;
}

std::vector<Sample> samples(std::int64_t count) {
  std::vector<Sample> all;
  for (std::int64_t i = 0; i < count; ++i) {
    all.push_back(sample(i));
  }
  return all;
}

SampleBatch collate_samples(const std::vector<Sample>& some) {
  std::vector<Tensor> images;
  std::vector<Tensor> masks;
  std::vector<Tensor> boxes;
  SampleBatch batch;
  batch.lengths = Tensor::empty({static_cast<std::int64_t>(some.size())}, kInt64);
  std::int64_t* length = batch.lengths.mutable_data<std::int64_t>();
  for (const Sample& one : some) {
    images.push_back(one.image);
    masks.push_back(one.mask);
    boxes.push_back(one.boxes);
    *length++ = one.boxes.size(0);
    batch.numbers.push_back(one.number);
  }
  batch.images = stack(images);
  batch.masks = stack(masks);
  batch.boxes = cat(boxes);
  return batch;
}

/// A DataLoader of as many examples, whose labels are their indices.
DataLoader numbers(std::int64_t count, const DataLoaderOptions& options) {
  return DataLoader(TensorDataset(zeros({count}), arange(0, count, 1, {.dtype = kInt64})), options);
}

/// The examples of each batch of an epoch.
std::vector<Numbers> epoch_of(TypedLoader<SampleBatch>& loader) {
  std::vector<Numbers> batches;
  for (const SampleBatch& batch : loader) {
    batches.push_back(batch.numbers);
  }
  return batches;
}

std::vector<Numbers> epoch_of(DataLoader& loader) {
  std::vector<Numbers> batches;
  for (const Batch& batch : loader) {
    batches.push_back(batch.labels.to_vector<std::int64_t>());
  }
  return batches;
}

TEST(TypedLoaderTest, BatchesAreWhatTheFunctionMakes) {
  TypedLoader batches(samples(5), collate_samples, {.batch_size = 2});
  static_assert(std::is_same_v<decltype(batches), TypedLoader<SampleBatch>>);
  static_assert(std::input_iterator<TypedLoader<SampleBatch>::Iterator>);
  std::vector<Numbers> sizes;
  std::vector<float> all_boxes;
  for (const auto& [images, masks, boxes, lengths, numbers] : batches) {
    EXPECT_EQ(images.shape(), (Shape{std::ssize(numbers), 1, 4, 4}));
    EXPECT_EQ(masks.shape(), (Shape{std::ssize(numbers), 4, 4}));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto n = static_cast<std::size_t>(numbers[i]);
      EXPECT_EQ(images.to_vector<float>()[16 * i + n], -1.0F);
      EXPECT_EQ(images.to_vector<float>()[16 * i + n + 1], static_cast<float>(n));
      EXPECT_EQ(masks.to_vector<std::int64_t>()[16 * i + n], 1);
    }
    sizes.push_back(lengths.to_vector<std::int64_t>());
    const std::vector<float> values = boxes.to_vector<float>();
    all_boxes.insert(all_boxes.end(), values.begin(), values.end());
  }
  EXPECT_THAT(sizes, ElementsAre(ElementsAre(0, 1), ElementsAre(2, 0), ElementsAre(1)));
  EXPECT_THAT(all_boxes, ElementsAre(1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4));
}

TEST(TypedLoaderTest, TheOrderIsThatOfADataLoader) {
  const auto sampler =
      std::make_shared<WeightedRandomSampler>(std::vector<double>(10, 1.0), 7, WeightedSamplerOptions{.seed = 2});
  const auto expect_the_same = [](const LoaderOptions<SampleBatch>& typed, const DataLoaderOptions& options) {
    TypedLoader loader(samples(10), collate_samples, typed);
    DataLoader model = numbers(10, options);
    EXPECT_EQ(loader.num_batches(), model.num_batches());
    EXPECT_EQ(loader.last_batch_size(), model.last_batch_size());
    EXPECT_EQ(loader.num_examples(), 10);
    EXPECT_EQ(loader.seed(), model.seed());
    for (const std::int64_t epoch : {0, 1, 7}) {
      loader.set_epoch(epoch);
      model.set_epoch(epoch);
      EXPECT_EQ(loader.order(epoch), model.order(epoch));
      EXPECT_EQ(epoch_of(loader), epoch_of(model));
      EXPECT_EQ(loader.epoch(), epoch + 1);
    }
  };
  manual_seed(11);
  expect_the_same({}, {});
  expect_the_same({.batch_size = 3}, {.batch_size = 3});
  expect_the_same({.batch_size = 3, .shuffle = true}, {.batch_size = 3, .shuffle = true});
  expect_the_same({.batch_size = 3, .shuffle = true, .drop_last = true, .seed = 5, .num_workers = 3},
                  {.batch_size = 3, .shuffle = true, .drop_last = true, .seed = 5});
  expect_the_same({.batch_size = 2, .num_workers = 1, .prefetch_factor = 5, .sampler = sampler},
                  {.batch_size = 2, .sampler = sampler});
}

/// A user's class, whose examples are made when they are read; some slowly, so that workers overtake each other.
struct Reader {
  std::int64_t count = 0;
  std::int64_t bad = -1;
  const std::atomic<bool>* broken = nullptr;  // of the bad one
  bool foreign = false;
  std::int64_t size() const { return count; }
  Sample operator[](std::size_t i) const {
    EXPECT_FALSE(is_grad_enabled());
    const auto number = static_cast<std::int64_t>(i);
    if (number % 3 == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (number == bad && foreign) {
      throw std::runtime_error("cannot read it");
    }
    require<IoError>(number != bad || (broken != nullptr && !*broken), "cannot open it");
    return sample(number);
  }
};

/// Moves image and mask together, and the numbers of the boxes by one draw for each batch.
SampleBatch augment(SampleBatch batch, Generator& generator) {
  static const auto both =
      compose({RandomCrop{4, 4, 2, -2.0}, RandomHorizontalFlip{}}, {RandomCrop{4, 4, 2, 7.0}, RandomHorizontalFlip{}});
  const Batch moved = both({.inputs = batch.images, .labels = batch.masks}, generator);
  batch.images = moved.inputs;
  batch.masks = moved.labels;
  batch.boxes = batch.boxes + generator.uniform();
  return batch;
}

LoaderOptions<SampleBatch> augmented(int workers) {
  return {.batch_size = 4, .shuffle = true, .seed = 7, .num_workers = workers, .transform = augment};
}

/// All values of two epochs.
std::vector<float> everything(TypedLoader<SampleBatch> loader) {
  std::vector<float> all;
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (const SampleBatch& batch : loader) {
      for (const Tensor& tensor : {batch.images, batch.masks, batch.boxes, batch.lengths}) {
        const std::vector<float> values = tensor.to_vector<float>();
        all.insert(all.end(), values.begin(), values.end());
      }
    }
  }
  return all;
}

TEST(TypedLoaderTest, BatchesAreTheSameWithAnyNumberOfWorkers) {
  const std::vector<float> expected = everything(TypedLoader(Reader{.count = 30}, collate_samples, augmented(0)));
  ASSERT_EQ(expected.size(), 2U * (30 * (16 + 16 + 1) + 30 * 4));
  for (const int workers : {1, 2, 4}) {
    EXPECT_EQ(everything(TypedLoader(Reader{.count = 30}, collate_samples, augmented(workers))), expected)
        << workers << " workers";
  }
  LoaderOptions<SampleBatch> other = augmented(2);
  other.seed = 8;
  EXPECT_NE(everything(TypedLoader(Reader{.count = 30}, collate_samples, other)), expected);
}

TEST(TypedLoaderTest, ImagesAndMasksMoveTogether) {
  TypedLoader loader(samples(16), collate_samples, augmented(2));
  int moved = 0;
  int seen = 0;
  for (const auto& [images, masks, boxes, lengths, numbers] : loader) {
    const std::vector<float> pixels = images.to_vector<float>();
    const Numbers classes = masks.to_vector<std::int64_t>();
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      EXPECT_EQ(pixels[i] == -1.0F, classes[i] == 1) << i;
      EXPECT_EQ(pixels[i] == -2.0F, classes[i] == 7) << i;
      if (classes[i] == 1) {
        ++seen;
        moved += static_cast<std::int64_t>(i % 16) != numbers[i / 16] ? 1 : 0;
      }
    }
  }
  EXPECT_GT(seen, 4);
  EXPECT_GT(moved, 2);
}

TEST(TypedLoaderTest, TransformsDrawAsThoseOfADataLoader) {
  std::vector<double> draws;
  std::vector<double> expected;
  TypedLoader loader(samples(6), collate_samples,
                     {.batch_size = 2, .seed = 5, .transform = [&draws](SampleBatch batch, Generator& generator) {
                        EXPECT_FALSE(is_grad_enabled());
                        draws.push_back(generator.uniform());
                        return batch;
                      }});
  DataLoader model = numbers(6, {.batch_size = 2, .seed = 5, .transform = [&](Batch batch, Generator& generator) {
                                   expected.push_back(generator.uniform());
                                   return batch;
                                 }});
  for (int epoch = 0; epoch < 3; ++epoch) {
    epoch_of(loader);
    epoch_of(model);
  }
  EXPECT_EQ(draws, expected);
  EXPECT_EQ(draws.size(), 9U);
}

TEST(TypedLoaderTest, WorkersLeaveTheProcessorsToTheTraining) {
  const auto collate = [](const std::vector<Sample>& some) {
    EXPECT_EQ(get_num_threads(), 1);
    return std::ssize(some);
  };
  TypedLoader sizes(samples(5), collate, {.batch_size = 3, .num_workers = 2});
  std::vector<std::ptrdiff_t> seen;
  for (const std::ptrdiff_t size : sizes) {
    seen.push_back(size);
  }
  EXPECT_THAT(seen, ElementsAre(3, 2));
}

TEST(TypedLoaderTest, ErrorsReachTheLoopAtTheirBatchWithTheExample) {
  for (const int workers : {0, 1, 3}) {
    for (const bool foreign : {false, true}) {
      TypedLoader loader(Reader{.count = 20, .bad = 13, .foreign = foreign}, collate_samples,
                         {.batch_size = 3, .num_workers = workers});
      int seen = 0;
      const auto loop = [&] {
        for ([[maybe_unused]] const SampleBatch& batch : loader) {
          ++seen;
        }
      };
      const std::string text = foreign ? error_of<Error>(loop) : error_of<IoError>(loop);
      EXPECT_EQ(text, foreign ? "TypedLoader: example 13 (batch 4 of epoch 0): cannot read it"
                              : "TypedLoader: example 13 (batch 4 of epoch 0): cannot open it");
      EXPECT_EQ(seen, 4) << workers << " workers";
    }
  }
}

TEST(TypedLoaderTest, ErrorsOfTheFunctionsNameTheBatch) {
  std::vector<Sample> all = samples(6);
  all[3].image = zeros({1, 4, 5});
  TypedLoader loader(all, collate_samples, {.batch_size = 2, .num_workers = 2});
  const std::string of_collate = error_of<ShapeError>([&] { epoch_of(loader); });
  EXPECT_THAT(of_collate, HasSubstr("TypedLoader: batch 1 of epoch 0: "));
  EXPECT_THAT(of_collate, HasSubstr("[1, 4, 5]"));

  TypedLoader transformed(samples(4), collate_samples,
                          {.batch_size = 2, .transform = [](SampleBatch batch, Generator&) {
                             require<ValueError>(batch.numbers[0] == 0, "it is not 0");
                             return batch;
                           }});
  EXPECT_EQ(error_of<ValueError>([&] { epoch_of(transformed); }),
            "TypedLoader: transform of batch 1 of epoch 0: it is not 0");

  struct Outside final : Sampler {
    std::int64_t size() const override { return 1; }
    std::vector<std::int64_t> order(std::int64_t /*epoch*/) const override { return {6}; }
  };
  TypedLoader beyond(samples(6), collate_samples, {.sampler = std::make_shared<Outside>()});
  EXPECT_THAT(
      error_of<IndexError>([&] { epoch_of(beyond); }),
      HasSubstr("TypedLoader: example 6 (batch 0 of epoch 0): Dataset: expected indices of examples in [0, 6)"));
}

TEST(TypedLoaderTest, ABatchThatFailedIsMadeAgain) {
  for (const int workers : {0, 2}) {
    std::atomic<bool> broken = true;
    TypedLoader loader(Reader{.count = 8, .bad = 5, .broken = &broken}, collate_samples,
                       {.batch_size = 2, .num_workers = workers});
    TypedLoader<SampleBatch>::Iterator it = loader.begin();
    ++ ++it;
    EXPECT_THAT(error_of<IoError>([&] { *it; }), HasSubstr("example 5 (batch 2 of epoch 0)")) << workers;
    EXPECT_EQ(loader.state_dict().at("batch").item(), 2.0) << workers;
    broken = false;
    ++it;
    EXPECT_THAT((*it).numbers, ElementsAre(4, 5)) << workers;
    EXPECT_EQ(loader.state_dict().at("batch").item(), 3.0) << workers;
    ++it;
    EXPECT_THAT((*it).numbers, ElementsAre(6, 7)) << workers;
    EXPECT_TRUE(++it == loader.end());
  }
}

TEST(TypedLoaderTest, TheLoopOwnsItsBatch) {
  for (const int workers : {0, 2}) {
    TypedLoader loader(samples(4), collate_samples, {.batch_size = 2, .num_workers = workers});
    for (auto& [images, masks, boxes, lengths, numbers] : loader) {
      numbers.clear();
      images = {};
    }
    TypedLoader<SampleBatch>::Iterator it = loader.begin();
    const TypedLoader<SampleBatch>::Iterator behind = it;
    (*it).numbers.clear();
    EXPECT_THAT((*it).numbers, ElementsAre(0, 1)) << "as made, not as changed by the loop";
    ++it;
    EXPECT_THAT((*it).numbers, ElementsAre(2, 3));
    EXPECT_THAT((*behind).numbers, ElementsAre(0, 1));
    const auto& first = *loader.begin();  // outlives its iterator
    EXPECT_THAT(first.numbers, ElementsAre(0, 1));
    EXPECT_EQ(first.images.shape(), (Shape{2, 1, 4, 4}));
  }
}

TEST(TypedLoaderTest, OptionsAreChecked) {
  const auto error = [](std::int64_t count, const LoaderOptions<SampleBatch>& options) {
    return error_of<ValueError>([&] { TypedLoader(samples(count), collate_samples, options); });
  };
  EXPECT_EQ(error(3, {.batch_size = 0}), "TypedLoader: expected batch_size >= 1 but got 0");
  EXPECT_EQ(error(3, {.num_workers = -1}), "TypedLoader: expected num_workers >= 0 but got -1");
  EXPECT_EQ(error(3, {.prefetch_factor = 0}), "TypedLoader: expected prefetch_factor >= 1 but got 0");
  EXPECT_EQ(error(0, {}), "TypedLoader: expected a dataset of at least 1 examples but got 0");
  EXPECT_THAT(error(3, {.batch_size = 4, .drop_last = true}), HasSubstr("at least 4 examples but got 3"));
  EXPECT_THAT(error(3, {.shuffle = true, .sampler = std::make_shared<SequentialSampler>(3)}),
              HasSubstr("TypedLoader: expected shuffle or a sampler but got both"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
