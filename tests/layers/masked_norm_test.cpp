// Norms over the elements where a mask is true.
#include "normgrad/core/ops/norm/masked.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/gradients.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/norm_steps.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::error_of;
using tests::normal;
using tests::NormSteps;

/// An irregular mask, about a third of which is false.
Tensor irregular(const Shape& shape, std::uint32_t seed = 5) { return normal(shape, seed) > -0.4; }

TEST(MaskedNormTest, IsPyTorchsNormOfTheKeptElements) {
  BatchNorm1d batch(2, {.dtype = kFloat64});
  NormSteps("masked_batch").expect_as_torch(batch, [&](const auto& in) { return batch(in[0], in[1]); });
  InstanceNorm1d instance(2, {.affine = true, .track_running_stats = true, .dtype = kFloat64});
  NormSteps("masked_instance").expect_as_torch(instance, [&](const auto& in) { return instance(in[0], in[1]); });
  GroupNorm group(2, 4, {.dtype = kFloat64});
  NormSteps("masked_group").expect_as_torch(group, [&](const auto& in) { return group(in[0], in[1]); });
}

// Plain loops over an irregular mask, for sets along any axes.
template <class SetOf>
std::vector<double> by_loops(const Tensor& x, const Tensor& mask, const SetOf& set_of, double eps) {
  const std::vector<double> in = bits(x);
  const std::vector<double> kept = bits(mask);
  std::vector<double> out(in.size(), 0.0);
  for (std::size_t i = 0; i < in.size(); ++i) {
    double n = 0.0;
    double sum = 0.0;
    double squares = 0.0;
    for (const bool second : {false, true}) {
      for (std::size_t j = 0; j < in.size(); ++j) {
        if (kept[j] != 0.0 && set_of(j) == set_of(i)) {
          if (second) {
            squares += (in[j] - sum / n) * (in[j] - sum / n);
          } else {
            n += 1.0;
            sum += in[j];
          }
        }
      }
    }
    if (kept[i] != 0.0) {
      out[i] = (in[i] - sum / n) / std::sqrt(squares / n + eps);
    }
  }
  return out;
}

TEST(MaskedNormTest, IrregularMasks) {
  const Tensor x = normal({3, 4, 5}, 1) * 2.0 + 1.0;
  const Tensor mask = irregular({3, 4, 5});
  const auto near = [&](const Tensor& y, const auto& set_of) {
    EXPECT_LE(distance(y, from_vector(by_loops(x, mask, set_of, 1e-5), {3, 4, 5})), 1e-13);
  };
  near(masked_batch_norm_training(x, mask).y, [](std::size_t i) { return i / 5 % 4; });
  near(masked_instance_norm(x, mask), [](std::size_t i) { return i / 5; });
  near(masked_group_norm(x, mask, 2), [](std::size_t i) { return i / 10; });
  near(masked_layer_norm(x, mask, {1, 2}), [](std::size_t i) { return i / 20; });
  near(masked_layer_norm(x, mask, 1), [](std::size_t i) { return i / 20 * 5 + i % 5; });
  near(LayerNorm({4, 5}, {.dtype = kFloat64})(x, mask), [](std::size_t i) { return i / 20; });
  near(LayerNorm({4}, {.axes = {1}, .dtype = kFloat64})(x, mask), [](std::size_t i) { return i / 20 * 5 + i % 5; });
}

