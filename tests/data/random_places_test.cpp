// Every position that a random transform may choose occurs, about equally often.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/image_transform.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

/// `count` images whose values encode the position of each pixel: 1 + x + 10 y.
Tensor numbered(std::int64_t count, std::int64_t height, std::int64_t width) {
  Tensor images = Tensor::empty({count, 1, height, width}, kFloat64);
  double* to = images.mutable_data<double>();
  for (std::int64_t i = 0; i < images.numel(); ++i) {
    to[i] = static_cast<double>(1 + i % width + 10 * (i / width % height));
  }
  return images;
}

/// Checks that each of `kinds` results occurs equally often, within five standard deviations.
void expect_equally_often(const std::map<std::vector<double>, int>& times, std::size_t kinds, int count) {
  EXPECT_EQ(times.size(), kinds);
  const double expected = static_cast<double>(count) / static_cast<double>(kinds);
  for (const auto& [pixels, n] : times) {
    EXPECT_NEAR(n, expected, 5.0 * std::sqrt(expected)) << pixels[0];
  }
}

std::map<std::vector<double>, int> times_of(const Tensor& images) {
  std::map<std::vector<double>, int> times;
  const std::vector<double> all = images.to_vector<double>();
  const auto each = static_cast<std::size_t>(images.numel() / images.size(0));
  for (std::size_t i = 0; i < all.size(); i += each) {
    ++times[std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(i),
                                all.begin() + static_cast<std::ptrdiff_t>(i + each))];
  }
  return times;
}

constexpr int kCount = 12000;

TEST(RandomPlacesTest, EveryOffsetOfACrop) {
  Generator generator(3);
  const Tensor images = numbered(kCount, 4, 5);
  // Windows of 2 x 3 in 4 x 5: 3 x 3 positions, from the first row and column to the last.
  const auto times = times_of(RandomCrop{2, 3}(images, generator));
  expect_equally_often(times, 9, kCount);
  EXPECT_TRUE(times.contains({1, 2, 3, 11, 12, 13}));
  EXPECT_TRUE(times.contains({23, 24, 25, 33, 34, 35}));
  // A padding of 1 adds two of each, and windows as large as the image move by up to 1.
  expect_equally_often(times_of(RandomCrop{2, 3, 1}(images, generator)), 25, kCount);
  expect_equally_often(times_of(RandomCrop{4, 5, 1}(images, generator)), 9, kCount);
  expect_equally_often(times_of(RandomCrop{4, 5}(images, generator)), 1, kCount);
}

TEST(RandomPlacesTest, EveryShift) {
  Generator generator(4);
  expect_equally_often(times_of(RandomShift{1}(numbered(kCount, 3, 3), generator)), 9, kCount);
}

TEST(RandomPlacesTest, BothSidesOfAFlip) {
  Generator generator(5);
  const Tensor images = numbered(kCount, 2, 2);
  const auto sideways = times_of(RandomHorizontalFlip{}(images, generator));
  expect_equally_often(sideways, 2, kCount);
  EXPECT_TRUE(sideways.contains({2, 1, 12, 11}));
  const auto upside_down = times_of(RandomVerticalFlip{}(images, generator));
  expect_equally_often(upside_down, 2, kCount);
  EXPECT_TRUE(upside_down.contains({11, 12, 1, 2}));
  EXPECT_EQ(times_of(RandomHorizontalFlip{1.0}(images, generator)).size(), 1U);
  EXPECT_EQ(times_of(RandomHorizontalFlip{0.0}(images, generator)).count({1, 2, 11, 12}), 1U);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
