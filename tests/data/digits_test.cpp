#include "normgrad/data/digits.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

bool same_image(const ImageDataset& a, std::int64_t i, const ImageDataset& b, std::int64_t j) {
  return a.label(i) == b.label(j) && std::equal(a.pixels(i).begin(), a.pixels(i).end(), b.pixels(j).begin());
}

TEST(DigitsTest, SameSeedSameImagesForAnyCountAndThreads) {
  const int threads = get_num_threads();
  set_num_threads(1);
  const ImageSplits one = make_digits({.train = 200, .test = 20, .seed = 3});
  set_num_threads(2);
  const ImageSplits two = make_digits({.train = 300, .test = 30, .seed = 3});
  set_num_threads(threads);
  for (std::int64_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(same_image(one.train, i, two.train, i)) << i;
  }
  for (std::int64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(same_image(one.test, i, two.test, i)) << i;
    ASSERT_FALSE(same_image(one.test, i, one.train, i)) << i;
  }
  EXPECT_FALSE(same_image(one.train, 0, make_digits({.train = 1, .test = 1, .seed = 4}).train, 0));
}

TEST(DigitsTest, AllClassesAreAboutEquallyFrequent) {
  const ImageDataset train = make_digits({.train = 2000, .test = 1}).train;
  EXPECT_EQ(train.image_shape(), Shape({1, 28, 28}));
  EXPECT_EQ(train.num_classes(), 10);
  std::array<int, 10> times{};
  for (std::int64_t i = 0; i < train.size(); ++i) {
    ++times[static_cast<std::size_t>(train.label(i))];
  }
  for (const int count : times) {
    EXPECT_NEAR(count, 200, 5 * 14);  // five standard deviations
  }
}

TEST(DigitsTest, NearestMeanTellsMostDigits) {
  constexpr std::size_t kPixels = 784;
  const auto [train, test] = make_digits({.train = 2000, .test = 500});
  std::vector<std::array<double, kPixels>> means(10);
  std::array<double, 10> counts{};
  for (std::int64_t i = 0; i < train.size(); ++i) {
    const auto label = static_cast<std::size_t>(train.label(i));
    counts[label] += 1.0;
    for (std::size_t pixel = 0; pixel < kPixels; ++pixel) {
      means[label][pixel] += train.pixels(i)[pixel];
    }
  }
  int right = 0;
  for (std::int64_t i = 0; i < test.size(); ++i) {
    std::array<double, 10> distance{};
    for (std::size_t label = 0; label < 10; ++label) {
      for (std::size_t pixel = 0; pixel < kPixels; ++pixel) {
        const double difference = test.pixels(i)[pixel] - means[label][pixel] / counts[label];
        distance[label] += difference * difference;
      }
    }
    right += std::min_element(distance.begin(), distance.end()) - distance.begin() == test.label(i) ? 1 : 0;
  }
  // The digits are distinguishable, but not by their mean images alone.
  EXPECT_GT(right, 300);
  EXPECT_LT(right, 450);
}

TEST(DigitsTest, RefusesEmptySets) {
  EXPECT_THROW(make_digits({.train = 0}), ValueError);
  EXPECT_THROW(make_digits({.test = 0}), ValueError);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
