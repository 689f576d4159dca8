// swap_norms: which norms are replaced, what they keep, and what the report says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/io/safetensors.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/module_list.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/flatten.hpp"
#include "normgrad/layers/identity.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/registry.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"
#include "normgrad/layers/norm/weight_norm.hpp"
#include "normgrad/layers/recurrent/cells.hpp"
#include "normgrad/layers/transformer/encoder.hpp"
#include "normgrad/optim/sgd.hpp"
#include "normgrad/train/swap_norms.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using tests::error_of;
using tests::random_tensor;

std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }

// A residual block, and a network of them, written by hand.
struct Block : Module {
  explicit Block(std::int64_t channels)
      : conv1(channels, channels, 3, {.padding = 1, .bias = false}),
        bn1(BatchNorm2d(channels)),
        conv2(channels, channels, 3, {.padding = 1, .bias = false}),
        bn2(BatchNorm2d(channels)) {}
  NORMGRAD_MEMBERS(Block, conv1, bn1, conv2, bn2)
  Tensor forward(const Tensor& x) override { return relu(x + bn2(conv2(relu(bn1(conv1(x)))))); }
  Conv2d conv1;
  AnyModule bn1;
  Conv2d conv2;
  AnyModule bn2;
};

struct ResNet : Module {
  Conv2d conv{1, 8, 3, {.padding = 1}};
  AnyModule bn = BatchNorm2d(8);
  std::vector<Block> blocks;
  Linear fc{8, 3};
  ResNet() {
    blocks.emplace_back(8);
    blocks.emplace_back(8);
  }
  NORMGRAD_MEMBERS(ResNet, conv, bn, blocks, fc)
  Tensor forward(const Tensor& x) override {
    Tensor y = relu(bn(conv(x)));
    for (Block& block : blocks) {
      y = block(y);
    }
    return fc(mean(y, {2, 3}));
  }
};

TEST(SwapNormsTest, ReplacesTheNormsOfALoadedResNet) {
  const tests::TemporaryFolder folder;
  const Tensor x = random_tensor({4, 1, 6, 6}, kFloat32, 1);
  ResNet trained;
  SGD optimizer(trained.parameters(), {.lr = 0.1});
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    mean(trained(x).square()).backward();
    optimizer.step();
  }
  save_safetensors(folder / "net.safetensors", trained);

  ResNet net;
  load_safetensors(folder / "net.safetensors", net);
  SGD later(net.parameters(), {.lr = 0.1});
  const Tensor gamma = net.get_parameter("blocks.1.bn2.weight");
  const SwapNormsReport report = swap_norms(net, "group:4");
  EXPECT_TRUE(report.all_replaced());
  ASSERT_EQ(report.norms.size(), 5U);
  EXPECT_EQ(report.norms[0].name, "bn");
  EXPECT_EQ(report.norms[4].name, "blocks.1.bn2");
  EXPECT_EQ(report.norms[4].after, "GroupNorm(4, 8, eps=1e-05, affine=true)");
  EXPECT_THAT(report.norms[4].kept, ElementsAre("bias", "weight"));
  EXPECT_THAT(report.norms[4].dropped, ElementsAre("num_batches_tracked", "running_mean", "running_var"));
  EXPECT_THAT(report.norms[4].added, IsEmpty());
  ASSERT_NE(net.blocks[1].bn2.as<GroupNorm>(), nullptr);
  EXPECT_EQ(values(net.get_parameter("blocks.1.bn2.weight")), values(trained.get_parameter("blocks.1.bn2.weight")));
  // It computes what a GroupNorm with these values computes.
  const Tensor h = net.conv(x);
  EXPECT_EQ(values(net.bn(h)),
            values(group_norm(h, 4, trained.get_parameter("bn.weight"), trained.get_parameter("bn.bias"), 1e-5)));
  // The optimizer still trains the parameters.
  EXPECT_TRUE(is_same(net.get_parameter("blocks.1.bn2.weight"), gamma));
  const std::vector<double> before = values(gamma);
  mean(net(x).square()).backward();
  later.step();
  EXPECT_NE(values(net.get_parameter("blocks.1.bn2.weight")), before);
  // And back: the running statistics start anew.
  const SwapNormsReport back = swap_norms(net, "batch", {.example = x});
  EXPECT_TRUE(back.all_replaced());
  EXPECT_THAT(back.norms[0].added, ElementsAre("num_batches_tracked", "running_mean", "running_var"));
  EXPECT_NE(net.bn.as<BatchNorm2d>(), nullptr);
}

