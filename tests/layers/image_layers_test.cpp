// Layers of image operations, pooling and dropout in all numbers of axes, padding of convolutions, bags and products.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/dropout.hpp"
#include "normgrad/layers/embedding.hpp"
#include "normgrad/layers/image.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/pooling.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;

std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }

TEST(ConvPaddingTest, SamePadsMoreAtTheEnd) {
  const Tensor x = random_tensor({2, 2, 5, 6}, kFloat64, 1);
  const Tensor w = random_tensor({3, 2, 2, 4}, kFloat64, 2);
  const Tensor y = conv2d(x, w, {}, {.padding = "same", .dilation = {3, 1}});
  EXPECT_EQ(y.shape(), Shape({2, 3, 5, 6}));
  EXPECT_EQ(values(y), values(conv2d(pad(x, {1, 2, 1, 2}), w, {}, {.dilation = {3, 1}})));
  EXPECT_EQ(values(conv2d(x, w, {}, {.padding = "valid"})), values(conv2d(x, w)));
  EXPECT_EQ(error_of<ValueError>([&] { conv2d(x, w, {}, {.stride = 2, .padding = "same"}); }),
            "conv2d: expected a stride of 1 for padding \"same\" but got 2");
  EXPECT_EQ(error_of<ValueError>([&] { conv2d(x, w, {}, {.padding = "full"}); }),
            "padding: expected sizes, \"same\" or \"valid\" but got \"full\"");
  const auto f = [](const std::vector<Tensor>& in) { return conv2d(in[0], in[1], {}, {.padding = "same"}); };
  EXPECT_TRUE(gradients_agree(f, {random_tensor({1, 1, 3, 3}, kFloat64, 3).requires_grad_(),
                                  random_tensor({1, 1, 2, 2}, kFloat64, 4).requires_grad_()}));
}

TEST(ConvPaddingTest, ModesOfTheLayer) {
  const Tensor x = random_tensor({1, 2, 5, 6}, kFloat64, 1);
  for (const std::string mode : {"reflect", "replicate", "circular"}) {
    Conv2d conv(2, 3, {3, 2}, {.padding = {1, 2}, .padding_mode = mode, .dtype = kFloat64});
    const Tensor expected = conv2d(pad(x, {2, 2, 1, 1}, mode), conv.weight, conv.bias);
    EXPECT_EQ(values(conv(x)), values(expected));
    EXPECT_EQ(values(conv(x, relu)), values(relu(expected)));
    EXPECT_EQ(values(Sequential(conv, ReLU())(x)), values(relu(expected)));
    EXPECT_EQ(conv.extra_repr(), "2, 3, kernel_size=(3, 2), stride=(1, 1), padding=(1, 2), padding_mode=" + mode);
  }
  Conv2d same(2, 3, {3, 2}, {.padding = "same", .padding_mode = "circular", .dtype = kFloat64});
  EXPECT_EQ(values(same(x)), values(conv2d(pad(x, {0, 1, 1, 1}, "circular"), same.weight, same.bias)));
  EXPECT_EQ(same.extra_repr(), "2, 3, kernel_size=(3, 2), stride=(1, 1), padding=same, padding_mode=circular");
  Conv1d zeros_around(2, 3, 3, {.padding = "same"});
  EXPECT_EQ(zeros_around(ones({1, 2, 7})).shape(), Shape({1, 3, 7}));
  EXPECT_EQ(error_of<ValueError>([] { Conv2d(1, 1, 3, {.stride = 2, .padding = "same"}); }),
            "Conv2d: expected a stride of 1 for padding \"same\" but got 2");
  EXPECT_EQ(error_of<ValueError>([] { Conv2d(1, 1, 3, {.padding_mode = "mirror"}); }),
            "Conv2d: expected padding_mode \"zeros\", \"reflect\", \"replicate\" or \"circular\" but got \"mirror\"");
}

