#include "normgrad/core/ops/conv/conv.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;

struct ConvCase {
  Shape x, w, y;
  ConvOptions options;
};

void PrintTo(const ConvCase& c, std::ostream* out) { *out << "x " << c.x << ", w " << c.w << ", y " << c.y; }

Tensor conv(const Tensor& x, const Tensor& w, const Tensor& b, const ConvOptions& options) {
  return w.dim() == 3 ? conv1d(x, w, b, options) : w.dim() == 4 ? conv2d(x, w, b, options) : conv3d(x, w, b, options);
}

Tensor leaf(const Shape& shape, std::uint32_t seed) {
  Tensor x = random_tensor(shape, kFloat64, seed);
  return x.requires_grad_();
}

class ConvOpTest : public testing::TestWithParam<ConvCase> {};

TEST_P(ConvOpTest, ShapeAndGradientsOfFirstAndSecondOrder) {
  const ConvCase& c = GetParam();
  const Tensor x = leaf(c.x, 1), w = leaf(c.w, 2), b = leaf({c.w[0]}, 3);
  EXPECT_EQ(conv(x, w, b, c.options).shape(), c.y);
  EXPECT_TRUE(
      gradients_agree([&](const std::vector<Tensor>& in) { return conv(in[0], in[1], in[2], c.options); }, {x, w, b}));
  EXPECT_TRUE(
      gradients_agree([&](const std::vector<Tensor>& in) { return conv(in[0], in[1], {}, c.options); }, {x, w}));
}

TEST_P(ConvOpTest, FloatFollowsDouble) {
  const ConvCase& c = GetParam();
  std::vector<std::vector<double>> results;
  for (const DType dtype : {kFloat64, kFloat32}) {
    Tensor x = random_tensor(c.x, dtype, 1), w = random_tensor(c.w, dtype, 2), b = random_tensor({c.w[0]}, dtype, 3);
    x.requires_grad_();
    w.requires_grad_();
    b.requires_grad_();
    const Tensor y = conv(x, w, b, c.options);
    results.push_back(y.to_vector<double>());
    for (const Tensor& g : grad({y}, {x, w, b}, {random_tensor(c.y, dtype, 4)})) {
      results.push_back(g.to_vector<double>());
    }
  }
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_EQ(results[i].size(), results[i + 4].size());
    for (std::size_t j = 0; j < results[i].size(); ++j) {
      // Sums of at most a few hundred products of standard normal numbers.
      ASSERT_NEAR(results[i][j], results[i + 4][j], 2e-5) << "result " << i << " at " << j;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ConvOpTest,
    testing::Values(ConvCase{{2, 3, 8}, {4, 3, 3}, {2, 4, 6}, {}},
                    ConvCase{{3, 8}, {4, 3, 3}, {4, 4}, {.stride = 2, .padding = 1}},
                    ConvCase{{2, 3, 5, 6}, {4, 3, 3, 3}, {2, 4, 5, 6}, {.padding = 1}},
                    ConvCase{{3, 5, 6}, {2, 3, 3, 2}, {2, 3, 5}, {}},
                    ConvCase{
                        {2, 4, 6, 7}, {6, 2, 3, 2}, {2, 6, 3, 3}, {.stride = {2, 3}, .padding = {1, 1}, .groups = 2}},
                    ConvCase{{2, 4, 7, 7}, {4, 1, 3, 3}, {2, 4, 5, 5}, {.padding = 1, .dilation = 2, .groups = 4}},
                    ConvCase{{2, 5, 4, 4}, {3, 5, 1, 1}, {2, 3, 4, 4}, {}},
                    ConvCase{{1, 2, 3, 4, 4}, {3, 2, 2, 3, 2}, {1, 3, 2, 2, 3}, {}},
                    ConvCase{{1, 2, 3, 4, 4},
                             {2, 1, 2, 3, 2},
                             {1, 2, 2, 4, 2},
                             {.stride = {1, 1, 2}, .padding = {0, 1, 0}, .groups = 2}}));

TEST(ConvOpEdgeTest, ThirdOrder) {
  EXPECT_TRUE(gradients_agree([](const std::vector<Tensor>& in) { return conv2d(in[0], in[1], in[2], {.padding = 1}); },
                              {leaf({1, 2, 2, 3}, 1), leaf({2, 2, 2, 1}, 2), leaf({2}, 3)}, 3));
}

TEST(ConvOpEdgeTest, AnEmptyBatchGivesAnEmptyResultAndZeroGradients) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = random_tensor({0, 2, 4, 4}, dtype, 1);
    Tensor w = random_tensor({3, 2, 3, 3}, dtype, 2);
    w.requires_grad_();
    const Tensor y = conv2d(x, w);
    EXPECT_EQ(y.shape(), (Shape{0, 3, 2, 2}));
    y.backward(Tensor::empty(y.shape(), dtype));
    EXPECT_EQ(w.grad().to_vector<double>(), std::vector<double>(54, 0.0));
  }
}

