#include "normgrad/data/image_transform.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

/// Images [n, 2, 3, 4] of the numbers 1, 2, ...
Tensor counting(std::int64_t n, DType dtype = kFloat32) {
  return arange(1, static_cast<double>(n * 24 + 1), 1, {.dtype = dtype}).reshape({n, 2, 3, 4});
}

double at(const Tensor& x, std::int64_t n, std::int64_t c, std::int64_t i, std::int64_t j) {
  return x.to_vector<double>()[static_cast<std::size_t>(((n * x.size(1) + c) * x.size(2) + i) * x.size(3) + j)];
}

/// y[n, c, i, j] = x[n, c, i + top, j + left], or fill outside: all offsets that match.
std::vector<std::array<std::int64_t, 2>> offsets(const Tensor& x, const Tensor& y, std::int64_t n, std::int64_t most,
                                                 double fill) {
  std::vector<std::array<std::int64_t, 2>> found;
  for (std::int64_t top = -most; top <= most; ++top) {
    for (std::int64_t left = -most; left <= most; ++left) {
      bool same = true;
      for (std::int64_t c = 0; c < x.size(1); ++c) {
        for (std::int64_t i = 0; i < y.size(2); ++i) {
          for (std::int64_t j = 0; j < y.size(3); ++j) {
            const bool inside = i + top >= 0 && i + top < x.size(2) && j + left >= 0 && j + left < x.size(3);
            same = same && at(y, n, c, i, j) == (inside ? at(x, n, c, i + top, j + left) : fill);
          }
        }
      }
      if (same) {
        found.push_back({top, left});
      }
    }
  }
  return found;
}

TEST(ImageTransformTest, ShiftMovesEachImageByItself) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = counting(60, dtype);
    Generator generator(3);
    const Tensor y = RandomShift{1, -5.0}(x, generator);
    std::set<std::array<std::int64_t, 2>> seen;
    for (std::int64_t n = 0; n < 60; ++n) {
      const auto found = offsets(x, y, n, 1, -5.0);
      ASSERT_EQ(found.size(), 1U) << "image " << n;
      seen.insert(found.front());
    }
    EXPECT_EQ(seen.size(), 9U)
        << "every shift occurs: a place is missed with chance 9 (8/9)^60 < 0.01, and the seed is fixed";
  }
}

TEST(ImageTransformTest, FlipsMirrorSome) {
  const Tensor x = counting(40);
  Generator generator(1);
  const Tensor y = RandomHorizontalFlip{}(x, generator);
  const Tensor z = RandomVerticalFlip{}(x, generator);
  int flipped = 0;
  int turned = 0;
  for (std::int64_t n = 0; n < 40; ++n) {
    const bool flip = at(y, n, 0, 0, 0) != at(x, n, 0, 0, 0);
    const bool turn = at(z, n, 0, 0, 0) != at(x, n, 0, 0, 0);
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t j = 0; j < 4; ++j) {
        EXPECT_EQ(at(y, n, 1, i, j), at(x, n, 1, i, flip ? 3 - j : j));
        EXPECT_EQ(at(z, n, 1, i, j), at(x, n, 1, turn ? 2 - i : i, j));
      }
    }
    flipped += flip ? 1 : 0;
    turned += turn ? 1 : 0;
  }
  EXPECT_NEAR(flipped, 20, 5 * 3.2);
  EXPECT_NEAR(turned, 20, 5 * 3.2);
  EXPECT_EQ(RandomHorizontalFlip{0.0}(x, generator).to_vector<float>(), x.to_vector<float>());
}

TEST(ImageTransformTest, CropCutsAWindow) {
  const Tensor x = counting(50);
  Generator generator(2);
  const Tensor y = RandomCrop{.height = 2, .width = 5, .padding = 1, .fill = 9.5}(x, generator);
  EXPECT_EQ(y.shape(), (Shape{50, 2, 2, 5}));
  for (std::int64_t n = 0; n < 50; ++n) {
    const auto found = offsets(x, y, n, 3, 9.5);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_TRUE(found[0][0] >= -1 && found[0][0] <= 2 && found[0][1] >= -1 && found[0][1] <= 0);
  }
}

TEST(ImageTransformTest, NormalizeGoesByChannel) {
  const Tensor x = counting(1);
  Generator generator;
  const Tensor y = Normalize{{1.0, 13.0}, {2.0, 4.0}}(x, generator);
  EXPECT_EQ(at(y, 0, 0, 0, 2), 1.0);
  EXPECT_EQ(at(y, 0, 1, 1, 0), 1.0);
  EXPECT_EQ(generator.position(), 0U);
}

