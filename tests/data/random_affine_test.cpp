// RandomAffine: known maps, against torchvision's matrices, draws, errors.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/data/image_transform.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::Numbers;

Tensor square_image() { return tensor({{1.0, 2, 3}, {4, 5, 6}, {7, 8, 9}}).reshape({1, 1, 3, 3}); }

Numbers applied(const RandomAffine& transform, const Tensor& x) {
  Generator generator(1);
  Numbers values = transform(x, generator).to_vector<double>();
  for (double& value : values) {
    value = std::round(value * 1e4) / 1e4;  // places are computed in float32
  }
  return values;
}

TEST(RandomAffineTest, KnownMaps) {
  const Tensor x = square_image();
  EXPECT_EQ(applied({}, x), x.to_vector<double>());
  // Positive degrees turn clockwise in an image whose rows go down, as torchvision's affine().
  EXPECT_EQ(applied({.degrees = {90, 90}}, x), (Numbers{7, 4, 1, 8, 5, 2, 9, 6, 3}));
  EXPECT_EQ(applied({.degrees = {180, 180}, .interpolation = "bilinear"}, x), (Numbers{9, 8, 7, 6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(applied({.degrees = {-90, -90}}, x), (Numbers{3, 6, 9, 2, 5, 8, 1, 4, 7}));
  // Half the size about the center: the outer pixels are outside.
  EXPECT_EQ(applied({.scale = {0.5, 0.5}, .fill = -1.0}, x), (Numbers{-1, -1, -1, -1, 5, -1, -1, -1, -1}));
  // Twice the size: half pixels between the pixels.
  EXPECT_EQ(applied({.scale = {2, 2}, .interpolation = "bilinear"}, x), (Numbers{3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7}));
  // A shear of 45 degrees along the columns moves the upper row to the right and the lower one to the left.
  EXPECT_EQ(applied({.shear = {45, 45, 0, 0}}, x), (Numbers{0, 1, 2, 4, 5, 6, 8, 9, 0}));
}

TEST(RandomAffineTest, TranslationsAreWholePixelsOfAllSizesUpToTheLimit) {
  const Tensor x = zeros({400, 1, 5, 5});
  Tensor marked = x.clone();
  for (std::int64_t n = 0; n < 400; ++n) {
    marked.mutable_data<float>()[n * 25 + 12] = 1.0F;
  }
  Generator generator(2);
  const Tensor y = RandomAffine{.translate = {0.4, 0.2}}(marked, generator);
  std::set<std::int64_t> seen;
  for (std::int64_t n = 0; n < 400; ++n) {
    const Tensor image = y[n].flatten();
    EXPECT_EQ(sum(image).item(), 1.0);
    seen.insert(argmax(image).item<std::int64_t>());
  }
  EXPECT_EQ(seen, (std::set<std::int64_t>{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}));
}

TEST(RandomAffineTest, EachImageHasItsOwnMapFromTheGenerator) {
  const Tensor x = rand({2, 3, 8, 6}, {.dtype = kFloat64});
  const Tensor twice = cat({x, x}, 0);
  const RandomAffine transform{.degrees = {-30, 30}, .scale = {0.8, 1.2}, .shear = {-5, 5, -5, 5}};
  Generator one(7);
  Generator two(7);
  const Tensor y = transform(twice, one);
  EXPECT_EQ(y.to_vector<double>(), transform(twice, two).to_vector<double>());
  EXPECT_NE(y[0].to_vector<double>(), y[2].to_vector<double>());
  EXPECT_EQ(y.shape(), twice.shape());
}

TEST(RandomAffineTest, RefusesWhatDoesNotFit) {
  Generator generator(1);
  const auto message = [&](const RandomAffine& transform) {
    return error_of<ValueError>([&] { transform(square_image(), generator); });
  };
  EXPECT_EQ(message({.degrees = {10, -10}}), "RandomAffine: expected degrees with low <= high but got [10, -10]");
  EXPECT_EQ(message({.translate = {0.5, 1.5}}), "RandomAffine: expected translate in [0, 1] but got [0.5, 1.5]");
  EXPECT_EQ(message({.scale = {0, 1}}), "RandomAffine: expected scale > 0 with low <= high but got [0, 1]");
  EXPECT_EQ(message({.shear = {0, 0, 0, 90}}),
            "RandomAffine: expected shear between -90 and 90 degrees with low <= high but got [0, 90]");
  EXPECT_EQ(message({.interpolation = "bicubic"}),
            "RandomAffine: expected interpolation \"nearest\" or \"bilinear\" but got \"bicubic\"");
  EXPECT_EQ(error_of<ShapeError>([&] {
              RandomAffine{}(zeros({3, 3}), generator);
            }),
            "RandomAffine: expected images [n, C, H, W] but got [3, 3]");
  EXPECT_EQ(error_of<DTypeError>([&] {
              RandomAffine{}(zeros({1, 1, 3, 3}, {.dtype = kInt64}), generator);
            }),
            "RandomAffine: expected float32 or float64 images but got int64");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
