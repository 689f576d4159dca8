#include "normgrad/layers/module/summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/dropout.hpp"
#include "normgrad/layers/flatten.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/check_batches.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/pooling.hpp"
#include "normgrad/layers/recurrent/recurrent.hpp"
#include "normgrad/layers/transformer/multihead_attention.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;

struct Net : Module {
  Sequential features{Conv2d(3, 8, 3, {.padding = 1, .bias = false}), BatchNorm2d(8), ReLU(), MaxPool2d(2)};
  Dropout drop{0.5};
  Linear head{8 * 4 * 4, 10};
  NORMGRAD_MEMBERS(Net, features, drop, head)
  Tensor forward(const Tensor& x) override { return head(drop(features(x).flatten(1))); }
};

std::map<std::string, LayerSummary> by_path(const ModelSummary& summary) {
  std::map<std::string, LayerSummary> layers;
  for (const LayerSummary& layer : summary.layers) {
    layers[layer.path] = layer;
  }
  return layers;
}

TEST(SummaryTest, CountsAttentionAndRecurrentLayers) {
  MultiheadAttention attention(6, 2, {.batch_first = true});
  // Two projections, and for 2 heads of 3 features 4 x 4 scores per sample.
  EXPECT_EQ(by_path(summary(attention, {5, 4, 6}))[""].flops,
            20 * (2 * 6 * 18 + 18) + 5 * 2 * 4 * 4 * (2 * (3 + 3) + 5));
  LSTM lstm(3, 4, {.proj_size = 2});
  EXPECT_EQ(by_path(summary(lstm, {5, 7, 3}))[""].flops, 35 * (2 * 3 * 16 + 16) + 35 * (2 * (16 * 2 + 2 * 4) + 3 * 16));
}

TEST(SummaryTest, CountsShapesParametersOperationsAndBytes) {
  Net net;
  net.head.requires_grad_(false);
  const ModelSummary result = summary(net, {2, 3, 8, 8});
  auto layers = by_path(result);
  ASSERT_EQ(layers.size(), 8U);
  EXPECT_EQ(layers[""].type, "Net");
  EXPECT_EQ(layers[""].output_shape, (Shape{2, 10}));
  EXPECT_EQ(layers[""].flops, 0);
  EXPECT_EQ(layers["features.0"].output_shape, (Shape{2, 8, 8, 8}));
  EXPECT_EQ(layers["features.0"].parameters, 8 * 3 * 9);
  EXPECT_EQ(layers["features.0"].flops, 2 * (2 * 8 * 64) * 3 * 9);
  EXPECT_EQ(layers["features.0"].bytes, 4 * 2 * 8 * 64);
  EXPECT_EQ(layers["features.1"].parameters, 16);
  EXPECT_EQ(layers["features.1"].flops, 2 * 2 * 8 * 64);
  EXPECT_EQ(layers["features.2"].flops, 2 * 8 * 64);
  EXPECT_EQ(layers["features.3"].output_shape, (Shape{2, 8, 4, 4}));
  EXPECT_EQ(layers["features.3"].flops, 2 * 8 * 64);
  EXPECT_EQ(layers["features"].output_shape, (Shape{2, 8, 4, 4}));
  EXPECT_EQ(layers["drop"].output_shape, (Shape{2, 128}));
  EXPECT_EQ(layers["drop"].flops, 0);
  EXPECT_EQ(layers["head"].flops, 2 * 2 * 10 * 128 + 2 * 10);
  EXPECT_EQ(layers["head"].parameters, 1290);
  EXPECT_EQ(layers["head"].trainable, 0);
  EXPECT_EQ(result.parameters, 216 + 16 + 1290);
  EXPECT_EQ(result.trainable, 216 + 16);
  EXPECT_EQ(result.parameter_bytes, 4 * (216 + 16 + 1290) + 8 * 16 + 8);
  std::int64_t flops = 0;
  for (const auto& [path, layer] : layers) {
    flops += layer.flops;
  }
  EXPECT_EQ(result.flops, flops) << "the column adds up";
}