TEST(MaskedNormTest, WhatIsMaskedDoesNotMatter) {
  const Tensor mask = irregular({3, 4, 5});
  const Tensor x = normal({3, 4, 5}, 1);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor gy = normal({3, 4, 5}, 2);
  const auto check = [&](NormLayer& norm) {
    const FreezeStatisticsGuard guard;
    for (const bool training : {true, false}) {
      norm.train(training);
      Tensor clean = x.clone().requires_grad_();
      Tensor spoilt = x.masked_fill(mask.logical_not(), nan).requires_grad_();
      norm.zero_grad();
      const Tensor y = norm(clean, mask);
      y.backward(gy);
      std::vector<std::vector<double>> gradients;
      for (const Tensor& parameter : norm.parameters()) {
        gradients.push_back(bits(parameter.grad()));
      }
      norm.zero_grad();
      const Tensor z = norm(spoilt, mask);
      z.backward(gy);
      EXPECT_EQ(bits(z), bits(y)) << norm;
      EXPECT_EQ(bits(spoilt.grad()), bits(clean.grad())) << norm;
      EXPECT_EQ(tests::largest(y.masked_fill(mask, 0.0)), 0.0) << norm;
      EXPECT_EQ(tests::largest(clean.grad().masked_fill(mask, 0.0)), 0.0) << norm;
      for (std::size_t i = 0; i < gradients.size(); ++i) {
        EXPECT_EQ(bits(norm.parameters()[i].grad()), gradients[i]) << norm;
      }
    }
  };
  BatchNorm1d batch(4, {.dtype = kFloat64});
  InstanceNorm1d instance(4, {.affine = true, .track_running_stats = true, .dtype = kFloat64});
  LayerNorm layer({4, 5}, {.dtype = kFloat64});
  GroupNorm group(2, 4, {.dtype = kFloat64});
  GroupNorm uncentered(2, 4, {.center = false, .dtype = kFloat64});
  for (NormLayer* norm : std::initializer_list<NormLayer*>{&batch, &instance, &layer, &group, &uncentered}) {
    std::uint32_t seed = 20;
    for (const Tensor& parameter : norm->parameters()) {
      const NoGradGuard no_grad;
      Tensor(parameter).copy_(normal(parameter.shape(), seed++));
    }
    check(*norm);
  }
}

TEST(MaskedNormTest, AMaskOfOnesChangesNothing) {
  const Tensor x = normal({3, 4, 5}, 1) + 2.0;
  const Tensor all = x == x;
  const auto check = [&](auto norm) {
    auto masked = norm;
    EXPECT_LE(distance(masked(x, all), norm(x)), 1e-13) << norm;
    const StateDict state = norm.state_dict();
    for (const auto& [key, value] : masked.state_dict()) {
      EXPECT_LE(distance(value.to(kFloat64), state.at(key).to(kFloat64)), 1e-14) << key;
    }
  };
  check(BatchNorm1d(4, {.dtype = kFloat64}));
  check(BatchNorm1d(4, {.momentum = std::nullopt, .variance = Variance::biased, .dtype = kFloat64}));
  check(InstanceNorm1d(4, {.track_running_stats = true, .dtype = kFloat64}));
  check(LayerNorm({4, 5}, {.dtype = kFloat64}));
  check(GroupNorm(2, 4, {.dtype = kFloat64}));
  check(GroupNorm(2, 4, {.center = false, .dtype = kFloat64}));
}

TEST(MaskedNormTest, GradientsToOrderFour) {
  const Tensor mask = irregular({3, 2, 3});
  const Tensor x = normal({3, 2, 3}, 1).requires_grad_();
  const Tensor w = normal({2}, 2).requires_grad_();
  const Tensor b = normal({2}, 3).requires_grad_();
  const auto check = [&](const TensorFunction& f) {
    EXPECT_TRUE(tests::gradients_agree(f, {x, w, b}));
    for (const int order : {3, 4}) {
      const GradCheckReport report =
          gradcheck_order(f, {x, w}, order, {.rtol = 1e-6, .atol = 1e-6, .allow_degenerate = true, .max_elements = 4});
      EXPECT_TRUE(report.passed) << report;
    }
  };
  const auto bias_of = [&](const std::vector<Tensor>& in) { return in.size() > 2 ? in[2] : Tensor(); };
  check([&](const auto& in) { return masked_batch_norm_training(in[0], mask, in[1], bias_of(in)).y; });
  check([&](const auto& in) { return masked_instance_norm(in[0], mask, in[1], bias_of(in)); });
  check([&](const auto& in) { return masked_group_norm(in[0], mask, 1, in[1], bias_of(in)); });
  check([&](const auto& in) { return masked_layer_norm(in[0], mask, 1, in[1], bias_of(in)); });
}