TEST(ConvOpEdgeTest, SaysWhatDoesNotFit) {
  const Tensor x = random_tensor({2, 4, 8, 8}, kFloat32, 1);
  const Tensor w = random_tensor({6, 4, 3, 3}, kFloat32, 2);
  EXPECT_EQ(error_of<Error>([&] {
              conv2d(random_tensor({2, 3, 8, 8}, kFloat32, 1), w);
            }),
            "conv2d: expected an input with 4 channels for a weight [6, 4, 3, 3] and groups = 1 but got [2, 3, 8, 8]");
  EXPECT_EQ(error_of<Error>([&] { conv2d(x, w, {}, {.groups = 4}); }),
            "conv2d: expected output channels divisible by groups = 4 but got a weight [6, 4, 3, 3]");
  EXPECT_EQ(error_of<Error>([&] { conv2d(x, w, {}, {.groups = 0}); }), "conv2d: expected groups >= 1 but got 0");
  EXPECT_EQ(error_of<Error>([&] {
              conv2d(random_tensor({2, 4, 8}, kFloat32, 1).reshape({1, 2, 4, 8, 1}), w);
            }),
            "conv2d: expected a 4-D input [N, C, ...] or a 3-D input [C, ...] but got [1, 2, 4, 8, 1]");
  EXPECT_EQ(error_of<Error>([&] {
              conv2d(x, random_tensor({6, 4, 3}, kFloat32, 1));
            }),
            "conv2d: expected a 4-D weight but got [6, 4, 3]");
  EXPECT_EQ(error_of<Error>([&] { conv2d(x, w, random_tensor({4}, kFloat32, 1)); }),
            "conv2d: expected a bias [6] but got [4]");
  EXPECT_EQ(error_of<Error>([&] {
              conv2d(x, random_tensor({6, 4, 3, 3}, kFloat64, 1));
            }),
            "conv2d: expected input, weight and bias of the same dtype but got float32, float64 and none; convert one "
            "of them with "
            "to()");
  EXPECT_EQ(
      error_of<Error>([&] {
        conv2d(random_tensor({2, 4, 8, 2}, kFloat32, 1), w);
      }),
      "conv2d: expected a window no larger than the padded input but got a kernel of 3 (dilation 1) on 2 elements "
      "with padding 0; input [2, 4, 8, 2], weight [6, 4, 3, 3]");
  EXPECT_EQ(error_of<Error>([&] {
              conv2d(x, w, {}, {.stride = {1, 2, 3}});
            }),
            "conv2d: expected stride to be one number or 2 but got [1, 2, 3]");
  EXPECT_EQ(error_of<Error>([&] { conv2d(x, w, {}, {.stride = 0}); }), "conv2d: expected stride >= 1 but got 0");
  EXPECT_EQ(error_of<Error>([&] {
              conv2d(x, w, {}, {.padding = {0, -1}});
            }),
            "conv2d: expected padding >= 0 but got [0, -1]");
}

struct TransposeCase {
  Shape x, w, y;
  ConvTransposeOptions options;
};

void PrintTo(const TransposeCase& c, std::ostream* out) { *out << "x " << c.x << ", w " << c.w << ", y " << c.y; }

class ConvTransposeTest : public testing::TestWithParam<TransposeCase> {};

// The definition: every element of x adds its multiple of the kernel to the result.
std::vector<double> scatter(const Tensor& x, const Tensor& w, const Tensor& b, const Shape& y,
                            const ConvTransposeOptions& options) {
  const auto at = [](const Tensor& t, std::int64_t i) { return t.to_vector<double>()[static_cast<std::size_t>(i)]; };
  const auto step = [](const PerAxis& sizes, std::size_t axis) { return sizes[axis]; };
  std::vector<double> result(static_cast<std::size_t>(y.numel()));
  const std::int64_t c_out = y[1], in_group = x.size(1) / options.groups, out_group = c_out / options.groups;
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    result[static_cast<std::size_t>(i)] = at(b, i / (y[2] * y[3]) % c_out);
  }
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const std::int64_t iw = i % x.size(3), ih = i / x.size(3) % x.size(2), ci = i / (x.size(3) * x.size(2)) % x.size(1);
    const std::int64_t n = i / (x.size(3) * x.size(2) * x.size(1));
    for (std::int64_t co = 0; co < out_group; ++co) {
      for (std::int64_t kh = 0; kh < w.size(2); ++kh) {
        for (std::int64_t kw = 0; kw < w.size(3); ++kw) {
          const std::int64_t oh =
              ih * step(options.stride, 0) - step(options.padding, 0) + kh * step(options.dilation, 0);
          const std::int64_t ow =
              iw * step(options.stride, 1) - step(options.padding, 1) + kw * step(options.dilation, 1);
          if (oh >= 0 && oh < y[2] && ow >= 0 && ow < y[3]) {
            const std::int64_t channel = ci / in_group * out_group + co;
            result[static_cast<std::size_t>(((n * c_out + channel) * y[2] + oh) * y[3] + ow)] +=
                at(x, i) * at(w, ((ci * out_group + co) * w.size(2) + kh) * w.size(3) + kw);
          }
        }
      }
    }
  }
  return result;
}

