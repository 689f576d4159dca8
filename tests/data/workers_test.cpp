// Workers: the same batches with any number of them. Also run it under the thread sanitizer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/support/child_process.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/image_dataset.hpp"
#include "normgrad/data/image_transform.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;
using tests::is_sanitized;
using tests::result_of_child;

ImageDataset images(std::int64_t count) {
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> labels;
  for (std::int64_t i = 0; i < count; ++i) {
    for (int pixel = 0; pixel < 36; ++pixel) {
      pixels.push_back(static_cast<std::uint8_t>((i * 37 + pixel * 11) % 256));
    }
    labels.push_back(static_cast<std::uint8_t>(i % 10));
  }
  return {{count, 1, 6, 6}, pixels, labels};
}

DataLoaderOptions augmented(int workers) {
  return {
      .batch_size = 4,
      .shuffle = true,
      .seed = 7,
      .num_workers = workers,
      .transform = compose({RandomShift{1}, RandomHorizontalFlip{}, RandomCrop{5, 5, 1}, Normalize{{0.5}, {0.25}}})};
}

/// All values of two epochs.
std::vector<float> everything(DataLoader loader) {
  std::vector<float> all;
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (const auto& [inputs, labels] : loader) {
      const std::vector<float> x = inputs.to_vector<float>();
      const std::vector<float> y = labels.to_vector<float>();
      all.insert(all.end(), x.begin(), x.end());
      all.insert(all.end(), y.begin(), y.end());
    }
  }
  return all;
}

TEST(WorkersTest, BatchesAreTheSameWithAnyNumberOfThem) {
  const std::vector<float> expected = everything(DataLoader(images(30), augmented(0)));
  ASSERT_EQ(expected.size(), 2U * 30 * (25 + 1));
  for (const int workers : {1, 2, 4}) {
    EXPECT_EQ(everything(DataLoader(images(30), augmented(workers))), expected) << workers << " workers";
  }
  DataLoaderOptions other_seed = augmented(2);
  other_seed.seed = 8;
  EXPECT_NE(everything(DataLoader(images(30), other_seed)), expected);
}

