#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/local_response_norm.hpp"
#include "normgrad/layers/norm/registry.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::IsSupersetOf;
using testing::Pointwise;
using tests::gradients_agree;

const TensorOptions kDouble{.dtype = kFloat64};
const BatchNormOptions kDoubleBatchNorm{.dtype = kFloat64};

std::vector<double> values(const Tensor& x) { return x.to(kFloat64).to_vector<double>(); }

// Two batches whose channels have means 2 and 5, and biased variances 1 and 4 (unbiased 4/3 and 16/3).
Tensor first_batch() { return tensor({{1}, {1}, {3}, {3}}, kDouble); }
Tensor second_batch() { return tensor({{3}, {3}, {7}, {7}}, kDouble); }

TEST(RunningStatsTest, FollowTheBatchesWithTheWeightOfPyTorch) {
  BatchNorm1d norm(1, {.momentum = 0.3, .dtype = kFloat64});
  norm(first_batch());
  EXPECT_THAT(values(norm.running_mean), ElementsAre(DoubleNear(0.6, 1e-15)));
  EXPECT_THAT(values(norm.running_var), ElementsAre(DoubleNear(0.7 + 0.3 * 4.0 / 3.0, 1e-15)));
  norm(second_batch());
  EXPECT_THAT(values(norm.running_mean), ElementsAre(DoubleNear(0.7 * 0.6 + 0.3 * 5.0, 1e-15)));
  EXPECT_THAT(values(norm.running_var),
              ElementsAre(DoubleNear(0.7 * (0.7 + 0.3 * 4.0 / 3.0) + 0.3 * 16.0 / 3.0, 1e-15)));
  EXPECT_EQ(norm.num_batches_tracked.item<std::int64_t>(), 2);
}

TEST(RunningStatsTest, DecayIsTheComplementOfTheUpdateWeight) {
  BatchNorm1d keras(1, {.momentum = Decay(0.7), .dtype = kFloat64});
  BatchNorm1d torch(1, {.momentum = UpdateWeight(0.3), .dtype = kFloat64});
  keras(first_batch());
  torch(first_batch());
  EXPECT_NEAR(keras.running_mean.item(), torch.running_mean.item(), 1e-15);
  static_assert(!std::is_convertible_v<Decay, UpdateWeight> && !std::is_convertible_v<UpdateWeight, Decay>);
  static_assert(!std::is_constructible_v<Decay, UpdateWeight> && !std::is_constructible_v<UpdateWeight, Decay>);
  static_assert(!std::is_assignable_v<Decay&, UpdateWeight> && !std::is_assignable_v<UpdateWeight&, Decay>);
  static_assert(!std::is_constructible_v<Decay, Momentum> && !std::is_constructible_v<UpdateWeight, Momentum>);
  static_assert(!std::is_convertible_v<double, Decay> && !std::is_convertible_v<double, UpdateWeight>);
  static_assert(std::is_convertible_v<double, Momentum> && std::is_convertible_v<std::nullopt_t, Momentum>);
}

TEST(RunningStatsTest, CumulativeIsTheMeanOverTheBatches) {
  BatchNorm1d norm(1, {.momentum = std::nullopt, .dtype = kFloat64});
  norm(first_batch());
  EXPECT_DOUBLE_EQ(norm.running_mean.item(), 2.0);
  norm(second_batch());
  EXPECT_DOUBLE_EQ(norm.running_mean.item(), 3.5);
  EXPECT_DOUBLE_EQ(norm.running_var.item(), (4.0 / 3.0 + 16.0 / 3.0) / 2);
}

TEST(RunningStatsTest, BiasedVarianceWhenAskedFor) {
  BatchNorm1d norm(1, {.momentum = 1.0, .variance = Variance::biased, .dtype = kFloat64});
  norm(second_batch());
  EXPECT_DOUBLE_EQ(norm.running_var.item(), 4.0);
}