TEST(SwapNormsTest, KeepsStatisticsModesAndDtype) {
  Sequential net(Conv2d(1, 4, 3), BatchNorm2d(4), ReLU(), BatchNorm2d(4));
  net.to(kFloat64);
  net(random_tensor({8, 1, 5, 5}, kFloat64, 1));
  net.at<BatchNorm2d>(1).freeze();
  net[3].eval();
  net.at<BatchNorm2d>(3).weight.requires_grad_(false);
  const std::vector<double> mean = values(net.at<BatchNorm2d>(1).running_mean);
  const SwapNormsReport report = swap_norms(net, "batch:eps=0.01:momentum=0.5");
  EXPECT_TRUE(report.all_replaced());
  EXPECT_THAT(report.norms[0].kept,
              ElementsAre("bias", "num_batches_tracked", "running_mean", "running_var", "weight"));
  auto& first = net.at<BatchNorm2d>(1);
  auto& second = net.at<BatchNorm2d>(3);
  EXPECT_EQ(first.eps(), 0.01);
  EXPECT_EQ(first.momentum().weight(), 0.5);
  EXPECT_EQ(values(first.running_mean), mean);
  EXPECT_TRUE(first.is_frozen() && first.is_training());
  EXPECT_FALSE(second.is_frozen() || second.is_training() || second.weight.requires_grad());
  EXPECT_EQ(first.weight.dtype(), kFloat64);
  swap_norms(net, "instance");
  EXPECT_EQ(net.at<InstanceNorm2d>(1).weight.dtype(), kFloat64);
  EXPECT_FALSE(net[3].is_training());
}

struct ByValue : Module {
  Conv2d conv{1, 4, 3};
  BatchNorm2d norm{4};
  std::vector<GroupNorm> norms;
  ByValue() { norms.emplace_back(2, 4); }
  NORMGRAD_MEMBERS(ByValue, conv, norm, norms)
  Tensor forward(const Tensor& x) override { return norms[0](relu(norm(conv(x)))); }
};

TEST(SwapNormsTest, MembersOfAConcreteTypeTakeNoOther) {
  ByValue net;
  const SwapNormsReport report = swap_norms(net, "group:4");
  EXPECT_FALSE(report.all_replaced());
  EXPECT_FALSE(report.norms[0].replaced);
  EXPECT_EQ(report.norms[0].reason,
            "a member of type BatchNorm2d cannot become a GroupNorm; write AnyModule norm in ByValue, as in `AnyModule "
            "norm = BatchNorm2d(...);`");
  EXPECT_TRUE(report.norms[1].replaced);  // the same type
  EXPECT_EQ(net.norms[0].num_groups(), 4);
  EXPECT_EQ(swap_norms(net, "batch", {.example = random_tensor({2, 1, 5, 5}, kFloat32, 1)}).norms[1].reason,
            "a member of type GroupNorm cannot become a BatchNorm2d; write std::vector<AnyModule> in ByValue for the "
            "list");
  BatchNorm2d alone(4);
  EXPECT_EQ(swap_norms(alone, "group:2").norms[0].reason,
            "the model itself is the norm; assign make_norm() to the variable that holds it");
}

TEST(SwapNormsTest, PrintsATableAndReasons) {
  ByValue net;
  std::ostringstream text;
  text << swap_norms(net, "group:4");
  EXPECT_EQ(text.str(),
            "norm     before       after                                    kept          new  dropped\n"
            "norm     BatchNorm2d  as before                                -             -    -\n"
            "norms.0  GroupNorm    GroupNorm(4, 4, eps=1e-05, affine=true)  bias, weight  -    -\n"
            "norm: not replaced: a member of type BatchNorm2d cannot become a GroupNorm; write AnyModule norm in "
            "ByValue, as in `AnyModule norm = BatchNorm2d(...);`\n");
}