/// Throws for example `bad`; slow for some examples, so that workers overtake each other.
class Faulty : public Dataset {
 public:
  Faulty(std::int64_t bad, bool foreign) : bad_(bad), foreign_(foreign) {}
  std::int64_t size() const override { return 20; }
  Batch batch(std::span<const std::int64_t> indices) const override {
    for (const std::int64_t index : indices) {
      if (index % 3 == 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
      if (index == bad_ && foreign_) {
        throw std::runtime_error("cannot read it");
      }
      require<IoError>(index != bad_, "cannot open it");
    }
    return {.inputs = Tensor::empty({static_cast<std::int64_t>(indices.size())}), .labels = {}};
  }

 private:
  std::int64_t bad_;
  bool foreign_;
};

TEST(WorkersTest, ErrorsReachTheLoopAtTheirBatchWithTheExample) {
  for (const int workers : {0, 1, 2, 4}) {
    for (const bool foreign : {false, true}) {
      DataLoader loader(Faulty(13, foreign), {.batch_size = 3, .num_workers = workers});
      int seen = 0;
      const auto loop = [&] {
        for ([[maybe_unused]] const Batch& batch : loader) {
          ++seen;
        }
      };
      const std::string text = foreign ? error_of<Error>(loop) : error_of<IoError>(loop);
      EXPECT_EQ(text, foreign ? "DataLoader: example 13 (batch 4 of epoch 0): cannot read it"
                              : "DataLoader: example 13 (batch 4 of epoch 0): cannot open it");
      EXPECT_EQ(seen, 4) << workers << " workers";
    }
  }
}

TEST(WorkersTest, ErrorsOfTransformsNameTheBatch) {
  DataLoader loader(images(6), {.batch_size = 2, .num_workers = 2, .transform = compose({RandomCrop{9, 9}})});
  EXPECT_THAT(error_of<ShapeError>([&] { *loader.begin(); }),
              HasSubstr("DataLoader: transform of batch 0 of epoch 0: RandomCrop: expected a window of 1x1 to 6x6"));
}

TEST(WorkersTest, LoopsMayEndEarlyAndBatchesMayBeAskedForTwice) {
  DataLoader loader(images(30), augmented(3));
  for ([[maybe_unused]] const Batch& batch : loader) {
    break;
  }
  DataLoader::Iterator it = loader.begin();
  const DataLoader::Iterator behind = it;
  const std::vector<float> first = (*it).inputs.to_vector<float>();
  EXPECT_EQ((*it).inputs.to_vector<float>(), first);
  ++it;
  EXPECT_NE((*it).inputs.to_vector<float>(), first);
  EXPECT_EQ((*behind).inputs.to_vector<float>(), first) << "forgotten by the workers, and made anew";
  DataLoader::Iterator none = loader.begin();  // never advanced
}

TEST(WorkersTest, MakeNoMoreThanTheyMay) {
  struct Counting : Dataset {
    explicit Counting(std::atomic<int>& counter) : made(&counter) {}
    std::int64_t size() const override { return 100; }
    Batch batch(std::span<const std::int64_t> indices) const override {
      *made += static_cast<int>(indices.size());
      EXPECT_FALSE(is_grad_enabled());
      EXPECT_EQ(get_num_threads(), 1) << "workers leave the other processors to the training";
      return {.inputs = Tensor::empty({1}), .labels = {}};
    }
    std::atomic<int>* made;
  };
  std::atomic<int> made = 0;
  DataLoader loader(Counting(made), {.num_workers = 2, .prefetch_factor = 3});
  DataLoader::Iterator it = loader.begin();
  *it;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_GE(made.load(), 1);
  EXPECT_LE(made.load(), 6);
}

#if defined(__GLIBC__)
/// While it is alive, threads get stacks of 1 GB, and the process may allocate only `room` more memory.
class FewThreads {
 public:
  static constexpr std::size_t kStack = std::size_t{1} << 30;

  explicit FewThreads(std::size_t room) {
    EXPECT_EQ(pthread_getattr_default_np(&usual_), 0);
    pthread_attr_t large;
    EXPECT_EQ(pthread_getattr_default_np(&large), 0);
    EXPECT_EQ(pthread_attr_setstacksize(&large, kStack), 0);
    EXPECT_EQ(pthread_setattr_default_np(&large), 0);
    pthread_attr_destroy(&large);
    EXPECT_EQ(getrlimit(RLIMIT_AS, &unlimited_), 0);
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limit = unlimited_;
    limit.rlim_cur = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + room;
    EXPECT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
  }
  FewThreads(const FewThreads&) = delete;
  FewThreads& operator=(const FewThreads&) = delete;
  ~FewThreads() {
    EXPECT_EQ(setrlimit(RLIMIT_AS, &unlimited_), 0);
    EXPECT_EQ(pthread_setattr_default_np(&usual_), 0);
    pthread_attr_destroy(&usual_);
  }

 private:
  pthread_attr_t usual_;
  rlimit unlimited_;
};

TEST(WorkersTest, ThatTheSystemRefusesAreDoneWithout) {
  const std::vector<float> expected = everything(DataLoader(images(30), augmented(0)));
  for (const std::size_t granted : {0U, 1U}) {
    std::vector<float> all;
    testing::internal::CaptureStderr();
    {
      const FewThreads few(granted * FewThreads::kStack + FewThreads::kStack / 2);
      all = everything(DataLoader(images(30), augmented(3)));
    }
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                HasSubstr("DataLoader: " + std::to_string(granted) + " of 3 workers were started ("));
    EXPECT_EQ(all, expected) << granted;
  }
}
#endif