// pytorch#60528: x[n, c, l] = 1 + n + 4c + l.
TEST(RunningStatsTest, PyTorch60528) {
  BatchNorm1d norm(3, {.momentum = 1.0, .affine = false});
  Tensor x = zeros({4, 3, 4});
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const std::int64_t value = 1 + i / 12 + 4 * (i / 4 % 3) + i % 4;
    x.mutable_data<float>()[i] = static_cast<float>(value);
  }
  const std::vector<double> y = values(norm(x));
  EXPECT_THAT(std::vector<double>(y.begin(), y.begin() + 4),
              Pointwise(testing::DoubleNear(5e-5), {-1.8974, -1.2649, -0.6325, 0.0}));
  EXPECT_THAT(values(norm.running_var), testing::Each(DoubleNear(2.6667, 5e-5)));
}

TEST(RunningStatsTest, EvalUsesThemAndLeavesThemAlone) {
  BatchNorm1d norm(1, {.momentum = 1.0, .variance = Variance::biased, .dtype = kFloat64});
  const Tensor trained = norm(second_batch());
  norm.eval();
  // Law 31: with the batch's own statistics, eval mode gives the training result.
  EXPECT_THAT(values(norm(second_batch())), Pointwise(testing::DoubleNear(1e-14), values(trained)));
  norm(first_batch());
  EXPECT_EQ(norm.running_mean.item(), 5.0);
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
}

TEST(RunningStatsTest, WithoutThemEvalUsesTheBatch) {
  BatchNorm1d norm(1, {.track_running_stats = false, .dtype = kFloat64});
  const Tensor trained = norm(first_batch());
  norm.eval();
  EXPECT_EQ(values(norm(first_batch())), values(trained));
  EXPECT_TRUE(norm.buffers().empty());
}

TEST(RunningStatsTest, TwoSwitches) {
  BatchNorm1d norm(1, {.momentum = 1.0, .dtype = kFloat64});
  const std::vector<double> by_batch = values(norm(first_batch()));
  norm.reset_running_stats();
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);
  // Normalizes with batch statistics; the running ones are unchanged.
  norm.set_updates(false);
  EXPECT_EQ(values(norm(first_batch())), by_batch);
  EXPECT_EQ(norm.running_mean.item(), 0.0);
  // Normalizes with the running statistics (0, 1) and updates them.
  norm.set_updates(true);
  norm.set_statistics(Statistics::running);
  EXPECT_THAT(values(norm(first_batch())),
              ElementsAre(DoubleNear(1, 1e-5), DoubleNear(1, 1e-5), DoubleNear(3, 2e-5), DoubleNear(3, 2e-5)));
  EXPECT_DOUBLE_EQ(norm.running_mean.item(), 2.0);
  // Normalizes with batch statistics in eval mode too, without updating the running ones.
  norm.set_statistics(Statistics::batch);
  norm.eval();
  EXPECT_EQ(values(norm(first_batch())), by_batch);
  norm(second_batch());
  EXPECT_DOUBLE_EQ(norm.running_mean.item(), 2.0);
}

TEST(RunningStatsTest, FreezeSurvivesTrain) {
  BatchNorm1d norm(1, kDoubleBatchNorm);
  norm(first_batch());
  norm.freeze();
  norm.eval();
  const std::vector<double> frozen = values(norm(first_batch()));
  const double mean = norm.running_mean.item();
  norm.train();
  EXPECT_TRUE(norm.is_frozen());
  EXPECT_EQ(values(norm(first_batch())), frozen);
  EXPECT_EQ(norm.running_mean.item(), mean);
  EXPECT_TRUE(norm.weight.requires_grad());
  norm.unfreeze();
  norm(first_batch());
  EXPECT_NE(norm.running_mean.item(), mean);
  BatchNorm1d copy = norm;
  norm.freeze();
  EXPECT_FALSE(copy.is_frozen());
}