TEST(MaskedNormTest, RunningStatisticsByTheirCounts) {
  // Channel 0 has 4 values, channel 1 none, channel 2 all 6.
  const Tensor x = normal({6, 3}, 1) * 3.0;
  Tensor mask = x == x;
  for (const std::int64_t i : {1, 4, 7, 10, 13, 16, 12, 15}) {
    mask.mutable_data<bool>()[i] = false;
  }
  BatchNorm1d norm(3, {.momentum = 1.0, .dtype = kFloat64});
  norm(x, mask);
  BatchNorm1d four(1, {.momentum = 1.0, .dtype = kFloat64});
  four(x.narrow(0, 0, 4).narrow(1, 0, 1));
  BatchNorm1d six(1, {.momentum = 1.0, .dtype = kFloat64});
  six(x.narrow(1, 2, 1));
  const std::vector<double> means = bits(norm.running_mean);
  const std::vector<double> vars = bits(norm.running_var);
  EXPECT_NEAR(means[0], four.running_mean.item(), 1e-14);
  EXPECT_NEAR(vars[0], four.running_var.item(), 1e-13);
  EXPECT_EQ(means[1], 0.0);
  EXPECT_EQ(vars[1], 1.0);
  EXPECT_NEAR(means[2], six.running_mean.item(), 1e-14);
  EXPECT_NEAR(vars[2], six.running_var.item(), 1e-13);
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
  // A batch without any element is not counted.
  EXPECT_EQ(tests::largest(norm(x, x != x)), 0.0);
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
}

TEST(MaskedNormTest, OneElementOfAChannel) {
  const Tensor x = normal({4, 1}, 1);
  const Tensor one = from_vector(std::vector<std::int64_t>{1, 0, 0, 0}, {4, 1}) == 1;
  BatchNorm1d norm(1, {.dtype = kFloat64});
  EXPECT_EQ(error_of<ShapeError>([&] { norm(x, one); }),
            "BatchNorm1d: expected more than 1 value per channel where the mask is true to take batch statistics of "
            "(training mode) but got [4, 1]; use larger batches (leave out the last one: DataLoader {.drop_last = "
            "true}), eval() with running statistics, or {.single_value = SingleValue::use_running}");
  BatchNorm1d by_running(1, {.single_value = SingleValue::use_running, .dtype = kFloat64});
  const std::vector<double> y = bits(by_running(x, one));
  EXPECT_NEAR(y[0], x.data<double>()[0] / std::sqrt(1.0 + 1e-5), 1e-14);
  EXPECT_EQ(y[1], 0.0);
  EXPECT_EQ(by_running.num_batches_tracked.item(), 0);
}

TEST(MaskedNormTest, Errors) {
  BatchNorm1d norm(3);
  const Tensor x = zeros({2, 3, 4});
  EXPECT_EQ(error_of<DTypeError>([&] {
              norm(x, zeros({2, 1, 4}));
            }),
            "BatchNorm1d: expected a bool mask but got float32");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(x, zeros({2, 4}) == 0);
            }),
            "BatchNorm1d: expected a mask that broadcasts to [2, 3, 4] but got [2, 4]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              masked_instance_norm(x, zeros({5, 2, 3, 4}) == 0);
            }),
            "masked_instance_norm: expected a mask that broadcasts to [2, 3, 4] but got [5, 2, 3, 4]");
  RMSNorm rms(4);
  EXPECT_EQ(error_of<ValueError>([&] { rms(x, x == 0); }),
            "RMSNorm: expected no mask; BatchNorm, LayerNorm, InstanceNorm and GroupNorm take one");
  LayerNorm layer(5);
  EXPECT_EQ(error_of<ShapeError>([&] { layer(x, x == 0); }),
            "LayerNorm: expected sizes [5] along the normalized axes but got [4] in [2, 3, 4]");
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
