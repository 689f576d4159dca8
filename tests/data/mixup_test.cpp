// Mixup, CutMix, random erasing and color jitter.
#include "normgrad/data/mixup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/image_transform.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

/// Image i has the value i everywhere and the label i.
Batch numbered(std::int64_t n, DType dtype = kFloat64) {
  Batch batch{.inputs = Tensor::empty({n, 2, 6, 8}, dtype), .labels = arange(n)};
  dispatch_float("numbered", dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < batch.inputs.numel(); ++i) {
      batch.inputs.mutable_data<T>()[i] = static_cast<T>(i / 96);
    }
  });
  return batch;
}

/// The sum of class times probability, for each row; checks that the probabilities sum to 1.
std::vector<double> expected_class(const Tensor& labels) {
  const std::vector<double> values = labels.to_vector<double>();
  const auto classes = static_cast<std::size_t>(labels.size(1));
  std::vector<double> result(values.size() / classes);
  for (std::size_t row = 0; row < result.size(); ++row) {
    double sum = 0.0;
    for (std::size_t c = 0; c < classes; ++c) {
      sum += values[row * classes + c];
      result[row] += values[row * classes + c] * static_cast<double>(c);
    }
    EXPECT_NEAR(sum, 1.0, 1e-6);
  }
  return result;
}

TEST(MixupTest, MixesInputsAsLabels) {
  Generator generator(5);
  for (const DType dtype : {kFloat32, kFloat64}) {
    int mixed = 0;
    for (int draw = 0; draw < 50; ++draw) {
      const Batch batch = Mixup{.num_classes = 7, .alpha = 1.0}(numbered(7, dtype), generator);
      EXPECT_EQ(batch.inputs.dtype(), dtype);
      EXPECT_EQ(batch.labels.shape(), Shape({7, 7}));
      const std::vector<double> classes = expected_class(batch.labels);
      const std::vector<double> values = batch.inputs.to_vector<double>();
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_NEAR(values[i], classes[i / 96], 1e-5);
      }
      mixed += std::fabs(classes[0]) > 0.01 || std::fabs(classes[1] - 1.0) > 0.01 ? 1 : 0;
    }
    EXPECT_GT(mixed, 40);
  }
}

// The weight w ~ Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
TEST(MixupTest, WeightsHaveTheVarianceOfBeta) {
  Generator generator(6);
  for (const double alpha : {0.2, 1.0, 3.0}) {
    double sum = 0.0;
    double squares = 0.0;
    constexpr int kDraws = 20000;
    int used = 0;
    for (int draw = 0; draw < kDraws; ++draw) {
      const Batch two{.inputs = zeros({2, 1}, {.dtype = kFloat64}), .labels = arange(2)};
      const Batch batch = Mixup{.num_classes = 2, .alpha = alpha}(two, generator);
      const double w = batch.labels.to_vector<double>()[0];
      if (w == 1.0) {
        continue;  // usually an order that leaves the examples in place
      }
      ++used;
      sum += w;
      squares += (w - 0.5) * (w - 0.5);
    }
    EXPECT_GT(used, kDraws * 4 / 10);
    EXPECT_NEAR(sum / used, 0.5, 0.02) << alpha;
    EXPECT_NEAR(squares / used, 0.25 / (2.0 * alpha + 1.0), 0.01) << alpha;
  }
}

TEST(CutMixTest, LabelsHaveTheShareOfTheArea) {
  Generator generator(7);
  int cut = 0;
  for (int draw = 0; draw < 200; ++draw) {
    const Batch batch = CutMix{.num_classes = 7}(numbered(7), generator);
    const std::vector<double> classes = expected_class(batch.labels);
    const std::vector<double> values = batch.inputs.to_vector<double>();
    for (std::size_t i = 0; i < 7; ++i) {
      double mean = 0.0;
      for (std::size_t k = 0; k < 96; ++k) {
        mean += values[i * 96 + k] / 96.0;
      }
      ASSERT_NEAR(mean, classes[i], 1e-12);
      for (std::size_t k = 0; k < 48; ++k) {
        ASSERT_EQ(values[i * 96 + k], values[i * 96 + 48 + k]) << "both channels";
      }
    }
    cut += classes[3] != 3.0 || classes[4] != 4.0 ? 1 : 0;
  }
  EXPECT_GT(cut, 100);
}

TEST(MixupTest, RefusesWhatDoesNotFit) {
  Generator generator(1);
  EXPECT_EQ(error_of<IndexError>([&] { Mixup{.num_classes = 6}(numbered(7), generator); }),
            "Mixup: expected labels in [0, 6) but label 6 is 6");
  EXPECT_EQ(error_of<ValueError>([&] { Mixup{.alpha = 0.0}(numbered(7), generator); }),
            "Mixup: expected alpha > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { CutMix{.num_classes = 0}(numbered(7), generator); }),
            "CutMix: expected num_classes of at least 1 but got 0");
  EXPECT_EQ(error_of<DTypeError>([&] {
              Mixup{}({.inputs = zeros({2, 1}), .labels = zeros({2})}, generator);
            }),
            "Mixup: expected int64 labels but got float32");
  EXPECT_EQ(error_of<ShapeError>([&] {
              Mixup{}({.inputs = zeros({2, 1}), .labels = arange(3)}, generator);
            }),
            "Mixup: expected labels [n], one for each input, but got [3] for [2, 1]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              CutMix{}({.inputs = zeros({2, 1}), .labels = arange(2)}, generator);
            }),
            "CutMix: expected images [n, C, H, W] but got [2, 1]");
}