TEST(RunningStatsTest, GuardLeavesThemUntouched) {
  BatchNorm1d norm(1, kDoubleBatchNorm);
  const std::vector<double> by_batch = values(norm(first_batch()));
  const double mean = norm.running_mean.item();
  {
    const FreezeStatisticsGuard guard;
    EXPECT_EQ(values(norm(first_batch())), by_batch);
    norm(second_batch());
  }
  EXPECT_EQ(norm.running_mean.item(), mean);
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
  norm(second_batch());
  EXPECT_EQ(norm.num_batches_tracked.item(), 2);
}

TEST(RunningStatsTest, NonFiniteBatchesStayOut) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    BatchNorm1d norm(2, kDoubleBatchNorm);
    norm(tensor({{1, 2}, {3, 4}}, kDouble));
    const auto before = norm.running_mean.to_vector<double>();
    norm(tensor({{1, bad}, {3, 4}}, kDouble));
    norm(tensor({{bad, 2}, {3, 4}}, kDouble));
    EXPECT_EQ(norm.non_finite_batches(), 2);
    EXPECT_EQ(norm.running_mean.to_vector<double>(), before);
    EXPECT_EQ(norm.num_batches_tracked.item(), 1);
  }
}

TEST(RunningStatsTest, AFailedForwardChangesNothing) {
  BatchNorm2d norm(3);
  EXPECT_THROW(norm(ones({4, 2, 5, 5})), ShapeError);
  EXPECT_THROW(norm(ones({1, 3, 1, 1})), ShapeError);
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);
}

TEST(RunningStatsTest, AreNotSavedForTheBackward) {
  BatchNorm1d norm(1, kDoubleBatchNorm);
  Tensor x = first_batch();
  x.requires_grad_();
  const Tensor first = norm(x);
  const Tensor second = norm(x);  // updates the buffers that the first forward read
  norm.eval();
  const Tensor third = norm(x);
  norm.train();
  norm(x);
  norm.running_var.fill_(9.0);
  EXPECT_NO_THROW(backward({first, second, third}, {first.detach(), second.detach(), third.detach()}));
}

TEST(RunningStatsTest, SingleValuePolicy) {
  BatchNorm1d norm(2, {.single_value = SingleValue::use_running});
  norm.running_mean.fill_(1.0);
  norm.running_var.fill_(4.0);
  EXPECT_THAT(values(norm(tensor({{3.0, 5}}))), ElementsAre(DoubleNear(1, 1e-5), DoubleNear(2, 1e-5)));
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);
  EXPECT_EQ(norm.running_mean.to_vector<float>(), (std::vector<float>{1, 1}));
}

// A single sample with positions has many values per channel.
TEST(RunningStatsTest, OneSampleWithPositionsIsABatch) {
  BatchNorm2d norm(3, {.momentum = 1.0, .dtype = kFloat64});
  const Tensor x = tests::random_tensor({1, 3, 2, 2}, kFloat64, 1);
  EXPECT_EQ(values(norm(x)), values(instance_norm(x)));
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
  EXPECT_THAT(values(norm.running_mean), Pointwise(testing::DoubleNear(1e-15), values(x.mean({0, 2, 3}))));
}

TEST(RunningStatsTest, EmptyBatchesAreNotCounted) {
  BatchNorm2d norm(3);
  EXPECT_EQ(norm(zeros({0, 3, 4, 4})).shape(), Shape({0, 3, 4, 4}));
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);
  EXPECT_EQ(norm.non_finite_batches(), 0);
}

TEST(BatchNormTest, StateHasPyTorchsKeysAndSurvivesARoundTrip) {
  BatchNorm2d norm(2);
  norm(tests::random_tensor({3, 2, 4, 4}, kFloat32, 1));
  std::vector<std::string> keys;
  for (const auto& [name, tensor] : norm.state_dict()) {
    keys.push_back(name);
  }
  EXPECT_THAT(keys,
              testing::UnorderedElementsAre("weight", "bias", "running_mean", "running_var", "num_batches_tracked"));
  EXPECT_EQ(norm.num_batches_tracked.dtype(), kInt64);
  EXPECT_TRUE(norm.num_batches_tracked.shape().empty());
  BatchNorm2d other(2);
  other.load_state_dict(norm.state_dict());
  norm.eval();
  other.eval();
  const Tensor x = tests::random_tensor({3, 2, 4, 4}, kFloat32, 2);
  EXPECT_EQ(values(norm(x)), values(other(x)));
  BatchNorm2d copy = norm;
  EXPECT_EQ(values(copy(x)), values(norm(x)));
  copy.weight.detach().fill_(3.0);
  EXPECT_EQ(norm.weight.to_vector<float>(), (std::vector<float>{1, 1}));
}

