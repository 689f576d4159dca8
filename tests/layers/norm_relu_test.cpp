// Sequential fuses a norm with the ReLU that follows it. Only the run time may differ.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>

#include "tests/support/fused_layers.hpp"
#include "tests/support/fused_norms.hpp"
#include "tests/support/gradients.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"
#include "normgrad/layers/pooling.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::Drawn;
using tests::every_bit;
using tests::expect_same;
using tests::gradients_agree;
using tests::groups;
using tests::is_fused;
using tests::name_of;
using tests::place;
using tests::plant_specials;
using tests::Results;
using tests::results_of;
using Place = tests::NormPlace;

std::vector<Place> places() {
  const BatchNormOptions batch;
  const InstanceNormOptions instance;
  InstanceNormOptions tracked;
  tracked.track_running_stats = true;
  LayerNormOptions over_channels;
  over_channels.axes = {1};
  return {
      place<BatchNorm1d>("BatchNorm1d", 20, batch, {30, 20}),
      place<BatchNorm1d>("BatchNorm1dTall", 20, batch, {1500, 20}),
      place<BatchNorm1d>("BatchNorm1dLong", 5, batch, {4, 5, 9}),
      place<BatchNorm2d>("BatchNorm2d", 24, batch, {5, 24, 7, 6}),
      place<BatchNorm3d>("BatchNorm3d", 3, batch, {4, 3, 2, 5, 3}),
      place<InstanceNorm1d>("InstanceNorm1d", 6, instance, {3, 6, 11}),
      place<InstanceNorm2d>("InstanceNorm2d", 24, instance, {3, 24, 6, 5}),
      place<InstanceNorm2d>("InstanceNorm2dTracked", 24, tracked, {3, 24, 6, 5}),
      place<InstanceNorm2d>("InstanceNorm2dUnbatched", 6, instance, {6, 5, 7}),
      place<InstanceNorm3d>("InstanceNorm3d", 3, tracked, {2, 3, 3, 4, 5}),
      groups("GroupNorm", 4, true, {3, 24, 9, 5}),
      groups("GroupNormOne", 1, true, {4, 16, 13, 13}),
      groups("GroupRms", 4, false, {3, 24, 9, 5}),
      groups("GroupNormFlat", 4, true, {6, 24}),
      place<LayerNorm>("LayerNorm", Shape{50}, LayerNormOptions{}, {17, 50}),
      place<LayerNorm>("LayerNormFew", Shape{3}, LayerNormOptions{}, {9, 3}),
      place<LayerNorm>("LayerNormImages", Shape{18, 5, 4}, LayerNormOptions{}, {6, 18, 5, 4}),
      place<LayerNorm>("LayerNormOverChannels", Shape{18}, over_channels, {4, 18, 5, 3}),
      place<RMSNorm>("RMSNorm", Shape{50}, RMSNormOptions{}, {17, 50}),
  };
}

class FusedReluTest : public tests::FusedNormTest<Place> {
 protected:
  static void expect_alike(Sequential& fused, Module& plain, const Tensor& x, const Tensor& gy, bool channels_last,
                           bool gradient_of_x, const std::string& what) {
    const Results a = results_of(
        fused, [&](const Tensor& in) { return fused(in); }, x, gy, channels_last, gradient_of_x);
    const Results b = results_of(
        plain, [&](const Tensor& in) { return relu(plain(in)); }, x, gy, channels_last, gradient_of_x);
    expect_same(a, b, what);
  }
};

std::vector<Place> places_where(bool (*fits)(const Shape&)) {
  std::vector<Place> all = places();
  std::erase_if(all, [&](const Place& p) { return !fits(p.shape); });
  return all;
}

INSTANTIATE_TEST_SUITE_P(Norms, FusedReluTest,
                         testing::Combine(testing::ValuesIn(places()), testing::Values(kFloat32, kFloat64)),
                         name_of<Place>);

class FusedReluImageTest : public FusedReluTest {};
INSTANTIATE_TEST_SUITE_P(Norms, FusedReluImageTest,
                         testing::Combine(testing::ValuesIn(places_where([](const Shape& s) { return s.rank() == 4; })),
                                          testing::Values(kFloat32, kFloat64)),
                         name_of<Place>);

// Finite differences use small float64 tensors.
class FusedReluGradientTest : public FusedReluTest {};
INSTANTIATE_TEST_SUITE_P(Norms, FusedReluGradientTest,
                         testing::Combine(testing::ValuesIn(places_where([](const Shape& s) {
                                            return s.numel() <= 5000;
                                          })),
                                          testing::Values(kFloat64)),
                         name_of<Place>);

TEST_P(FusedReluTest, GivesTheSameBits) {
  for (const bool affine : {true, false}) {
    for (const bool training : {true, false}) {
      for (const bool channels_last : {false, true}) {
        for (const bool special : {false, true}) {
          for (const bool gradient_of_x : {true, false}) {
            const auto plain = norm(affine);
            Sequential fused(plain->clone(), ReLU());
            plain->train(training);
            fused.train(training);
            Tensor x = draw();
            if (special) {
              plant_specials(x);
            }
            expect_alike(fused, *plain, x, draw(), channels_last, gradient_of_x,
                         detail::concat("affine ", affine, ", training ", training, ", channels last ", channels_last,
                                        ", special ", special, ", gradient of x ", gradient_of_x));
          }
        }
      }
    }
  }
}