TEST(WorkersTest, GoOnInTheMiddleOfAnEpoch) {
  DataLoader whole(images(30), augmented(2));
  std::vector<std::vector<float>> batches;
  StateDict state;
  for (const Batch& batch : whole) {
    batches.push_back(batch.inputs.to_vector<float>());
    if (batches.size() == 3) {
      state = whole.state_dict();
    }
  }
  DataLoader rest(images(30), augmented(4));
  rest.load_state_dict(state);
  std::size_t at = 3;
  for (const Batch& batch : rest) {
    EXPECT_EQ(batch.inputs.to_vector<float>(), batches.at(at++));
  }
  EXPECT_EQ(at, batches.size());
}

TEST(WorkersTest, OptionsAreChecked) {
  EXPECT_THAT(error_of<ValueError>([] { DataLoader(images(3), {.num_workers = -1}); }),
              HasSubstr("num_workers >= 0 but got -1"));
  EXPECT_THAT(error_of<ValueError>([] { DataLoader(images(3), {.prefetch_factor = 0}); }),
              HasSubstr("prefetch_factor >= 1 but got 0"));
  const auto sampler = std::make_shared<SequentialSampler>(2);
  EXPECT_THAT(error_of<ValueError>([&] { DataLoader(images(3), {.shuffle = true, .sampler = sampler}); }),
              HasSubstr("shuffle or a sampler but got both"));
  DataLoader two(images(30), {.batch_size = 3, .sampler = sampler});
  EXPECT_EQ(two.num_batches(), 1);
  EXPECT_EQ(two.last_batch_size(), 2);
  EXPECT_EQ(two.num_examples(), 30);
  EXPECT_EQ(DataLoader(images(30), {.batch_size = 3}).last_batch_size(), 3);
  EXPECT_EQ(DataLoader(images(31), {.batch_size = 3}).last_batch_size(), 1);
  EXPECT_EQ(DataLoader(images(31), {.batch_size = 3, .drop_last = true}).last_batch_size(), 3);
}

// The first reader of the results converts them to row-major order, for all readers.
TEST(WorkersTest, ReadTheResultOfAConvolution) {
  manual_seed(5);
  const Tensor x = randn({40, 2, 10, 10});
  const Tensor w = randn({8, 2, 3, 3});
  const Tensor y = arange(0, 40, 1, {.dtype = kInt64});
  const Tensor expected = conv2d(x, w).flatten(1);
  for (int round = 0; round < 25; ++round) {
    DataLoader loader(TensorDataset(conv2d(x, w), y), {.batch_size = 2, .num_workers = 8});
    for (const auto& [inputs, numbers] : loader) {
      ASSERT_EQ(inputs.to_vector<float>(), expected.index_select(0, numbers).to_vector<float>());
    }
  }
}

// A child has none of the workers, and waits neither for them nor for their locks.
TEST(WorkersTest, AForkedProcessGoesOnWithoutThem) {
  if (is_sanitized()) {
    GTEST_SKIP() << "the thread sanitizer ends a forked process that starts threads";
  }
  DataLoader loader(images(40), augmented(3));
  std::vector<std::vector<float>> expected;
  for (const auto& [inputs, labels] : DataLoader(images(40), augmented(0))) {
    expected.push_back(inputs.to_vector<float>());
  }
  const auto rest_is_right = [&](DataLoader::Iterator it, std::size_t from) {
    bool right = true;
    for (std::size_t i = from; i < expected.size(); ++i, ++it) {
      right = right && (*it).inputs.to_vector<float>() == expected[i];
    }
    return right && it == loader.end();
  };
  DataLoader::Iterator it = loader.begin();
  for (std::size_t i = 0; i < 4; ++i, ++it) {
    ASSERT_EQ((*it).inputs.to_vector<float>(), expected[i]);
    EXPECT_EQ(result_of_child([&] {
                if (!rest_is_right(it, i)) {
                  return false;
                }
                it = loader.begin();  // ends the copied one, and starts workers here
                it = DataLoader::Iterator();
                DataLoader own(images(40), augmented(2));
                return rest_is_right(own.begin(), 0);
              }),
              0);
  }
  EXPECT_TRUE(rest_is_right(it, 4));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
