#include "normgrad/train/fold.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "tests/support/raises.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

// Values as of a trained norm: none is 0 or 1.
void fill(RunningStatsNorm& norm, Generator& generator) {
  const NoGradGuard no_grad;
  normal_(norm.running_mean, 0.3, 0.7, &generator);
  uniform_(norm.running_var, 0.2, 3.0, &generator);
  if (norm.weight.defined()) {
    normal_(norm.weight, 1.0, 0.5, &generator);
  }
  if (norm.bias.defined()) {
    normal_(norm.bias, 0.0, 0.5, &generator);
  }
  norm.num_batches_tracked.fill_(9.0);
}

// Folding the first two modules does not change the model's result, and an older state still fits.
template <class Layer, class Norm>
void expect_same_when_folded(const Layer& layer, Norm norm, const Shape& input) {
  Generator generator(7);
  fill(norm, generator);
  Sequential net(layer, norm, ReLU());
  net.eval();
  const DType dtype = layer.weight.dtype();
  const Tensor x = randn(input, {.dtype = dtype}, &generator);
  const NoGradGuard no_grad;
  const Sequential before = net;
  const Tensor expected = Sequential(before)(x);
  // Only an example shows whether a linear layer outputs [N, features].
  const FoldReport report = std::is_same_v<Layer, Linear> ? fold(net, x) : fold(net);
  ASSERT_EQ(report.folded(), 1) << report;
  EXPECT_EQ(report.norms[0].norm, "1");
  EXPECT_EQ(report.norms[0].layer, "0");
  EXPECT_TRUE(net.at<Norm>(1).is_identity());
  const double tolerance = dtype == kFloat64 ? 1e-13 : 1e-5;
  EXPECT_LT(max(abs(net(x) - expected)).item(), tolerance) << layer;
  // Folding again changes nothing.
  EXPECT_EQ(fold(net).folded(), 0);
  EXPECT_LT(max(abs(net(x) - expected)).item(), tolerance) << layer;
  // A folded state in an unfolded model: the norm is computed, and changes nothing.
  if (layer.bias.defined()) {
    Sequential fresh = before;
    fresh.load_state_dict(net.state_dict());
    EXPECT_LT(max(abs(fresh(x) - expected)).item(), tolerance) << layer;
    net.load_state_dict(before.state_dict());
    EXPECT_LT(max(abs(net(x) - expected)).item(), tolerance) << layer;
  }
}

class FoldTest : public testing::TestWithParam<DType> {};

TEST_P(FoldTest, LinearAndConvolutions) {
  const DType t = GetParam();
  for (const bool bias : {true, false}) {
    for (const bool affine : {true, false}) {
      const BatchNormOptions norm = {.eps = 1e-3, .affine = affine, .dtype = t};
      expect_same_when_folded(Linear(5, 6, {.bias = bias, .dtype = t}), BatchNorm1d(6, norm), {4, 5});
      expect_same_when_folded(Conv1d(4, 6, 3, {.bias = bias, .dtype = t}), BatchNorm1d(6, norm), {2, 4, 9});
      expect_same_when_folded(Conv2d(4, 6, {3, 2}, {.stride = 2, .padding = 1, .bias = bias, .dtype = t}),
                              BatchNorm2d(6, norm), {2, 4, 7, 6});
      expect_same_when_folded(Conv2d(4, 6, 3, {.groups = 2, .bias = bias, .dtype = t}), BatchNorm2d(6, norm),
                              {2, 4, 7, 6});
      expect_same_when_folded(Conv2d(4, 8, 3, {.groups = 4, .bias = bias, .dtype = t}), BatchNorm2d(8, norm),
                              {2, 4, 7, 6});
      expect_same_when_folded(Conv3d(2, 3, 2, {.bias = bias, .dtype = t}), BatchNorm3d(3, norm), {2, 2, 4, 3, 4});
      expect_same_when_folded(ConvTranspose2d(4, 6, {3, 2}, {.stride = 2, .bias = bias, .dtype = t}),
                              BatchNorm2d(6, norm), {2, 4, 5, 4});
      expect_same_when_folded(ConvTranspose2d(4, 6, 3, {.groups = 2, .bias = bias, .dtype = t}), BatchNorm2d(6, norm),
                              {2, 4, 5, 4});
    }
    expect_same_when_folded(Conv2d(3, 4, 3, {.bias = bias, .dtype = t}),
                            InstanceNorm2d(4, {.affine = true, .track_running_stats = true, .dtype = t}), {2, 3, 6, 5});
  }
  expect_same_when_folded(Linear(5, 6, {.dtype = t}), BatchNorm1d(6, {.affine = Affine::scale_only, .dtype = t}),
                          {4, 5});
  expect_same_when_folded(Linear(5, 6, {.dtype = t}), BatchRenorm1d(6, {.dtype = t}), {4, 5});
  expect_same_when_folded(Conv2d(3, 4, 3, {.dtype = t}), GhostBatchNorm2d(4, {.dtype = t}), {2, 3, 6, 5});
}