TEST_P(ConvTransposeTest, EqualsTheDefinition) {
  const TransposeCase& c = GetParam();
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = random_tensor(c.x, dtype, 1), w = random_tensor(c.w, dtype, 2);
    const Tensor b = random_tensor({c.y[1]}, dtype, 3);
    const Tensor y = conv_transpose2d(x, w, b, c.options);
    ASSERT_EQ(y.shape(), c.y);
    const auto actual = y.to_vector<double>();
    const auto expected = scatter(x, w, b, c.y, c.options);
    for (std::size_t i = 0; i < actual.size(); ++i) {
      ASSERT_NEAR(actual[i], expected[i], dtype == kFloat32 ? 1e-5 : 1e-13) << i;
    }
  }
}

TEST_P(ConvTransposeTest, GradientsOfFirstAndSecondOrder) {
  const TransposeCase& c = GetParam();
  EXPECT_TRUE(
      gradients_agree([&](const std::vector<Tensor>& in) { return conv_transpose2d(in[0], in[1], in[2], c.options); },
                      {leaf(c.x, 1), leaf(c.w, 2), leaf({c.y[1]}, 3)}));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ConvTransposeTest,
    testing::Values(TransposeCase{{2, 3, 4, 5}, {3, 2, 3, 3}, {2, 2, 6, 7}, {}},
                    TransposeCase{{1, 3, 4, 5},
                                  {3, 2, 3, 2},
                                  {1, 2, 8, 14},
                                  {.stride = {2, 3}, .padding = {1, 0}, .output_padding = {1, 0}}},
                    TransposeCase{{2, 4, 3, 3}, {4, 3, 2, 2}, {2, 6, 6, 6}, {.stride = 2, .groups = 2}},
                    TransposeCase{{1, 2, 3, 3}, {2, 2, 2, 2}, {1, 2, 6, 6}, {.output_padding = 1, .dilation = 2}},
                    TransposeCase{{1, 2, 4, 4}, {2, 1, 3, 3}, {1, 1, 2, 2}, {.padding = 2}}));

TEST(ConvTransposeEdgeTest, TakesAnInputWithoutBatch) {
  const Tensor x = random_tensor({3, 4, 5}, kFloat64, 1), w = random_tensor({3, 2, 3, 3}, kFloat64, 2);
  const Tensor y = conv_transpose2d(x, w);
  EXPECT_EQ(y.shape(), (Shape{2, 6, 7}));
  EXPECT_EQ(y.to_vector<double>(), conv_transpose2d(x.reshape({1, 3, 4, 5}), w).to_vector<double>());
}

TEST(ConvTransposeEdgeTest, SaysWhatDoesNotFit) {
  const Tensor x = random_tensor({2, 4, 3, 3}, kFloat32, 1);
  const Tensor w = random_tensor({4, 3, 2, 2}, kFloat32, 2);
  EXPECT_EQ(error_of<Error>([&] {
              conv_transpose2d(random_tensor({2, 3, 3, 3}, kFloat32, 1), w);
            }),
            "conv_transpose2d: expected an input with 4 channels for a weight [4, 3, 2, 2] but got [2, 3, 3, 3]");
  EXPECT_EQ(error_of<Error>([&] { conv_transpose2d(x, w, {}, {.groups = 3}); }),
            "conv_transpose2d: expected input channels divisible by groups = 3 but got [2, 4, 3, 3]");
  EXPECT_EQ(error_of<Error>([&] { conv_transpose2d(x, w, {}, {.stride = 2, .output_padding = 2}); }),
            "conv_transpose2d: expected an output_padding below stride or dilation but got 2 with stride 2 and "
            "dilation 1");
  EXPECT_EQ(error_of<Error>([&] { conv_transpose2d(x, w, random_tensor({4}, kFloat32, 1)); }),
            "conv_transpose2d: expected a bias [3] but got [4]");
  EXPECT_THROW(conv_transpose2d(x, w, {}, {.padding = 3}), ShapeError);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