TEST(SwapNormsTest, ReplacesTheNormsOfTransformersAndCells) {
  const Tensor x = random_tensor({5, 2, 8}, kFloat32, 1);
  for (const char* spec : {"rms", "group:2", "batch", "none", "layer"}) {
    TransformerEncoder model(TransformerEncoderLayer(8, 2, {.dim_feedforward = 8, .qk_norm = "layer"}), 2,
                             LayerNorm(8));
    const SwapNormsReport report = swap_norms(model, spec);
    EXPECT_TRUE(report.all_replaced()) << report;
    EXPECT_EQ(report.norms.size(), 9U);
    EXPECT_EQ(model(x).shape(), x.shape());
    EXPECT_EQ(model.norm->type_name(), make_norm(spec, {.num_features = 8})->type_name());
    EXPECT_EQ(model.layers[1].self_attn.q_norm->type_name(), model.norm->type_name());
  }
  TransformerEncoder model(TransformerEncoderLayer(8, 2, {.dim_feedforward = 8}), 1);
  const SwapNormsReport report = swap_norms(model, "rms");
  EXPECT_EQ(report.norms[0].name, "layers.0.norm1");
  EXPECT_THAT(report.norms[0].kept, ElementsAre("weight"));
  EXPECT_THAT(report.norms[0].dropped, ElementsAre("bias"));
  LSTMCell cell(3, 2, {.norm = "layer"});
  EXPECT_TRUE(swap_norms(cell, "group:2").all_replaced());
  EXPECT_EQ(cell(random_tensor({4, 3}, kFloat32, 1)).h.shape(), Shape({4, 2}));
}

TEST(SwapNormsTest, AnExampleTellsWhatTypesDoNot) {
  // BatchNorm1d: features or a sequence.
  Sequential features(Linear(6, 20), BatchNorm1d(20), ReLU());
  EXPECT_THAT(swap_norms(features, "instance").norms[0].reason, HasSubstr("pass an input of the model as .example"));
  const Tensor rows = random_tensor({3, 6}, kFloat32, 1);
  EXPECT_THAT(swap_norms(features, "instance", {.example = rows}).norms[0].reason,
              HasSubstr("instance needs positions"));
  EXPECT_TRUE(swap_norms(features, "layer", {.example = rows}).all_replaced());
  EXPECT_NE(features.at<LayerNorm>(1).weight.numel(), 0);
  Sequential sequence(Conv1d(2, 4, 1), BatchNorm1d(4));
  EXPECT_TRUE(swap_norms(sequence, "instance", {.example = random_tensor({3, 2, 5}, kFloat32, 1)}).all_replaced());
  // LayerNorm: the last axis of several.
  Sequential last(Linear(6, 4), LayerNorm(4));
  EXPECT_THAT(swap_norms(last, "group:2").norms[0].reason,
              HasSubstr("a GroupNorm takes the channels from axis 1, and a LayerNorm from the last axis"));
  const Tensor tokens = random_tensor({2, 3, 6}, kFloat32, 1);
  EXPECT_EQ(swap_norms(last, "group:2", {.example = tokens}).norms[0].reason,
            "its input [2, 3, 4] has the channels last, and a GroupNorm takes them from axis 1");
  EXPECT_TRUE(swap_norms(last, "rms").all_replaced());
  EXPECT_EQ(last(tokens).shape(), Shape({2, 3, 4}));
  EXPECT_TRUE(swap_norms(last, "group:2", {.example = rows}).all_replaced());
  // A probe leaves the model as it was.
  Sequential probed(Conv2d(1, 4, 3), BatchNorm2d(4));
  swap_norms(probed, "batch", {.example = random_tensor({2, 1, 5, 5}, kFloat32, 1)});
  EXPECT_EQ(probed.at<BatchNorm2d>(1).num_batches_tracked.item(), 0.0);
  EXPECT_FALSE(probed[1].has_hooks());
  EXPECT_TRUE(probed.is_training());
}

TEST(SwapNormsTest, HoldersOfAllKinds) {
  ModuleList list(BatchNorm2d(4), Sequential(Sequential(GroupNorm(2, 4))), InstanceNorm2d(4));
  EXPECT_TRUE(swap_norms(list, "layer").all_replaced());
  EXPECT_EQ(list.at<GroupNorm>(0).num_groups(), 1);
  ModuleDict dict({{"a", LayerNorm({4, 2, 2})}, {"b", LayerNorm({4}, {.axes = {1}})}});
  const SwapNormsReport report = swap_norms(dict, "group:2");
  EXPECT_TRUE(report.all_replaced()) << report;
  EXPECT_THAT(report.norms[0].added, ElementsAre("bias", "weight"));  // per element before, per channel now
  EXPECT_THAT(report.norms[1].kept, ElementsAre("bias", "weight"));
}

