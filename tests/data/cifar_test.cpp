#include <filesystem>

#include "normgrad/data/cifar.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cifar_files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;

class CifarTest : public testing::Test {
 protected:
  std::string error10() {
    return error_of<IoError>([&] { read_cifar10(folder_.path()); });
  }
  std::string where(const std::string& operation, const std::string& file) const {
    return operation + ": '" + (folder_ / file).string() + "': ";
  }

  const tests::TemporaryFolder folder_;
};

TEST_F(CifarTest, ReadsThePartsInOrder) {
  tests::write_cifar10_folder(folder_.path(), 3, 2);
  const auto [train, test] = read_cifar10(folder_.path());
  EXPECT_EQ(train.size(), 15);
  EXPECT_EQ(test.size(), 2);
  EXPECT_EQ(train.image_shape(), Shape({3, 32, 32}));
  EXPECT_EQ(train.num_classes(), 10);
  for (std::int64_t i = 0; i < 15; ++i) {
    EXPECT_EQ(train.label(i), i % 10);
    for (const std::size_t pixel : {0U, 1U, 1024U, 3071U}) {
      EXPECT_EQ(train.pixels(i)[pixel], tests::cifar_pixel(i, pixel));
    }
  }
  EXPECT_EQ(test.label(1), 6) << "images are numbered on";
  const auto [same, other] = open_dataset(folder_.path(), {.standardize = false});
  EXPECT_EQ(data_fingerprint(same), data_fingerprint(train));
  EXPECT_EQ(data_fingerprint(other), data_fingerprint(test));
}

TEST_F(CifarTest, ReadsFineAndCoarseLabels) {
  tests::Bytes train;
  for (std::uint8_t i = 0; i < 4; ++i) {
    train.push_back(static_cast<std::uint8_t>(16 + i));  // coarse
    train.push_back(static_cast<std::uint8_t>(96 + i));
    train.insert(train.end(), 3072, i);
  }
  tests::write_file(folder_ / "train.bin", train);
  tests::write_file(folder_ / "test.bin", tests::Bytes(train.begin(), train.begin() + 3074));
  const auto [fine, test] = read_cifar100(folder_.path());
  EXPECT_EQ(fine.num_classes(), 100);
  EXPECT_EQ(fine.label(3), 99);
  EXPECT_EQ(fine.pixels(3)[0], 3);
  EXPECT_EQ(test.size(), 1);
  const auto [coarse, coarse_test] = read_cifar100(folder_.path(), {.coarse = true});
  EXPECT_EQ(coarse.num_classes(), 20);
  EXPECT_EQ(coarse.label(3), 19);
  EXPECT_EQ(open_dataset(folder_.path(), {.standardize = false}).train.num_classes(), 100);
  train[3074] = 20;
  tests::write_file(folder_ / "train.bin", train);
  EXPECT_EQ(error_of<IoError>([&] { read_cifar100(folder_.path(), {.coarse = true}); }),
            where("read_cifar100", "train.bin") + "expected labels from 0 to 19 but that of image 1 is 20");
}

TEST_F(CifarTest, ErrorsNameFileAndImage) {
  EXPECT_THAT(error10(), HasSubstr((folder_ / "data_batch_1.bin").string()));
  tests::write_cifar10_folder(folder_.path(), 3, 2);
  const std::filesystem::path file = folder_ / "data_batch_3.bin";
  const tests::Bytes whole = tests::read_bytes(file);
  for (const std::size_t size : {0U, 1U, 3072U, 3074U, 9218U}) {
    tests::write_file(file, tests::Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    EXPECT_EQ(error10(), where("read_cifar10", "data_batch_3.bin") + "expected images of 3073 bytes each but got " +
                             std::to_string(size) + " bytes, which end within image " + std::to_string(size / 3073));
  }
  tests::Bytes bad = whole;
  bad[3073] = 10;
  tests::write_file(file, bad);
  EXPECT_EQ(error10(),
            where("read_cifar10", "data_batch_3.bin") + "expected labels from 0 to 9 but that of image 1 is 10");
  tests::write_file(file, whole);
  std::filesystem::remove(folder_ / "test_batch.bin");
  EXPECT_THAT(error10(), HasSubstr((folder_ / "test_batch.bin").string()));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
