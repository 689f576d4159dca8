#include "normgrad/data/image_dataset.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "tests/support/idx_files.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/base/error.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::idx_bytes;

template <class E, class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

ImageDataset three_images() { return {{3, 1, 1, 2}, {0, 255, 51, 102, 153, 204}, {2, 0, 1}, 3}; }

TEST(ImageDatasetTest, GivesPixelsFromZeroToOneWithLabels) {
  const std::vector<std::int64_t> picked = {2, 0, 2};
  const auto [inputs, labels] = three_images().batch(picked);
  EXPECT_EQ(inputs.shape(), Shape({3, 1, 1, 2}));
  EXPECT_EQ(inputs.dtype(), kFloat32);
  EXPECT_THAT(inputs.to_vector<float>(), ElementsAre(0.6F, 0.8F, 0.0F, 1.0F, 0.6F, 0.8F));
  EXPECT_EQ(labels.dtype(), kInt64);
  EXPECT_THAT(labels.to_vector<std::int64_t>(), ElementsAre(1, 2, 1));
}

TEST(ImageDatasetTest, StandardizedHasMeanZeroAndVarianceOne) {
  const ImageDataset set = three_images();
  const PixelStatistics statistics = set.pixel_statistics();
  // Pixels 0, 1, .2, .4, .6, .8: mean 1/2, variance 0.7/6.
  EXPECT_DOUBLE_EQ(statistics.mean, 0.5);
  EXPECT_NEAR(statistics.std, std::sqrt(0.7 / 6.0), 1e-15);
  const std::vector<float> values = set.standardized(statistics).all().inputs.to_vector<float>();
  ASSERT_EQ(values.size(), 6U);
  double sum = 0.0;
  double squares = 0.0;
  for (const float value : values) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  EXPECT_NEAR(sum, 0.0, 1e-6);
  EXPECT_NEAR(squares / 6.0, 1.0, 1e-6);
}

TEST(ImageDatasetTest, FirstKeepsTheFirstAndItsOwnStatistics) {
  const ImageDataset part = three_images().first(2);
  EXPECT_EQ(part.size(), 2);
  EXPECT_EQ(part.label(1), 0);
  EXPECT_NEAR(part.pixel_statistics().mean, 1.6 / 4.0, 1e-15);
  EXPECT_EQ(three_images().first(99).size(), 3);
  EXPECT_THAT(error_of<IndexError>([&] { part.label(2); }), HasSubstr("in [0, 2) but got 2"));
  EXPECT_THAT(error_of<ValueError>([&] { part.first(0); }), HasSubstr("at least 1 image but got 0"));
}

TEST(ImageDatasetTest, RefusesWhatDoesNotFit) {
  EXPECT_THAT(error_of<ShapeError>([] { ImageDataset({1, 2, 2}, {1, 2, 3, 4}, {0}); }), HasSubstr("[N, C, H, W]"));
  EXPECT_THAT(error_of<ShapeError>([] { ImageDataset({1, 1, 2, 2}, {1, 2, 3}, {0}); }), HasSubstr("expected 4 pixels"));
  EXPECT_THAT(error_of<ShapeError>([] { ImageDataset({1, 1, 1, 2}, {1, 2}, {0, 1}); }), HasSubstr("expected 1 labels"));
  EXPECT_THAT(error_of<ValueError>([] {
                ImageDataset({2, 1, 1, 1}, {1, 2}, {0, 10});
              }),
              HasSubstr("labels below 10 but label 1 is 10"));
  EXPECT_THAT(error_of<ValueError>([] { three_images().standardized({.mean = 0.0, .std = 0.0}); }),
              HasSubstr("standard deviation above 0"));
}

class OpenDatasetTest : public testing::Test {
 protected:
  OpenDatasetTest() { tests::write_mnist_folder(folder_.path(), 40, 20); }
  std::string error() {
    return error_of<IoError>([&] { open_dataset(folder_.path().string()); });
  }
  std::filesystem::path file(const std::string& name) { return folder_ / name; }

  tests::TemporaryFolder folder_;
};

TEST_F(OpenDatasetTest, ReadsPlainAndCompressedFolders) {
  const auto [train, test] = open_dataset(folder_.path().string(), {.standardize = false});
  EXPECT_EQ(train.size(), 40);
  EXPECT_EQ(test.size(), 20);
  EXPECT_EQ(train.image_shape(), Shape({1, 28, 28}));
  EXPECT_EQ(train.label(13), 3);
  EXPECT_EQ(train.pixels(13)[std::size_t{6} * 28], 255);
  EXPECT_EQ(train.pixels(13)[std::size_t{7} * 28], 0);

  const tests::Bytes bytes = tests::read_bytes(file("train-images-idx3-ubyte"));
  std::filesystem::remove(file("train-images-idx3-ubyte"));
  tests::write_gzip(file("train-images-idx3-ubyte.gz"), bytes);
  std::filesystem::rename(file("t10k-labels-idx1-ubyte"), file("t10k-labels.idx1-ubyte"));
  const ImageSplits again = open_dataset(folder_.path().string(), {.standardize = false});
  EXPECT_TRUE(std::equal(train.pixels(39).begin(), train.pixels(39).end(), again.train.pixels(39).begin()));
}