INSTANTIATE_TEST_SUITE_P(FloatingPoint, FoldTest, testing::Values(kFloat32, kFloat64),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST(FoldErrorTest, GivesTheReason) {
  Conv2d conv(3, 4, 3);
  conv.eval();
  BatchNorm2d norm(4);
  const std::vector<double> weight = conv.weight.to_vector<double>();
  EXPECT_EQ(error_of<ValueError>([&] { fold_into(conv, norm); }),
            "fold_into: BatchNorm2d is in training mode: call eval() first");
  norm.eval();
  norm.set_statistics(Statistics::batch);
  EXPECT_EQ(error_of<ValueError>([&] { fold_into(conv, norm); }),
            "fold_into: BatchNorm2d normalizes with the statistics of each batch");
  norm.set_statistics(Statistics::automatic);
  BatchNorm2d without(4, {.track_running_stats = false});
  without.eval();
  EXPECT_EQ(error_of<ValueError>([&] { fold_into(conv, without); }),
            "fold_into: BatchNorm2d has no running statistics");
  BatchNorm2d wide(5);
  wide.eval();
  EXPECT_EQ(error_of<ValueError>([&] { fold_into(conv, wide); }),
            "fold_into: Conv2d gives 4 channels but BatchNorm2d expects 5");
  BatchNorm2d precise(4, {.dtype = kFloat64});
  precise.eval();
  EXPECT_EQ(error_of<ValueError>([&] { fold_into(conv, precise); }),
            "fold_into: the layer is float32 but the norm is float64");
  ReLU relu;
  EXPECT_EQ(error_of<ValueError>([&] { fold_into(relu, norm); }),
            "fold_into: a ReLU is not a convolution or linear layer of the library");
  norm.running_mean.mutable_data<double>()[2] = std::nan("");
  EXPECT_EQ(error_of<ValueError>([&] { fold_into(conv, norm); }),
            "fold_into: BatchNorm2d has values that are not finite in channel 2");
  EXPECT_EQ(conv.weight.to_vector<double>(), weight);
  Sequential net{Linear(2, 2), BatchNorm1d(2)};
  EXPECT_EQ(error_of<ValueError>([&] { fold(net); }), "fold: expected a model in eval mode: call eval() first");
}

struct Net : Module {
  Conv2d conv1{1, 3, 3, {.padding = 1, .bias = false}};
  BatchNorm2d norm1{3};
  Conv2d conv2{3, 3, 3, {.padding = 1}};
  BatchNorm2d norm2{3};
  Sequential body{Conv2d(3, 4, 3), BatchNorm2d(4), ReLU(), BatchNorm2d(4), LayerNorm(Shape{4, 4})};
  BatchNorm2d last{4};
  NORMGRAD_MEMBERS(Net, conv1, norm1, conv2, norm2, body, last)
  // The result of conv2 goes to norm2 and also around it.
  Tensor forward(const Tensor& x) override {
    const Tensor h = conv2(relu(norm1(conv1(x))));
    return last(body(relu(norm2(h)) + h));
  }
};

Net trained_net() {
  manual_seed(8);
  Generator generator(8);
  Net net;
  for (const auto& [name, module] : net.named_modules()) {
    if (auto* norm = dynamic_cast<RunningStatsNorm*>(module)) {
      fill(*norm, generator);
    }
  }
  net.eval();
  net.to(kFloat64);  // the test is about which layers are folded, not about float32 rounding
  return net;
}

void expect_equal_in_float64(const Tensor& x, const Tensor& expected) {
  EXPECT_LT(max(abs(x - expected)).item(), 1e-12 * max(abs(expected)).item());
}

TEST(FoldModelTest, SequentialsInside) {
  Net net = trained_net();
  const NoGradGuard no_grad;
  const Tensor x = randn({2, 1, 6, 6}, {.dtype = kFloat64});
  const Tensor expected = net(x);
  std::ostringstream out;
  out << fold(net);
  const std::string own =
      ": is called in a custom forward: pass an example, fold(model, example), or call fold_into(layer, norm)\n";
  EXPECT_EQ(out.str(), "folded 1 of 6 norms\n  norm1" + own + "  norm2" + own +
                           "  body.1 into body.0\n"
                           "  body.3: comes after a ReLU, not directly after a convolution or linear layer\n"
                           "  body.4: a LayerNorm normalizes each sample with its own statistics\n"
                           "  last" +
                           own);
  expect_equal_in_float64(net(x), expected);
}

TEST(FoldModelTest, ByAnExample) {
  Net net = trained_net();
  const NoGradGuard no_grad;
  const Tensor x = randn({2, 1, 6, 6}, {.dtype = kFloat64});
  const Tensor expected = net(x);
  std::ostringstream out;
  out << fold(net, x);
  EXPECT_EQ(out.str(),
            "folded 2 of 6 norms\n"
            "  norm1 into conv1\n"
            "  norm2: the result of 'conv2' is used elsewhere, too: the model's result would change\n"
            "  body.1 into body.0\n"
            "  body.3: comes after a ReLU, not directly after a convolution or linear layer\n"
            "  body.4: a LayerNorm normalizes each sample with its own statistics\n"
            "  last: its input was not the result of a convolution or linear layer\n");
  expect_equal_in_float64(net(x), expected);
  EXPECT_TRUE(net.conv1.bias.defined());
  EXPECT_TRUE(net.norm1.is_identity());
  EXPECT_FALSE(net.norm2.is_identity());
  const Tensor other = randn({3, 1, 6, 6}, {.dtype = kFloat64});
  const Tensor unfolded = trained_net()(other);
  expect_equal_in_float64(net(other), unfolded);
}

struct Shared : Module {
  Linear fc{3, 3};
  BatchNorm1d norm{3};
  NORMGRAD_MEMBERS(Shared, fc, norm)
  Tensor forward(const Tensor& x) override { return norm(fc(fc(x))); }
};

TEST(FoldModelTest, LayersThatAreCalledTwiceStay) {
  Shared net;
  Generator generator(1);
  fill(net.norm, generator);
  net.eval();
  const FoldReport report = fold(net, randn({4, 3}));
  EXPECT_EQ(report.folded(), 0);
  EXPECT_EQ(report.norms[0].reason, "'fc' before it was called 2 times, not once");
}

// A folded norm returns its input. An in-place change after it then affects the layer's result, which must have no
// other owner; otherwise the pair is not folded.
struct InPlace : Module {
  Linear fc1{3, 4};
  BatchNorm1d norm1{4};
  Linear fc2{4, 4};
  BatchNorm1d norm2{4};
  bool keeps = false;
  NORMGRAD_MEMBERS(InPlace, fc1, norm1, fc2, norm2)
  Tensor forward(const Tensor& x) override {
    Tensor h = norm1(fc1(x));
    h.mul_(2.0);
    const Tensor kept = fc2(h);
    Tensor y = norm2(kept);
    y.mul_(3.0);
    return keeps ? y + kept : y + h;
  }
};

TEST(FoldModelTest, InPlaceChangesAfterAnIdentity) {
  for (const bool keeps : {false, true}) {
    manual_seed(3);
    Generator generator(3);
    InPlace net;
    net.keeps = keeps;
    fill(net.norm1, generator);
    fill(net.norm2, generator);
    net.eval();
    net.to(kFloat64);
    const NoGradGuard no_grad;
    const Tensor x = randn({4, 3}, {.dtype = kFloat64});
    const Tensor expected = net(x);
    const FoldReport report = fold(net, x);
    EXPECT_EQ(report.folded(), keeps ? 1 : 2) << report;
    expect_equal_in_float64(net(x), expected);
    EXPECT_TRUE(report.norms[0].folded);
    if (keeps) {
      EXPECT_EQ(report.norms[1].reason, "the result of 'fc2' is used elsewhere, too: the model's result would change");
    }
  }
}

// A folded norm costs nothing in eval mode, and can still learn.
TEST(FoldModelTest, AnIdentityPassesItsInputOn) {
  BatchNorm1d norm(3);
  norm.eval();
  const Tensor x = randn({4, 3});
  EXPECT_FALSE(norm.is_identity());
  norm.running_var.fill_(1.0 - norm.eps());
  EXPECT_TRUE(norm.is_identity());
  {
    const NoGradGuard no_grad;
    EXPECT_TRUE(is_same(norm(x), x));
  }
  sum(norm(x)).backward();
  EXPECT_TRUE(norm.weight.grad().defined());
  norm.train();
  EXPECT_FALSE(is_same(norm(x), x));
}

// --- pairs that must not be folded

struct TwiceConv : Conv2d {
  using Conv2d::Conv2d;
  Tensor forward(const Tensor& x) override { return Conv2d::forward(x) * 2.0; }
};

struct SquareConv : Conv2d {
  using Conv2d::Conv2d;
  NORMGRAD_MEMBERS(SquareConv, weight, bias)
  Tensor forward(const Tensor& x) override { return Conv2d::forward(x).square(); }
};

struct ShiftedNorm : BatchNorm2d {
  using BatchNorm2d::BatchNorm2d;
  Tensor forward(const Tensor& x) override { return BatchNorm2d::forward(x + 1.0); }
};

struct AbsLinear : Linear {
  using Linear::Linear;
  Tensor forward(const Tensor& x) override { return Linear::forward(x).abs(); }
};

// Neither way of folding changes the model's result, and nothing is folded.
template <class Layer, class Norm>
void expect_left_alone(const Layer& layer, Norm norm, const Shape& input, bool with_hook = false) {
  Generator generator(11);
  fill(norm, generator);
  Sequential net(layer, norm, ReLU());
  net.eval();
  ModuleHookHandle handle;
  if (with_hook) {
    handle = net[0].register_forward_hook([](Module&, const Tensor&, const Tensor& y) { return y.square(); });
  }
  const Tensor x = randn(input, {}, &generator);
  const NoGradGuard no_grad;
  const std::vector<double> expected = net(x).to_vector<double>();
  const FoldReport report = fold(net);
  EXPECT_EQ(report.folded(), 0) << report;
  EXPECT_FALSE(report.norms[0].reason.empty());
  EXPECT_EQ(net(x).to_vector<double>(), expected);
  const FoldReport traced = fold(net, x);
  EXPECT_EQ(traced.folded(), 0) << traced;
  EXPECT_FALSE(traced.norms[0].reason.empty());
  EXPECT_EQ(net(x).to_vector<double>(), expected);
}

TEST(FoldLeavesTest, WhatIsNotVerified) {
  manual_seed(11);
  expect_left_alone(TwiceConv(2, 3, 3), BatchNorm2d(3), {2, 2, 5, 5});
  expect_left_alone(SquareConv(2, 3, 3), BatchNorm2d(3), {2, 2, 5, 5});
  expect_left_alone(Conv2d(2, 3, 3), ShiftedNorm(3), {2, 2, 5, 5});
  expect_left_alone(AbsLinear(4, 3), BatchNorm1d(3), {5, 4});
  expect_left_alone(Conv2d(2, 3, 3), BatchNorm2d(3), {2, 2, 5, 5}, true);
  // [N, L, F] with L = F: the channels of the norm are the middle axis.
  expect_left_alone(Linear(4, 4), BatchNorm1d(4), {3, 4, 4});
  expect_left_alone(Linear(4, 4), InstanceNorm1d(4, {.affine = true, .track_running_stats = true}), {4, 4});
}

TEST(FoldLeavesTest, ByHandToo) {
  TwiceConv layer(2, 3, 3);
  Conv2d plain(2, 3, 3);
  BatchNorm2d norm(3);
  ShiftedNorm shifted(3);
  norm.eval();
  shifted.eval();
  EXPECT_THROW(fold_into(layer, norm), ValueError);
  EXPECT_THROW(fold_into(plain, shifted), ValueError);
  ModuleHookHandle handle = norm.register_forward_pre_hook([](Module&, const Tensor&) { return Tensor(); });
  EXPECT_EQ(error_of<ValueError>([&] { fold_into(plain, norm); }),
            "fold_into: BatchNorm2d has hooks, which observe or change the tensor between the two");
  handle.remove();
  fold_into(plain, norm);
  EXPECT_TRUE(norm.is_identity());
}

struct SharedFilter : Module {
  Conv2d first{3, 3, 3, {.padding = 1}};
  BatchNorm2d norm{3};
  Conv2d second{3, 3, 3, {.padding = 1}};
  NORMGRAD_MEMBERS(SharedFilter, first, norm, second)
  NORMGRAD_TIE(second.weight, first.weight)
  Tensor forward(const Tensor& x) override { return norm(first(x)) + second(x) * 0.0; }
};

TEST(FoldLeavesTest, TiedParameters) {
  Generator generator(2);
  SharedFilter net;
  fill(net.norm, generator);
  net.eval();
  const Tensor x = randn({1, 3, 4, 4}, {}, &generator);
  const std::vector<double> before = net.first.weight.to_vector<double>();
  const FoldReport report = fold(net, x);
  EXPECT_EQ(report.folded(), 0);
  EXPECT_EQ(report.norms[0].reason, "its parameters or those of 'first' are tied to others");
  EXPECT_EQ(net.first.weight.to_vector<double>(), before);
}

// Returns `good` results and then throws.
struct Breaks : Module {
  Conv2d conv{1, 2, 3, {.bias = false}};
  BatchNorm2d norm{2};
  Sequential body{Conv2d(2, 2, 1, {.bias = false}), BatchNorm2d(2)};
  int good = 0;
  NORMGRAD_MEMBERS(Breaks, conv, norm, body)
  Tensor forward(const Tensor& x) override {
    require<ValueError>(good-- > 0, "Breaks: no more");
    return body(norm(conv(x)));
  }
};

TEST(FoldLeavesTest, AModelThatThrowsIsAsItWas) {
  for (const int good : {0, 1, 2}) {
    Generator generator(4);
    Breaks net;
    fill(net.norm, generator);
    fill(net.body.at<BatchNorm2d>(1), generator);
    net.eval();
    net.good = good;
    const Tensor conv_weight = net.conv.weight;
    StateDict before;
    for (const auto& [name, tensor] : net.state_dict()) {
      before[name] = tensor.clone();
    }
    EXPECT_THROW(fold(net, randn({1, 1, 5, 5}, {}, &generator)), ValueError) << good;
    const StateDict after = net.state_dict();
    ASSERT_EQ(after.size(), before.size()) << good;  // no bias was left behind
    for (const auto& [name, tensor] : after) {
      EXPECT_EQ(tensor.to_vector<double>(), before.at(name).to_vector<double>()) << good << name;
    }
    EXPECT_TRUE(is_same(conv_weight, net.conv.weight));
    EXPECT_FALSE(net.conv.has_hooks());
  }
}

// If folding is undone, a layer without a bias has none afterwards.
struct KeepsResult : Module {
  Conv2d conv{1, 2, 3, {.bias = false}};
  BatchNorm2d norm{2};
  NORMGRAD_MEMBERS(KeepsResult, conv, norm)
  Tensor forward(const Tensor& x) override {
    const Tensor h = conv(x);
    return norm(h) + h;
  }
};

TEST(FoldLeavesTest, UndoneWithoutABias) {
  Generator generator(4);
  KeepsResult net;
  fill(net.norm, generator);
  net.eval();
  const std::vector<double> weight = net.conv.weight.to_vector<double>();
  EXPECT_EQ(fold(net, randn({1, 1, 5, 5}, {}, &generator)).folded(), 0);
  EXPECT_FALSE(net.conv.bias.defined());
  EXPECT_EQ(net.conv.weight.to_vector<double>(), weight);
  EXPECT_FALSE(net.norm.is_identity());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