TEST(BatchNormTest, PrintsItsOptions) {
  EXPECT_EQ(BatchNorm2d(32).extra_repr(), "32, eps=1e-05, momentum=0.1, affine=true, track_running_stats=true");
  BatchNorm1d norm(4, {.momentum = std::nullopt, .affine = Affine::scale_only, .variance = Variance::biased});
  norm.freeze();
  EXPECT_EQ(norm.extra_repr(),
            "4, eps=1e-05, momentum=cumulative, affine=scale_only, track_running_stats=true, variance=biased, frozen");
}

TEST(BatchNormTest, AffineKinds) {
  EXPECT_TRUE(BatchNorm1d(2, {.affine = Affine::scale_only}).weight.defined());
  EXPECT_FALSE(BatchNorm1d(2, {.affine = Affine::scale_only}).bias.defined());
  EXPECT_FALSE(BatchNorm1d(2, {.affine = Affine::bias_only}).weight.defined());
  EXPECT_TRUE(BatchNorm1d(2, {.affine = Affine::bias_only}).bias.defined());
  EXPECT_TRUE(BatchNorm1d(2, {.affine = false}).parameters().empty());
}

TEST(BatchNormTest, ConvertsToAnotherDtype) {
  BatchNorm1d norm(2);
  norm.to(kFloat64);
  EXPECT_EQ(norm(tensor({{1, 2}, {3, 5}}, kDouble)).dtype(), kFloat64);
  EXPECT_EQ(norm.num_batches_tracked.dtype(), kInt64);
}

TEST(InstanceNormTest, DefaultsAreAffineAndTrackingOff) {
  InstanceNorm2d norm(3);
  EXPECT_TRUE(norm.parameters().empty());
  EXPECT_TRUE(norm.buffers().empty());
  const Tensor x = tests::random_tensor({2, 3, 4, 5}, kFloat64, 1);
  const std::vector<double> trained = values(norm(x));
  norm.eval();
  EXPECT_EQ(values(norm(x)), trained);
}

TEST(InstanceNormTest, TakesSamplesWithoutABatchAxis) {
  InstanceNorm2d norm(3, {.affine = true, .track_running_stats = true, .dtype = kFloat64});
  const Tensor x = tests::random_tensor({3, 4, 5}, kFloat64, 1);
  const Tensor y = norm(x);
  EXPECT_EQ(y.shape(), x.shape());
  InstanceNorm2d batched(3, {.affine = true, .track_running_stats = true, .dtype = kFloat64});
  EXPECT_EQ(values(batched(x.unsqueeze(0))), values(y));
  EXPECT_EQ(values(batched.running_mean), values(norm.running_mean));
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);  // as in PyTorch
}

TEST(LayerNormTest, AxesNormalizeTheChannelsOfEachPixel) {
  LayerNorm over_channels(3, {.axes = {1}, .dtype = kFloat64});
  LayerNorm last(3, {.dtype = kFloat64});
  const Tensor x = tests::random_tensor({2, 3, 4, 5}, kFloat64, 1);
  for (LayerNorm* norm : {&over_channels, &last}) {
    norm->weight.set_data(tests::random_tensor({3}, kFloat64, 2));
    norm->bias.set_data(tests::random_tensor({3}, kFloat64, 3));
  }
  EXPECT_EQ(values(over_channels(x)), values(last(x.permute({0, 2, 3, 1})).permute({0, 3, 1, 2})));
  EXPECT_THROW(over_channels(tests::random_tensor({2, 4, 3, 3}, kFloat64, 1)), ShapeError);
  LayerNorm plain({3, 5}, {.elementwise_affine = false, .axes = {1, 3}});
  EXPECT_EQ(tests::error_of<ShapeError>([&] {
              plain(tests::random_tensor({2, 3, 4, 6}, kFloat32, 1));
            }),
            "LayerNorm: expected sizes [3, 5] along the normalized axes but got [3, 6] in [2, 3, 4, 6]");
}