TEST(ImageTransformTest, ComposeGoesInOrderAndLeavesLabels) {
  const auto transform = compose({Normalize{{0.0, 0.0}, {2.0, 2.0}}, Normalize{{1.0, 1.0}, {1.0, 1.0}}});
  Generator generator;
  const Batch batch = transform({.inputs = counting(1), .labels = ones({1})}, generator);
  EXPECT_EQ(at(batch.inputs, 0, 0, 0, 3), 4.0 / 2.0 - 1.0);
  EXPECT_THAT(batch.labels.to_vector<float>(), ElementsAre(1.0F));
}

TEST(ImageTransformTest, Refuses) {
  Generator g;
  const Tensor x = counting(1);
  EXPECT_THAT(error_of<ShapeError>([&] {
                RandomShift{}(ones({3, 4}), g);
              }),
              HasSubstr("images [n, C, H, W] but got [3, 4]"));
  EXPECT_THAT(error_of<ValueError>([&] { RandomShift{-1}(x, g); }), HasSubstr("expected max_shift >= 0 but got -1"));
  EXPECT_THAT(error_of<ValueError>([&] { RandomHorizontalFlip{1.5}(x, g); }),
              HasSubstr("expected p in [0, 1] but got 1.5"));
  EXPECT_THAT(error_of<ShapeError>([&] { RandomCrop{4, 4}(x, g); }), HasSubstr("1x1 to 3x4 for images [1, 2, 3, 4]"));
  EXPECT_THAT(error_of<ShapeError>([&] { Normalize{{1.0}, {1.0}}(x, g); }), HasSubstr("expected 2 means"));
  EXPECT_THAT(error_of<ValueError>([&] { Normalize{{1.0, 1.0}, {1.0, 0.0}}(x, g); }), HasSubstr("above 0 but got 0"));
}

TEST(ComposeTest, ImageAndMaskMoveTogether) {
  // The mask of each pixel is its number in the first channel.
  const Tensor x = counting(40);
  const auto with_masks = [&](const Tensor& labels, std::uint64_t seed) {
    Generator generator(seed);
    return compose({RandomCrop{3, 4, 1}, RandomHorizontalFlip{}, RandomAffine{.degrees = {-90.0, 90.0}}, ColorJitter{}},
                   {RandomCrop{3, 4, 1, 255.0}, RandomHorizontalFlip{},
                    RandomAffine{.degrees = {-90.0, 90.0}, .fill = 255.0}, nullptr})(Batch{x, labels}, generator);
  };
  const Tensor numbers = (x.select(1, 0) - 1.0).to(kInt64);
  const Batch y = with_masks(numbers, 3);
  EXPECT_EQ(y.labels.dtype(), kInt64);
  EXPECT_EQ(y.labels.shape(), (Shape{40, 3, 4}));
  const std::vector<double> pixels = y.inputs.select(1, 0).to_vector<double>();
  const std::vector<double> masks = y.labels.to_vector<double>();
  int moved = 0;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    ASSERT_EQ(masks[i], pixels[i] == 0.0 ? 255.0 : pixels[i] - 1.0) << i;
    moved += masks[i] == 255.0 ? 1 : 0;
  }
  EXPECT_GT(moved, 100);
  EXPECT_NE(with_masks(numbers, 4).labels.to_vector<double>(), masks);
  // The images are those without masks, and masks with channels keep them.
  Generator generator(3);
  const Batch alone = compose({RandomCrop{3, 4, 1}, RandomHorizontalFlip{}, RandomAffine{.degrees = {-90.0, 90.0}},
                               ColorJitter{}})(Batch{x, numbers}, generator);
  EXPECT_EQ(alone.inputs.to_vector<double>(), y.inputs.to_vector<double>());
  EXPECT_EQ(with_masks(numbers.unsqueeze(1).to(kInt32), 3).labels.to_vector<double>(), masks);
}

TEST(ComposeTest, RefusesMasksThatDoNotFit) {
  EXPECT_EQ(error_of<ValueError>([] {
              compose({RandomHorizontalFlip{}, RandomVerticalFlip{}}, {RandomHorizontalFlip{}});
            }),
            "compose: expected one transform of masks for each of the 2 of images (null: none) but got 1");
  const auto error = [](const Tensor& labels) {
    Generator generator(1);
    return error_of<ShapeError>([&] {
      compose({RandomHorizontalFlip{}}, {RandomHorizontalFlip{}})(Batch{counting(2), labels}, generator);
    });
  };
  EXPECT_THAT(error(ones({2}, {.dtype = kInt64})), HasSubstr("but got [2, 2, 3, 4] and [2]"));
  EXPECT_THAT(error(ones({2, 4, 3}, {.dtype = kInt64})), HasSubstr("and [2, 4, 3]"));
  EXPECT_THAT(error(Tensor()), HasSubstr("and no labels"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
