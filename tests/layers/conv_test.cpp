#include "normgrad/layers/conv.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;

TEST(ConvLayerTest, ShapesOfParametersAndResults) {
  Conv1d conv1(4, 6, 3, {.stride = 2, .padding = 1, .groups = 2});
  EXPECT_EQ(conv1.weight.shape(), Shape({6, 2, 3}));
  EXPECT_EQ(conv1.bias.shape(), Shape({6}));
  EXPECT_EQ(conv1(random_tensor({2, 4, 9}, kFloat32, 1)).shape(), Shape({2, 6, 5}));

  Conv2d conv2(3, 8, {3, 5}, {.padding = {1, 2}, .bias = false});
  EXPECT_EQ(conv2.weight.shape(), Shape({8, 3, 3, 5}));
  EXPECT_FALSE(conv2.bias.defined());
  EXPECT_EQ(conv2.parameters().size(), 1U);
  EXPECT_EQ(conv2(random_tensor({2, 3, 6, 7}, kFloat32, 1)).shape(), Shape({2, 8, 6, 7}));

  Conv3d conv3(2, 3, 2, {.dilation = 2, .dtype = kFloat64});
  EXPECT_EQ(conv3.weight.shape(), Shape({3, 2, 2, 2, 2}));
  EXPECT_EQ(conv3(random_tensor({1, 2, 5, 4, 3}, kFloat64, 1)).shape(), Shape({1, 3, 3, 2, 1}));

  ConvTranspose2d up(4, 6, 3, {.stride = 2, .padding = 1, .output_padding = 1, .groups = 2});
  EXPECT_EQ(up.weight.shape(), Shape({4, 3, 3, 3}));
  EXPECT_EQ(up.bias.shape(), Shape({6}));
  EXPECT_EQ(up(random_tensor({2, 4, 5, 5}, kFloat32, 1)).shape(), Shape({2, 6, 10, 10}));
}

// A 1x1 kernel is a matrix product at every position.
TEST(ConvLayerTest, ValuesOfAPointwiseConvolution) {
  Conv2d conv(3, 2, 1, {.stride = 2, .dtype = kFloat64});
  const Tensor x = random_tensor({2, 3, 4, 5}, kFloat64, 2);
  const Tensor y = conv(x);
  ASSERT_EQ(y.shape(), Shape({2, 2, 2, 3}));
  const auto xs = x.to_vector<double>();
  const auto ws = conv.weight.to_vector<double>();
  const auto bs = conv.bias.to_vector<double>();
  const auto ys = y.to_vector<double>();
  for (std::size_t n = 0; n < 2; ++n) {
    for (std::size_t o = 0; o < 2; ++o) {
      for (std::size_t h = 0; h < 2; ++h) {
        for (std::size_t w = 0; w < 3; ++w) {
          double sum = bs[o];
          for (std::size_t c = 0; c < 3; ++c) {
            sum += ws[o * 3 + c] * xs[((n * 3 + c) * 4 + 2 * h) * 5 + 2 * w];
          }
          EXPECT_NEAR(ys[((n * 2 + o) * 2 + h) * 3 + w], sum, 1e-14);
        }
      }
    }
  }
}

TEST(ConvLayerTest, GradientsReachInputWeightAndBias) {
  Conv2d conv(2, 4, 3, {.stride = 2, .padding = 1, .groups = 2, .dtype = kFloat64});
  Tensor x = random_tensor({2, 2, 4, 5}, kFloat64, 3);
  x.requires_grad_();
  EXPECT_TRUE(
      gradients_agree([&](const std::vector<Tensor>& in) { return conv(in[0]); }, {x, conv.weight, conv.bias}, 1));
  ConvTranspose2d up(2, 3, 2, {.stride = 2, .dtype = kFloat64});
  EXPECT_TRUE(gradients_agree([&](const std::vector<Tensor>& in) { return up(in[0]); }, {x, up.weight, up.bias}, 1));
}