TEST(RandomErasingTest, ErasesOneRectangle) {
  Generator generator(8);
  const Tensor images = ones({400, 2, 12, 10});
  const Tensor erased = RandomErasing{.p = 0.5, .scale = {0.1, 0.3}, .value = -1.0}(images, generator);
  const std::vector<double> values = erased.to_vector<double>();
  int count = 0;
  for (std::size_t n = 0; n < 400; ++n) {
    std::size_t top = 12;
    std::size_t bottom = 0;
    std::size_t left = 10;
    std::size_t right = 0;
    std::size_t area = 0;
    for (std::size_t i = 0; i < 120; ++i) {
      const double value = values[n * 240 + i];
      ASSERT_EQ(values[n * 240 + 120 + i], value) << "both channels";
      if (value == -1.0) {
        ++area;
        top = std::min(top, i / 10);
        bottom = std::max(bottom, i / 10 + 1);
        left = std::min(left, i % 10);
        right = std::max(right, i % 10 + 1);
      } else {
        ASSERT_EQ(value, 1.0);
      }
    }
    if (area == 0) {
      continue;
    }
    ++count;
    ASSERT_EQ(area, (bottom - top) * (right - left)) << "a rectangle";
    EXPECT_GE(area, 8U);
    EXPECT_LE(area, 45U);
  }
  EXPECT_NEAR(count, 200, 60);
  EXPECT_EQ(images.to_vector<double>(), std::vector<double>(400 * 240, 1.0)) << "the images of before";
  EXPECT_EQ(error_of<ValueError>([&] {
              RandomErasing{.scale = {0.5, 0.2}}(images, generator);
            }),
            "RandomErasing: expected a scale with 0 < from <= to <= 1 but got 0.5 and 0.2");
  EXPECT_EQ(error_of<ValueError>([&] {
              RandomErasing{.ratio = {0.0, 1.0}}(images, generator);
            }),
            "RandomErasing: expected a ratio with 0 < from <= to but got 0 and 1");
}

// One image in which each change alone can be read from two pixels.
TEST(ColorJitterTest, ChangesOneThingAtATime) {
  Generator generator(9);
  const Tensor image = Tensor::empty({1, 3, 1, 2}, kFloat64);
  const double pixels[] = {0.2, 0.4, 0.3, 0.4, 0.4, 0.4};  // R, G, B of a colored and a gray pixel
  std::copy(std::begin(pixels), std::end(pixels), Tensor(image).mutable_data<double>());
  const double gray = 0.299 * 0.2 + 0.587 * 0.3 + 0.114 * 0.4;
  const auto factor_range = [&](const ColorJitter& jitter, const auto& factor_of) {
    double least = 10.0;
    double most = 0.0;
    for (int draw = 0; draw < 2000; ++draw) {
      const double factor = factor_of(jitter(image, generator).template to_vector<double>());
      least = std::min(least, factor);
      most = std::max(most, factor);
    }
    EXPECT_NEAR(least, 0.5, 0.02);
    EXPECT_NEAR(most, 1.5, 0.02);
  };
  factor_range({.brightness = 0.5}, [&](const std::vector<double>& y) {
    EXPECT_NEAR(y[4] / 0.4, y[0] / 0.2, 1e-12);
    return y[0] / 0.2;
  });
  factor_range({.contrast = 0.5}, [&](const std::vector<double>& y) {
    const double mean = (gray + 0.4) / 2.0;
    EXPECT_NEAR((y[4] - mean) / (0.4 - mean), (y[0] - mean) / (0.2 - mean), 1e-12);
    return (y[0] - mean) / (0.2 - mean);
  });
  factor_range({.saturation = 0.5}, [&](const std::vector<double>& y) {
    EXPECT_NEAR(y[1], 0.4, 1e-12) << "gray stays";
    EXPECT_NEAR((y[2] - gray) / (0.3 - gray), (y[0] - gray) / (0.2 - gray), 1e-9);
    return (y[0] - gray) / (0.2 - gray);
  });
  EXPECT_EQ(ColorJitter{}(image, generator).to_vector<double>(), image.to_vector<double>());
  const std::vector<double> clamped =
      ColorJitter{.brightness = 9.0}(full({1, 1, 1, 1}, 1.0), generator).to_vector<double>();
  EXPECT_LE(clamped[0], 1.0);
  EXPECT_EQ(error_of<ValueError>([&] { ColorJitter{.contrast = -1.0}(image, generator); }),
            "ColorJitter: expected brightness, contrast and saturation >= 0 but got -1");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