// The transposed convolution is the adjoint of the convolution with the same options.
TEST(ConvTransposeTest, IsTheAdjointInAnyNumberOfAxes) {
  const Tensor line = random_tensor({2, 3, 7}, kFloat64, 1);
  const Tensor w1 = random_tensor({4, 3, 3}, kFloat64, 2);
  const Tensor y1 = conv1d(line, w1, {}, {.stride = 2, .padding = 1});
  const Tensor g1 = random_tensor(y1.shape(), kFloat64, 3);
  const Tensor back1 = conv_transpose1d(g1, w1, {}, {.stride = 2, .padding = 1});
  EXPECT_EQ(back1.shape(), line.shape());
  EXPECT_NEAR(sum(y1 * g1).item(), sum(line * back1).item(), 1e-11);
  const Tensor volume = random_tensor({1, 2, 4, 5, 4}, kFloat64, 4);
  const Tensor w3 = random_tensor({4, 1, 2, 3, 2}, kFloat64, 5);
  const ConvOptions options{.stride = {2, 1, 2}, .padding = {1, 0, 0}, .dilation = 1, .groups = 2};
  const Tensor y3 = conv3d(volume, w3, {}, options);
  const Tensor g3 = random_tensor(y3.shape(), kFloat64, 6);
  const Tensor back3 = conv_transpose3d(g3, w3, {}, {.stride = {2, 1, 2}, .padding = {1, 0, 0}, .groups = 2});
  EXPECT_EQ(back3.shape(), volume.shape());
  EXPECT_NEAR(sum(y3 * g3).item(), sum(volume * back3).item(), 1e-11);
  ConvTranspose1d up1(3, 2, 4, {.stride = 2, .padding = 1});
  EXPECT_EQ(up1(ones({1, 3, 5})).shape(), Shape({1, 2, 10}));
  ConvTranspose3d up3(3, 4, 2, {.stride = 2, .groups = 1});
  EXPECT_EQ(up3(ones({3, 2, 2, 2})).shape(), Shape({4, 4, 4, 4}));
  EXPECT_EQ(up3.extra_repr(), "3, 4, kernel_size=(2, 2, 2), stride=(2, 2, 2)");
  EXPECT_EQ(error_of<ValueError>([] { ConvTranspose1d(1, 1, 2, {.output_padding = 1}); }),
            "ConvTranspose1d: expected output_padding below stride or dilation but got 1");
  const auto f = [](const std::vector<Tensor>& in) {
    return conv_transpose1d(in[0], in[1], in[2], {.stride = 2, .output_padding = 1});
  };
  EXPECT_TRUE(gradients_agree(
      f, {random_tensor({1, 2, 3}, kFloat64, 7).requires_grad_(),
          random_tensor({2, 1, 2}, kFloat64, 8).requires_grad_(), random_tensor({1}, kFloat64, 9).requires_grad_()}));
}