TEST(ConvLayerTest, StartsUniformWithinFanIn) {
  Generator generator(7);
  const auto expect_limit = [](const Tensor& tensor, double limit) {
    const std::vector<double> values = tensor.to_vector<double>();
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    EXPECT_GT(*low, -limit - 1e-7);
    EXPECT_LT(*low, -0.95 * limit);
    EXPECT_LT(*high, limit + 1e-7);
    EXPECT_GT(*high, 0.95 * limit);
  };
  const Conv2d conv(8, 600, 3, {.groups = 2, .generator = &generator});
  expect_limit(conv.weight, 1.0 / std::sqrt(4.0 * 9.0));
  expect_limit(conv.bias, 1.0 / std::sqrt(4.0 * 9.0));
  const ConvTranspose2d up(20, 300, 2, {.generator = &generator});
  expect_limit(up.weight, 1.0 / std::sqrt(300.0 * 4.0));
  expect_limit(up.bias, 1.0 / std::sqrt(300.0 * 4.0));
}

TEST(ConvLayerTest, PrintsAsPyTorchDoes) {
  EXPECT_EQ(to_string(Conv2d(1, 32, 3)),
            "Conv2d(1, 32, kernel_size=(3, 3), stride=(1, 1))  [32x1x3x3, 32]  320 parameters");
  EXPECT_EQ(
      to_string(Conv2d(4, 8, {3, 5}, {.stride = 2, .padding = {1, 2}, .dilation = 2, .groups = 4, .bias = false})),
      "Conv2d(4, 8, kernel_size=(3, 5), stride=(2, 2), padding=(1, 2), dilation=(2, 2), groups=4, bias=false)  "
      "[8x1x3x5]  120 parameters");
  EXPECT_EQ(to_string(Conv1d(1, 2, 3)), "Conv1d(1, 2, kernel_size=(3,), stride=(1,))  [2x1x3, 2]  8 parameters");
  EXPECT_EQ(to_string(Conv3d(1, 1, 1)),
            "Conv3d(1, 1, kernel_size=(1, 1, 1), stride=(1, 1, 1))  [1x1x1x1x1, 1]  2 parameters");
  EXPECT_EQ(to_string(ConvTranspose2d(2, 1, 2, {.stride = 2, .output_padding = 1})),
            "ConvTranspose2d(2, 1, kernel_size=(2, 2), stride=(2, 2), output_padding=(1, 1))  [2x1x2x2, 1]  "
            "9 parameters");
}

TEST(ConvLayerTest, ConstructorsCheckTheirArguments) {
  EXPECT_EQ(error_of<ValueError>([] { Conv2d(0, 1, 1); }), "Conv2d: expected in_channels > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { Conv1d(1, -2, 1); }), "Conv1d: expected out_channels > 0 but got -2");
  EXPECT_EQ(error_of<ValueError>([] { Conv2d(4, 6, 1, {.groups = 4}); }),
            "Conv2d: expected in_channels and out_channels divisible by groups = 4 but got 4 and 6");
  EXPECT_EQ(error_of<ValueError>([] { Conv2d(4, 6, 1, {.groups = 0}); }), "Conv2d: expected groups > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { Conv2d(1, 1, 0); }), "Conv2d: expected kernel_size >= 1 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { Conv2d(1, 1, 1, {.stride = 0}); }), "Conv2d: expected stride >= 1 but got 0");
  EXPECT_EQ(error_of<ValueError>([] {
              Conv2d(1, 1, 1, {.padding = {0, -1}});
            }),
            "Conv2d: expected padding >= 0 but got [0, -1]");
  EXPECT_EQ(error_of<ShapeError>([] {
              Conv3d(1, 1, {3, 3});
            }),
            "Conv3d: expected kernel_size to be one number or 3 but got [3, 3]");
  EXPECT_EQ(error_of<ValueError>([] { ConvTranspose2d(1, 1, 3, {.stride = 2, .output_padding = 2}); }),
            "ConvTranspose2d: expected output_padding below stride or dilation but got 2");
  Conv2d conv(3, 4, 3);
  const std::string text = error_of<ShapeError>([&] { conv(random_tensor({1, 2, 5, 5}, kFloat32, 1)); });
  EXPECT_EQ(text.find("Conv2d: conv2d: "), 0U) << text;
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