TEST(SummaryTest, ChangesNothing) {
  Net net;
  net.features.eval();
  const std::vector<float> mean = net.features.at<BatchNorm2d>(1).running_mean.to_vector<float>();
  summary(net, {2, 3, 8, 8});
  EXPECT_TRUE(net.is_training());
  EXPECT_TRUE(net.drop.is_training());
  EXPECT_FALSE(net.features.is_training());
  EXPECT_FALSE(net.features[1].is_training());
  EXPECT_EQ(net.features.at<BatchNorm2d>(1).running_mean.to_vector<float>(), mean);
  EXPECT_EQ(net.features.at<BatchNorm2d>(1).num_batches_tracked.item(), 0.0);
}

TEST(SummaryTest, ConvolutionsInGroupsTransposedAndWithBias) {
  Sequential net(Conv2d(4, 6, 3, {.groups = 2}), ConvTranspose2d(6, 5, 2, {.stride = 2}), LayerNorm(10));
  auto layers = by_path(summary(net, {1, 4, 7, 7}));
  EXPECT_EQ(layers["0"].output_shape, (Shape{1, 6, 5, 5}));
  EXPECT_EQ(layers["0"].flops, 6 * 25 * (2 * 2 * 9 + 1));
  EXPECT_EQ(layers["1"].output_shape, (Shape{1, 5, 10, 10}));
  EXPECT_EQ(layers["1"].flops, 2 * 6 * 25 * 5 * 4 + 500);
  EXPECT_EQ(layers["2"].flops, 8 * 500);
}

TEST(SummaryTest, DTypesSharedModulesAndErrors) {
  struct Twice : Module {
    Linear layer{3, 3, {.dtype = kFloat64}};
    NORMGRAD_MEMBERS(Twice, layer)
    Tensor forward(const Tensor& x) override { return relu(layer(layer(x))); }
  } twice;
  const ModelSummary result = summary(twice, {5, 3});
  EXPECT_EQ(result.layers[1].calls, 2);
  EXPECT_EQ(result.layers[1].flops, 2 * (2 * 15 * 3 + 15));
  EXPECT_EQ(result.layers[1].bytes, 2 * 15 * 8);
  EXPECT_EQ(result.layers[0].flops, 15) << "relu is the model's own";
  EXPECT_THROW(summary(twice, {5, 4}), ShapeError);
  EXPECT_TRUE(twice.layer.is_training()) << "after an error, too";
  summary(twice, {5, 3});
}

TEST(SummaryTest, PrintsATable) {
  Sequential net({{"fc", Linear(1000, 10)}, {"act", ReLU()}});
  EXPECT_EQ(
      to_string(summary(net, {2, 1000})),
      "layer         output shape  parameters   FLOPs  bytes\n"
      "Sequential    [2, 10]                0       0     80\n"
      "  fc: Linear  [2, 10]           10,010  40,020     80\n"
      "  act: ReLU   [2, 10]                0      20     80\n"
      "total for input [2, 1000]: 10,010 parameters (10,010 trainable, 40,040 bytes with buffers), 40,040 FLOPs, 160 "
      "bytes of results\n");
}

TEST(CheckBatchesTest, WarnsOfALastBatchOfOne) {
  Sequential net({{"fc", Linear(3, 4)}, {"norm", BatchNorm1d(4)}});
  EXPECT_EQ(
      check_batches(net, 1),
      "the last batch of each epoch holds 1 example, and BatchNorm1d 'norm' takes statistics over the examples of a "
      "batch: pass {.drop_last = true} to the DataLoader, or choose another batch_size");
  EXPECT_EQ(check_batches(net, 2), "");
  net.at<BatchNorm1d>(1).freeze();
  EXPECT_EQ(check_batches(net, 1), "") << "a frozen one takes no statistics";
  Sequential without(Linear(3, 4), LayerNorm(4));
  EXPECT_EQ(check_batches(without, 1), "");
  struct Loader {
    std::int64_t last_batch_size() const { return 1; }
  };
  net.at<BatchNorm1d>(1).unfreeze();
  EXPECT_THAT(check_batches(net, Loader()), HasSubstr("drop_last"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