TEST(PoolLayersTest, CallTheirFunctions) {
  const Tensor volume = random_tensor({2, 3, 4, 5, 6}, kFloat32, 1);
  const Tensor image = random_tensor({2, 3, 5, 6}, kFloat32, 2);
  const Tensor line = random_tensor({2, 3, 7}, kFloat32, 3);
  EXPECT_EQ(values(MaxPool3d(2)(volume)), values(max_pool3d(volume, 2)));
  EXPECT_EQ(values(AvgPool3d(2, {.ceil_mode = true})(volume)), values(avg_pool3d(volume, 2, {.ceil_mode = true})));
  EXPECT_EQ(values(LPPool1d(2, 3)(line)), values(lp_pool1d(line, 2, 3)));
  EXPECT_EQ(values(LPPool2d(2, 2, {.stride = 1})(image)), values(lp_pool2d(image, 2, 2, {.stride = 1})));
  EXPECT_EQ(values(AdaptiveAvgPool1d(3)(line)), values(adaptive_avg_pool1d(line, 3)));
  EXPECT_EQ(values(AdaptiveAvgPool3d(2)(volume)), values(adaptive_avg_pool3d(volume, 2)));
  EXPECT_EQ(values(AdaptiveMaxPool1d(3)(line)), values(adaptive_max_pool1d(line, 3)));
  EXPECT_EQ(values(AdaptiveMaxPool2d({2, 3})(image)), values(adaptive_max_pool2d(image, {2, 3})));
  EXPECT_EQ(values(AdaptiveMaxPool3d(2)(volume)), values(adaptive_max_pool3d(volume, 2)));
  const MaxPoolResult pooled = max_pool2d_with_indices(image, 2);
  MaxUnpool2d unpool(2);
  EXPECT_EQ(values(unpool(pooled.values, pooled.indices)), values(max_unpool2d(pooled.values, pooled.indices, 2)));
  // A fused pooling has no windows beyond the end, so ceil_mode is computed apart from the ReLU before it.
  const MaxPoolOptions ceiling{.ceil_mode = true};
  EXPECT_EQ(values(Sequential(ReLU(), MaxPool2d(2, ceiling))(image)), values(max_pool2d(relu(image), 2, ceiling)));
  EXPECT_EQ(MaxPool2d(2, ceiling).extra_repr(), "kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=true");
  EXPECT_EQ(AvgPool2d(2, {.count_include_pad = false, .divisor_override = 3}).extra_repr(),
            "kernel_size=2, stride=2, padding=0, count_include_pad=false, divisor_override=3");
  EXPECT_EQ(LPPool1d(2, 3).extra_repr(), "norm_type=2, kernel_size=3, stride=3");
  EXPECT_EQ(AdaptiveMaxPool2d({2, 3}).extra_repr(), "output_size=(2, 3)");
  EXPECT_EQ(error_of<ValueError>([] { AvgPool3d(2, {.divisor_override = 0}); }),
            "AvgPool3d: expected divisor_override >= 1 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { LPPool2d(0, 2); }), "LPPool2d: expected norm_type other than 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { AdaptiveMaxPool1d(0); }),
            "AdaptiveMaxPool1d: expected output_size >= 1 but got 0");
}

TEST(ImageLayersTest, CallTheirFunctions) {
  const Tensor image = random_tensor({1, 4, 4, 6}, kFloat32, 1);
  const InterpolateOptions options{.scale_factor = 2, .mode = "bilinear"};
  EXPECT_EQ(values(Upsample(options)(image)), values(interpolate(image, options)));
  EXPECT_EQ(Upsample(options).extra_repr(), "scale_factor=2, mode='bilinear'");
  EXPECT_EQ(Upsample({.size = {3, 4}}).extra_repr(), "size=[3, 4], mode='nearest'");
  EXPECT_EQ(values(PixelShuffle(2)(image)), values(pixel_shuffle(image, 2)));
  EXPECT_EQ(values(PixelUnshuffle(2)(image)), values(pixel_unshuffle(image, 2)));
  const Tensor columns = Unfold(2, {.stride = 2})(image);
  EXPECT_EQ(values(columns), values(unfold(image, 2, {.stride = 2})));
  EXPECT_EQ(values(Fold({4, 6}, 2, {.stride = 2})(columns)), values(image));
  EXPECT_EQ(Fold({4, 6}, 2).extra_repr(), "output_size=[4, 6], kernel_size=2, dilation=1, padding=0, stride=1");
  EXPECT_EQ(values(ReflectionPad2d({1, 2, 0, 1})(image)), values(pad(image, {1, 2, 0, 1}, "reflect")));
  EXPECT_EQ(values(ReplicationPad2d(2)(image)), values(pad(image, {2, 2, 2, 2}, "replicate")));
  EXPECT_EQ(values(CircularPad1d(1)(image[0])), values(pad(image[0], {1, 1}, "circular")));
  EXPECT_EQ(values(ZeroPad2d(1)(image)), values(pad(image, {1, 1, 1, 1})));
  EXPECT_EQ(values(ConstantPad3d(1, 2.5)(image)), values(pad(image, {1, 1, 1, 1, 1, 1}, 2.5)));
  EXPECT_EQ(ConstantPad1d({1, 2}, 2.5).extra_repr(), "(1, 2), value=2.5");
  EXPECT_EQ(ReflectionPad1d(3).extra_repr(), "(3, 3)");
  EXPECT_EQ(error_of<ShapeError>([] {
              ReflectionPad2d({1, 2});
            }),
            "ReflectionPad2d: expected padding of one number or 4 but got 2");
  EXPECT_EQ(error_of<ShapeError>([&] {
              ReflectionPad1d pad1(1);
              pad1.forward(image);
            }),
            "ReflectionPad1d: expected a 3-D input [N, C, ...] or a 2-D input [C, ...] but got [1, 4, 4, 6]");
  EXPECT_EQ(error_of<ValueError>([] { Upsample({}); }),
            "Upsample: expected either size or scale_factor but got neither");
  EXPECT_EQ(error_of<ValueError>([] { PixelShuffle(0); }), "PixelShuffle: expected upscale_factor >= 1 but got 0");
}

