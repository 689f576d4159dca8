#include "normgrad/layers/norm/power_norm.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/gradients.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/norm_steps.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::error_of;
using tests::normal;
using tests::NormSteps;

TEST(PowerNormTest, IsAsTheAuthorsCode) {
  PowerNorm features(4, {.alpha_fwd = 0.7, .alpha_bkw = 0.8, .warmup_iters = 2, .dtype = kFloat64});
  NormSteps("power_1d").expect_as_torch(features);
  PowerNorm images(4, {.warmup_iters = 1, .group_num = 2, .dtype = kFloat64});
  NormSteps("power_2d").expect_as_torch(images);
  PowerNorm plain(3, {.warmup_iters = 0, .group_num = std::nullopt, .dtype = kFloat64});
  NormSteps("power_plain").expect_as_torch(plain);
}

// Where running_var is the batch's mean square and ema_gz is 0, the approximation is the derivative after the warmup.
TEST(PowerNormTest, TheGradientIsExactWhereItsApproximationsAre) {
  for (const std::optional<std::int64_t> groups : {std::optional<std::int64_t>(), std::optional<std::int64_t>(2)}) {
    PowerNorm norm(4, {.warmup_iters = 0, .group_num = groups, .dtype = kFloat64});
    norm.weight.set_data(normal({4}, 3));
    const Tensor x = normal({5, 4}, 1).requires_grad_();
    PowerNorm measured(4, {.alpha_fwd = 0.0, .warmup_iters = 0, .group_num = groups, .dtype = kFloat64});
    measured(x.detach());
    norm.running_var.copy_(measured.running_var);
    const FreezeStatisticsGuard guard;
    const auto f = [&](const auto& in) { return norm(in[0]); };
    EXPECT_TRUE(tests::gradients_agree(f, {x, norm.weight, norm.bias}, 1));
    norm.ema_gz.fill_(1.0);
    EXPECT_FALSE(tests::gradients_agree(f, {x}, 1));
    norm.ema_gz.fill_(0.0);
    norm.running_var.mul_(2.0);
    EXPECT_FALSE(tests::gradients_agree(f, {x}, 1));
  }
}

TEST(PowerNormTest, EvaluationIsExactAndItsBackwardChangesNothing) {
  PowerNorm norm(4, {.dtype = kFloat64});
  Tensor x = normal({5, 4}, 1).requires_grad_();
  norm(x).backward(normal({5, 4}, 2));
  const std::vector<double> before = bits(norm.ema_gz);
  EXPECT_NE(before[0], 0.0);
  norm.eval();
  EXPECT_TRUE(tests::gradients_agree([&](const auto& in) { return norm(in[0]); }, {x, norm.weight, norm.bias}));
  EXPECT_EQ(bits(norm.ema_gz), before);
}

// The state of a batch norm has a mean, which nothing subtracts.
TEST(PowerNormTest, TheRunningMeanIsUnused) {
  PowerNorm norm(4);
  norm.eval();
  const Tensor x = tests::random_tensor({5, 4}, kFloat32, 1);
  const std::vector<double> y = bits(norm(x));
  norm.running_mean.fill_(3.0);
  EXPECT_EQ(bits(norm(x)), y);
}

TEST(PowerNormTest, WhatKeepsTheBackwardFromItsStatistic) {
  PowerNorm norm(4, {.dtype = kFloat64});
  Tensor x = normal({5, 4}, 1).requires_grad_();
  const Tensor gy = normal({5, 4}, 2);
  const auto unchanged = [&] { return tests::largest(norm.ema_gz) == 0.0; };
  {
    const Tensor y = norm(x);
    const FreezeStatisticsGuard guard;
    y.backward(gy);
  }
  EXPECT_TRUE(unchanged());
  {
    const FreezeStatisticsGuard guard;
    const Tensor y = norm(x);
    y.backward(gy);
  }
  EXPECT_TRUE(unchanged());
  norm.set_updates(false);
  norm(x).backward(gy);
  EXPECT_TRUE(unchanged());
  norm.set_updates(true);
  norm(x).backward(full({5, 4}, std::numeric_limits<double>::infinity(), {.dtype = kFloat64}));
  EXPECT_TRUE(unchanged());
  PowerNorm copy = norm;
  norm(x).backward(gy);
  EXPECT_FALSE(unchanged());
  EXPECT_EQ(tests::largest(copy.ema_gz), 0.0);
  norm.reset_running_stats();
  EXPECT_TRUE(unchanged());
}

TEST(PowerNormTest, TheWarmupEndsAfterItsBatches) {
  PowerNorm norm(2, {.warmup_iters = 2, .group_num = std::nullopt, .affine = false, .dtype = kFloat64});
  const Tensor x = normal({50, 2}, 1) * 3.0;
  for (int batch = 1; batch <= 3; ++batch) {
    const Tensor running = norm.running_var.clone();
    const Tensor squares = mean(square(norm(x)), 0);
    const Tensor phi = mean(square(x), 0);
    const Tensor divisor = batch <= 2 ? phi : running;
    EXPECT_LE(distance(squares, phi / (divisor + 1e-5)), 1e-12) << batch;
  }
  EXPECT_EQ(norm.num_batches_tracked.item(), 3);
}

TEST(PowerNormTest, Errors) {
  const auto error = [](const PowerNormOptions& options) {
    return error_of<ValueError>([&] { PowerNorm(6, options); });
  };
  EXPECT_EQ(error({.group_num = 4}), "PowerNorm: expected a group_num that divides num_features 6 but got 4");
  EXPECT_EQ(error({.alpha_bkw = 2.0}), "PowerNorm: expected alpha_bkw in [0, 1] but got 2");
  EXPECT_EQ(error({.alpha_fwd = 2.0}), "PowerNorm: expected alpha_fwd in [0, 1] but got 2");
  EXPECT_EQ(error({.warmup_iters = -1}), "PowerNorm: expected warmup_iters >= 0 but got -1");
  PowerNorm norm(6);
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 5}));
            }),
            "PowerNorm: expected an input [N, 6, *] but got [2, 5], which has 5 channels; make it PowerNorm(5)");
  EXPECT_EQ(norm.extra_repr(),
            "6, eps=1e-05, alpha_fwd=0.9, alpha_bkw=0.9, affine=true, warmup_iters=10000, group_num=1");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