TEST(LayerNormTest, BiasIsAnOption) {
  EXPECT_FALSE(LayerNorm({3, 4}, {.bias = false}).bias.defined());
  EXPECT_TRUE(LayerNorm({3, 4}, {.bias = false}).weight.defined());
  EXPECT_TRUE(LayerNorm(4, {.elementwise_affine = false}).parameters().empty());
  EXPECT_EQ(LayerNorm({3, 4}, {.elementwise_affine = Affine::bias_only}).extra_repr(),
            "[3, 4], eps=1e-05, elementwise_affine=bias_only");
}

// Channels 1, 2, 3 of constant planes give -1.2247, 0, 1.2247.
TEST(LayerNormTest, TutorialExample) {
  LayerNorm norm({3, 2, 2});
  Tensor x = zeros({2, 3, 2, 2});
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.mutable_data<float>()[i] = static_cast<float>(i / 4 % 3 + 1);
  }
  const std::vector<double> y = values(norm(x));
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_NEAR(y[i], (static_cast<double>(i / 4 % 3) - 1.0) * 1.2247, 5e-5);
  }
}

TEST(GroupNormTest, ChoosesGroupsThatDivide) {
  EXPECT_EQ(GroupNorm(std::nullopt, 64).num_groups(), 32);
  EXPECT_EQ(GroupNorm(std::nullopt, 48).num_groups(), 24);
  EXPECT_EQ(GroupNorm(std::nullopt, 7).num_groups(), 7);
  EXPECT_EQ(GroupNorm(std::nullopt, 37).num_groups(), 1);
}

TEST(GroupNormTest, OneGroupAndAsManyAsChannels) {
  const Tensor x = tests::random_tensor({2, 4, 3, 3}, kFloat64, 1);
  GroupNorm one(1, 4, {.affine = false});
  GroupNorm all(4, 4, {.affine = false});
  LayerNorm layer({4, 3, 3}, {.elementwise_affine = false});
  InstanceNorm2d instance(4);
  EXPECT_EQ(values(one(x)), values(layer(x)));
  EXPECT_EQ(values(all(x)), values(instance(x)));
  GroupNorm rms(1, 4, {.affine = false, .center = false});
  RMSNorm reference({4, 3, 3}, {.eps = 1e-5, .elementwise_affine = false});
  EXPECT_EQ(values(rms(x)), values(reference(x)));
}

TEST(RMSNormTest, EpsDefaultsToTheMachineEpsilonOfTheInput) {
  RMSNorm norm(2, {.elementwise_affine = false});
  const double tiny = 1e-4;
  const double in_float = norm(tensor({tiny, tiny})).to_vector<float>()[0];
  const double in_double = norm(tensor({tiny, tiny}, kDouble)).to_vector<double>()[0];
  EXPECT_NEAR(in_float, tiny / std::sqrt(tiny * tiny + std::numeric_limits<float>::epsilon()), 1e-6);
  EXPECT_NEAR(in_double, tiny / std::sqrt(tiny * tiny + std::numeric_limits<double>::epsilon()), 1e-12);
}

TEST(NormLayerTest, GradientsInBothModes) {
  const Tensor x = (tests::random_tensor({4, 3, 5}, kFloat64, 1) * 0.2 + 3.0).detach().requires_grad_();
  for (const bool training : {true, false}) {
    BatchNorm1d norm(3, kDoubleBatchNorm);
    norm(tests::random_tensor({4, 3, 5}, kFloat64, 2));
    norm.train(training);
    const FreezeStatisticsGuard guard;
    EXPECT_TRUE(gradients_agree([&](const auto& in) { return norm(in[0]); }, {x, norm.weight, norm.bias}));
  }
}