TEST(DropoutLayersTest, DropInTrainingOnly) {
  const Tensor x = ones({8, 50, 3});
  const Tensor image = ones({8, 50, 2, 2});
  const auto check = [](Module& layer, const Tensor& in) {
    manual_seed(1);
    const Tensor y = layer(in);
    EXPECT_NE(values(y), values(in)) << layer.type_name();
    layer.eval();
    EXPECT_TRUE(is_same(layer(in), in)) << layer.type_name();
    EXPECT_EQ(layer.extra_repr().substr(0, 5), "p=0.5") << layer.type_name();
  };
  Dropout1d one;
  Dropout2d two(0.5);
  Dropout3d three;
  AlphaDropout alpha;
  FeatureAlphaDropout feature;
  StochasticDepth depth(0.5, "row");
  check(one, x);
  check(two, image);
  check(three, image);
  check(alpha, x);
  check(feature, x);
  check(depth, x);
  EXPECT_EQ(depth.extra_repr(), "p=0.5, mode=row");
  EXPECT_EQ(error_of<ValueError>([] { Dropout2d(2.0); }), "Dropout2d: expected p in [0, 1] but got 2");
  EXPECT_EQ(error_of<ValueError>([] { StochasticDepth(0.5, "rows"); }),
            "StochasticDepth: expected mode \"batch\" or \"row\" but got \"rows\"");
}

TEST(BagLayerTest, EmbeddingBagAndBilinear) {
  EmbeddingBag bag(5, 3, {.mode = "sum", .padding_idx = -1});
  EXPECT_EQ(bag.extra_repr(), "5, 3, mode=sum, padding_idx=4");
  EXPECT_EQ(values(bag.weight[4]), std::vector<double>(3, 0.0));
  const Tensor index = from_vector(std::vector<std::int64_t>{0, 1, 4, 2}, {2, 2});
  EXPECT_EQ(values(bag(index)), values(stack({bag.weight[0] + bag.weight[1], bag.weight[2]})));
  const Tensor offsets = from_vector(std::vector<std::int64_t>{0, 1}, {2});
  EXPECT_EQ(values(bag(index.reshape({4}), offsets)),
            values(embedding_bag(index.reshape({4}), bag.weight, offsets, {.mode = "sum", .padding_idx = 4})));
  EXPECT_EQ(error_of<ValueError>([] { EmbeddingBag(1, 1, {.mode = "min"}); }),
            "EmbeddingBag: expected mode \"sum\", \"mean\" or \"max\" but got \"min\"");
  EXPECT_EQ(error_of<IndexError>([] { EmbeddingBag(2, 1, {.padding_idx = 2}); }),
            "EmbeddingBag: expected padding_idx in [-2, 2) but got 2");
  Bilinear product(4, 5, 2);
  EXPECT_EQ(product.extra_repr(), "in1_features=4, in2_features=5, out_features=2, bias=true");
  EXPECT_EQ(product(ones({3, 4}), ones({3, 5})).shape(), Shape({3, 2}));
  for (const double w : values(product.weight)) {
    EXPECT_LE(std::abs(w), 0.5);
  }
  EXPECT_FALSE(Bilinear(1, 2, 3, {.bias = false}).bias.defined());
  EXPECT_EQ(error_of<ValueError>([] { Bilinear(0, 2, 3); }), "Bilinear: expected sizes > 0 but got 0, 2 and 3");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