TEST(SwapNormsTest, EveryNormOfTheRegistryCanBeReplacedAgain) {
  const Tensor image = random_tensor({4, 1, 6, 6}, kFloat32, 1);
  const Tensor tokens = random_tensor({5, 4, 40}, kFloat32, 2);
  int there_and_back = 0;
  for (const std::string& spec : norm_names()) {
    SCOPED_TRACE(spec);
    const auto stands = [&](std::int64_t spatial_dims) {
      const std::int64_t channels = spatial_dims == 0 ? 40 : 8;
      return spec != "none" && is_norm_applicable(spec, {.num_features = channels, .spatial_dims = spatial_dims});
    };
    if (stands(2)) {
      Sequential net(Conv2d(1, 8, 3), BatchNorm2d(8));
      EXPECT_TRUE(swap_norms(net, spec).all_replaced());
      net(image);
      const SwapNormsReport back = swap_norms(net, "group:2", {.example = image});
      EXPECT_TRUE(back.all_replaced()) << back;
      EXPECT_EQ(net.at<GroupNorm>(1).num_channels(), 8);
      ++there_and_back;
    }
    if (stands(0)) {
      TransformerEncoder model(TransformerEncoderLayer(40, 2, {.dim_feedforward = 8}), 1);
      EXPECT_TRUE(swap_norms(model, spec).all_replaced());
      model(tokens);
      const SwapNormsReport back = swap_norms(model, "layer", {.example = tokens});
      EXPECT_TRUE(back.all_replaced()) << back;
      EXPECT_EQ(model(tokens).shape(), tokens.shape());
      ++there_and_back;
    }
  }
  EXPECT_GE(there_and_back, 10);
}

// The running_var of a PowerNorm is a mean of squares.
TEST(SwapNormsTest, StatisticsOfAnotherKindAreNotTakenOver) {
  Sequential net(Conv2d(1, 8, 3), BatchNorm2d(8));
  EXPECT_THAT(swap_norms(net, "power").norms[0].kept, ElementsAre("bias", "weight"));
  EXPECT_THAT(swap_norms(net, "batch", {.example = random_tensor({4, 1, 6, 6}, kFloat32, 1)}).norms[0].kept,
              ElementsAre("bias", "weight"));
  EXPECT_THAT(swap_norms(net, "brn").norms[0].kept,
              ElementsAre("bias", "num_batches_tracked", "running_mean", "running_var", "weight"));
}

TEST(SwapNormsTest, WhatCannotStandSomewhereIsReported) {
  Sequential net(BatchNorm2d(6), BatchNorm2d(8));
  const SwapNormsReport report = swap_norms(net, "group:4");
  EXPECT_THAT(report.norms[0].reason,
              HasSubstr("expected num_channels divisible by num_groups but got 6 channels and 4 groups"));
  EXPECT_TRUE(report.norms[1].replaced);
  EXPECT_NE(dynamic_cast<BatchNorm2d*>(&net[0]), nullptr);
  Sequential parametrized(weight_norm(BatchNorm2d(4)));
  EXPECT_EQ(swap_norms(parametrized, "group:2").norms[0].reason,
            "its weight is parametrized; call remove_parametrizations() first");
  Sequential hooked(BatchNorm2d(4));
  hooked[0].register_forward_hook([](Module&, const Tensor&, const Tensor&) { return Tensor(); });
  EXPECT_THAT(swap_norms(hooked, "none").norms[0].dropped, testing::Contains("hooks"));
  EXPECT_NE(dynamic_cast<Identity*>(&hooked[0]), nullptr);
}

TEST(SwapNormsTest, WrongUseIsReportedBeforeAnyChange) {
  Sequential net(BatchNorm2d(4));
  EXPECT_THAT(error_of<ValueError>([&] { swap_norms(net, "groups"); }), HasSubstr("make_norm: expected one of none"));
  EXPECT_THAT(error_of<ValueError>([&] { swap_norms(net, "batch:groups=2"); }), HasSubstr("has no option"));
  EXPECT_THROW(swap_norms(net, "group:2", {.example = ones({2, 3})}), ShapeError);
  EXPECT_NE(dynamic_cast<BatchNorm2d*>(&net[0]), nullptr);
  EXPECT_FALSE(net[0].has_hooks());
  Sequential without(Linear(2, 2));
  EXPECT_EQ(error_of<ValueError>([&] { swap_norms(without, "layer"); }),
            "swap_norms: expected a model with norms but Sequential has none");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