TEST_F(OpenDatasetTest, StandardizesBothPartsWithTheTrainingImagesInUse) {
  const auto [train, test] = open_dataset(folder_.path().string(), {.train_limit = 10});
  EXPECT_EQ(train.size(), 10);
  EXPECT_EQ(test.size(), 20);
  const double mean = 1.0 / 28.0;
  const double std = std::sqrt(mean * (1.0 - mean));
  const std::vector<std::int64_t> one = {0};
  EXPECT_FLOAT_EQ(test.batch(one).inputs.to_vector<float>()[0], static_cast<float>((1.0 - mean) / std));
  EXPECT_FLOAT_EQ(test.batch(one).inputs.to_vector<float>()[783], static_cast<float>(-mean / std));
}

TEST_F(OpenDatasetTest, ReadsImagesWithChannels) {
  std::filesystem::remove(file("train-images-idx3-ubyte"));
  std::filesystem::remove(file("t10k-images-idx3-ubyte"));
  tests::write_file(file("train-images-idx4-ubyte"), idx_bytes(0x804, {40, 3, 2, 1}, tests::Bytes(240, 7)));
  tests::write_file(file("t10k-images-idx4-ubyte"), idx_bytes(0x804, {20, 3, 2, 1}, tests::Bytes(120, 7)));
  EXPECT_EQ(open_dataset(folder_.path().string(), {.standardize = false}).train.image_shape(), Shape({3, 2, 1}));
  EXPECT_THAT(error(), HasSubstr("all pixels are equal"));
}

TEST_F(OpenDatasetTest, TellsMissingFolderAndFile) {
  EXPECT_THAT(error_of<IoError>([&] { open_dataset((folder_ / "nowhere").string()); }),
              AllOf(HasSubstr("there is no folder '"), HasSubstr("nowhere'")));
  std::filesystem::remove(file("t10k-labels-idx1-ubyte"));
  EXPECT_THAT(error(), AllOf(HasSubstr("t10k-labels-idx1-ubyte' or the same with .gz"), HasSubstr("neither")));
}

TEST_F(OpenDatasetTest, TellsLabelOutOfRange) {
  tests::write_file(file("t10k-labels-idx1-ubyte"), idx_bytes(0x801, {3}, {1, 2, 3}));
  EXPECT_THAT(error(), HasSubstr("t10k-labels-idx1-ubyte': expected 20 labels, one for each image of "
                                 "'t10k-images-idx3-ubyte', but got 3"));
  tests::Bytes labels(20, 9);
  labels[4] = 10;
  tests::write_file(file("t10k-labels-idx1-ubyte"), idx_bytes(0x801, {20}, labels));
  EXPECT_THAT(error(), HasSubstr("t10k-labels-idx1-ubyte': expected labels from 0 to 9 but label 4 is 10"));
  EXPECT_NO_THROW(open_dataset(folder_.path().string(), {.num_classes = 11}));
}

TEST_F(OpenDatasetTest, TellsImagesThatDoNotFitEachOther) {
  tests::write_file(file("t10k-images-idx3-ubyte"), idx_bytes(0x803, {20, 2, 2}, tests::Bytes(80)));
  EXPECT_THAT(error(), HasSubstr("same shape but got [1, 28, 28] and [1, 2, 2]"));
  tests::write_file(file("t10k-images-idx3-ubyte"), idx_bytes(0x803, {20, 0, 2}, {}));
  EXPECT_THAT(error(), HasSubstr("at least one image of at least one pixel but got [20, 1, 0, 2]"));
}

TEST(FashionMnistTest, HasItsPublishedStatistics) {
  if (!std::filesystem::is_directory("/usr/share/datasets/fashion-mnist")) {
    GTEST_SKIP() << "Debian's package dataset-fashion-mnist is not installed";
  }
  const auto [train, test] = open_dataset("fashion-mnist", {.standardize = false});
  EXPECT_EQ(train.size(), 60000);
  EXPECT_EQ(test.size(), 10000);
  EXPECT_NEAR(train.pixel_statistics().mean, 0.2860, 5e-5);  // tol: published with four digits
  EXPECT_NEAR(train.pixel_statistics().std, 0.3530, 5e-5);   // tol: likewise
  EXPECT_EQ(train.label(0), 9);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