// gamma is the smallest number: half of the values above 0 round to 0 when stored, and pass no gradient.
TEST_P(FusedReluTest, ResultsThatRoundToZeroPassNothingOn) {
  const auto plain = norm(true);
  {
    const NoGradGuard no_grad;
    for (auto& [name, parameter] : plain->named_parameters()) {
      const double least = dtype() == kFloat32 ? 0x1p-149 : 0x1p-1074;
      Tensor p = parameter;
      p.fill_(name == "weight" ? least : 0.0);
    }
  }
  Sequential fused(plain->clone(), ReLU());
  const Tensor x = draw();
  expect_alike(fused, *plain, x, draw(), false, true, "gamma next to zero");
}

// Parameters that learn alone, and frozen ones.
TEST_P(FusedReluTest, GivesTheSameBitsForEverySubsetOfGradients) {
  for (const bool training : {true, false}) {
    const auto plain = norm(true);
    Sequential fused(plain->clone(), ReLU());
    plain->train(training);
    fused.train(training);
    const Tensor x = draw();
    const Tensor gy = draw();
    tests::for_every_subset_of_gradients(fused, *plain, [&](unsigned learn, bool gradient_of_x) {
      expect_alike(fused, *plain, x, gy, false, gradient_of_x,
                   detail::concat("training ", training, ", learn ", learn));
    });
  }
}

TEST_P(FusedReluTest, RecordedGradientsAreThoseOfTheTwoLayers) {
  for (const bool training : {true, false}) {
    const auto plain = norm(true);
    Sequential fused(plain->clone(), ReLU());
    plain->train(training);
    fused.train(training);
    const Drawn drawn{.x = draw(), .gy = draw(), .again = draw()};
    const Results a = tests::recorded_gradients(
        fused, [&](const Tensor& x) { return fused(x); }, drawn, false, true);
    const Results b = tests::recorded_gradients(
        *plain, [&](const Tensor& x) { return relu((*plain)(x)); }, drawn, false, true);
    expect_same(a, b, detail::concat("training ", training));
  }
}

TEST_P(FusedReluTest, ThreadsDoNotShow) {
  const auto plain = norm(true);
  const Tensor x = draw();
  const auto fused = [&] { return Sequential(plain->clone(), ReLU()); };
  tests::expect_threads_do_not_show(fused, x, draw(), false, {1, 2, 4});
}

TEST_P(FusedReluImageTest, BeforeMaxPooling) {
  const auto plain = norm(true);
  Sequential fused(plain->clone(), ReLU(), MaxPool2d(2));
  const Tensor x = draw();
  const Tensor gy = randn(MaxPool2d(2)(x).shape(), {.dtype = dtype()});
  MaxPool2d pool(2);
  const Results a = results_of(
      fused, [&](const Tensor& in) { return fused(in); }, x, gy, false, true);
  const Results b = results_of(
      *plain, [&](const Tensor& in) { return pool(relu((*plain)(in))); }, x, gy, false, true);
  expect_same(a, b, "pooled");
}

TEST_P(FusedReluGradientTest, GradientsAgreeWithDifferences) {
  for (const bool training : {true, false}) {
    auto made = where().make(true, dtype());
    {
      const NoGradGuard no_grad;
      for (Tensor p : made->parameters()) {
        p.copy_(randn(p.shape(), {.dtype = p.dtype()}) + 0.1);
      }
    }
    Sequential fused(std::move(made), ReLU());
    fused.train(training);
    const FreezeStatisticsGuard guard;
    std::vector<Tensor> inputs{draw().requires_grad_()};
    for (const Tensor& p : fused.parameters()) {
      inputs.push_back(p);
    }
    EXPECT_TRUE(gradients_agree([&](const auto& in) { return fused(in[0]); }, inputs, 2,
                                {.allow_kinks = true, .allow_degenerate = true, .max_elements = 8}));
  }
}

TEST_P(FusedReluTest, HooksSeeBothLayers) {
  const auto made = norm(true);
  const Tensor x = draw();
  const Tensor expected = relu((*made->clone())(x));
  for (const std::int64_t which : {0, 1}) {
    Sequential net(made->clone(), ReLU());
    std::vector<Tensor> seen;
    net[which].register_forward_hook([&](Module&, const Tensor& in, const Tensor& out) {
      seen = {in.clone(), out.clone()};
      return Tensor();
    });
    EXPECT_EQ(every_bit(net(x)), every_bit(expected));
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(every_bit(seen[which == 0 ? 0 : 1]), every_bit(which == 0 ? x : expected));
    EXPECT_NE(every_bit(seen[which == 0 ? 1 : 0]), every_bit(expected)) << "the norm's own result is not cut off";
  }
}

TEST_P(FusedReluTest, OneNodeIsRecorded) {
  Sequential net(norm(true), ReLU());
  EXPECT_TRUE(is_fused(net, draw()));
  Sequential other(norm(true), Tanh(), ReLU());
  EXPECT_FALSE(is_fused(other, draw()));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