TEST(NormRegistryTest, MakesWhatItsTableSays) {
  const auto type_of = [](const std::string& spec, std::int64_t channels, std::int64_t spatial) {
    return make_norm(spec, {.num_features = channels, .spatial_dims = spatial})->type_name();
  };
  EXPECT_EQ(type_of("batch", 100, 0), "BatchNorm1d");
  EXPECT_EQ(type_of("batch", 32, 2), "BatchNorm2d");
  EXPECT_EQ(type_of("batch", 32, 3), "BatchNorm3d");
  EXPECT_EQ(type_of("layer", 100, 0), "LayerNorm");
  EXPECT_EQ(type_of("layer", 32, 2), "GroupNorm");
  EXPECT_EQ(type_of("instance", 32, 2), "InstanceNorm2d");
  EXPECT_EQ(type_of("rms", 100, 0), "RMSNorm");
  EXPECT_EQ(type_of("none", 100, 0), "Identity");
  const auto groups_of = [](const std::string& spec, std::int64_t channels, std::int64_t spatial) {
    const auto norm = make_norm(spec, {.num_features = channels, .spatial_dims = spatial});
    return dynamic_cast<GroupNorm&>(*norm).num_groups();
  };
  EXPECT_EQ(groups_of("group", 100, 0), 10);
  EXPECT_EQ(groups_of("group", 32, 2), 8);
  EXPECT_EQ(groups_of("group:4", 32, 2), 4);
  EXPECT_EQ(groups_of("layer", 32, 2), 1);
  EXPECT_THAT(norm_names(), IsSupersetOf({"none", "batch", "layer", "instance", "group", "rms"}));
  EXPECT_FALSE(is_norm_applicable("instance", {.num_features = 100}));
  EXPECT_TRUE(is_norm_applicable("instance", {.num_features = 100, .spatial_dims = 1}));
}

// A folded norm returns its input; changing a single number of one channel ends that.
TEST(RunningStatsTest, OnlyAnIdentityPassesItsInputOn) {
  const NoGradGuard no_grad;
  BatchNorm1d identity(3);
  identity.eval();
  identity.running_var.fill_(1.0 - identity.eps());
  const Tensor x = randn({4, 3});
  ASSERT_TRUE(identity.is_identity());
  EXPECT_EQ(values(identity(x)), values(x));
  const auto last = [](Tensor tensor, double value) {
    dispatch_float("last", tensor.dtype(), [&](auto zero) {
      using T = decltype(zero);
      tensor.mutable_data<T>()[2] = static_cast<T>(value);
    });
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double value : {0.5, nan}) {
    for (const int which : {0, 1, 2, 3}) {
      BatchNorm1d norm = identity;
      const Tensor tensors[] = {norm.running_mean, norm.running_var, norm.weight, norm.bias};
      last(tensors[which], value);
      EXPECT_FALSE(norm.is_identity()) << which;
      EXPECT_NE(values(norm(x)), values(x)) << which;
    }
  }
}

TEST(NormRegistryTest, OptionsFollowColons) {
  const auto batch = make_norm("batch:momentum=0.01:eps=1e-3", {.num_features = 4, .spatial_dims = 2});
  const auto& layer = dynamic_cast<const BatchNorm2d&>(*batch);
  EXPECT_EQ(layer.momentum().weight(), 0.01);
  EXPECT_EQ(layer.eps(), 1e-3);
  const auto cumulative = make_norm("batch:momentum=none", {.num_features = 4});
  EXPECT_TRUE(dynamic_cast<const BatchNorm1d&>(*cumulative).momentum().is_cumulative());
  const auto group = make_norm("group:2:eps=0.5", {.num_features = 4});
  EXPECT_EQ(dynamic_cast<const GroupNorm&>(*group).num_groups(), 2);
  EXPECT_EQ(dynamic_cast<const GroupNorm&>(*group).eps(), 0.5);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
