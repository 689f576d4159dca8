// Exact identities of running statistics and evaluation, by their numbers in docs/identities.md.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/norm_places.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::largest;
using tests::normal;

Tensor images(std::uint32_t seed = 1) { return (normal({6, 3, 2, 4}, seed) * 0.7 + 2.0).detach(); }

// A layer whose running statistics and parameters are all distinct from the defaults.
BatchNorm2d trained() {
  BatchNorm2d norm(3, {.dtype = kFloat64});
  norm.running_mean.set_data(normal({3}, 11));
  norm.running_var.set_data((square(normal({3}, 12)) + 0.5).detach());
  norm.weight.set_data(normal({3}, 13));
  norm.bias.set_data(normal({3}, 14));
  norm.eval();
  return norm;
}

TEST(Identity, N27_RunningStatisticsAfterEqualBatches) {
  const Tensor x = images();
  const double m = 48.0;
  const Tensor mu = mean(x, {0, 2, 3});
  const Tensor v = var(x, {0, 2, 3}, false);
  for (const double p : {0.1, 0.3, 1.0}) {
    BatchNorm2d norm(3, {.momentum = p, .dtype = kFloat64});
    InstanceNorm2d instance(3, {.momentum = p, .track_running_stats = true, .dtype = kFloat64});
    for (int t = 1; t <= 5; ++t) {
      norm(x);
      instance(x);
      const double old = std::pow(1.0 - p, t);
      EXPECT_LE(distance(norm.running_mean, mu * (1.0 - old)), 1e-14);
      EXPECT_LE(distance(norm.running_var, v * (1.0 - old) * m / (m - 1.0) + old), 1e-14);
      EXPECT_EQ(norm.num_batches_tracked.item(), t);
      // InstanceNorm: means over the samples, of 8 values each.
      EXPECT_LE(distance(instance.running_mean, mu * (1.0 - old)), 1e-14);
      EXPECT_LE(distance(instance.running_var, mean(var(x, {2, 3}), {0}) * (1.0 - old) + old), 1e-14);
    }
  }
}

// pytorch#60528, reported as a bug: y is normalized with the biased variance, running_var uses the unbiased one.
TEST(Identity, N27_GoldenPyTorch60528) {
  BatchNorm1d norm(3);
  Tensor x = zeros({4, 3, 4});
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const std::int64_t value = 1 + i / 12 + 4 * (i / 4 % 3) + i % 4;
    x.mutable_data<float>()[i] = static_cast<float>(value);
  }
  const std::vector<double> y = bits(norm(x));
  const double expected[] = {-1.8974, -1.2649, -0.6325, 0.0};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(y[i], expected[i], 5e-5);
  }
  EXPECT_LE(distance(norm.running_var, full({3}, 1.1667, {.dtype = kFloat64})), 5e-5);
}

// pytorch#106366: 16 samples of the values 1 to 4 on 2 channels of 3x3.
TEST(Identity, N27_GoldenPyTorch106366) {
  Tensor x = zeros({16, 2, 3, 3});
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.mutable_data<float>()[i] = static_cast<float>(1 + i / 18 % 4);
  }
  BatchNorm2d unbiased(2);
  BatchNorm2d biased(2, {.variance = Variance::biased});
  unbiased(x);
  biased(x);
  // 0.9 + 0.1 * 1.25 * 144 / 143.
  EXPECT_LE(distance(unbiased.running_var, full({2}, 1.0259, {.dtype = kFloat64})), 5e-5);
  EXPECT_LE(distance(biased.running_var, full({2}, 1.0250, {.dtype = kFloat64})), 5e-5);
}

// Law of total variance: cumulative statistics of equal parts equal those of the whole.
TEST(Identity, N28_StatisticsOfPartsMakeThoseOfTheWhole) {
  const Tensor x = images();
  BatchNorm2d norm(3, {.momentum = std::nullopt, .variance = Variance::biased, .dtype = kFloat64});
  Tensor mean_squares = zeros({3}, {.dtype = kFloat64});
  for (std::int64_t part = 0; part < 3; ++part) {
    const Tensor batch = x.narrow(0, 2 * part, 2);
    norm(batch);
    mean_squares = mean_squares + square(mean(batch, {0, 2, 3})) / 3.0;
  }
  EXPECT_LE(distance(norm.running_mean, mean(x, {0, 2, 3})), 1e-14);
  const Tensor of_means = mean_squares - square(norm.running_mean);
  EXPECT_LE(distance(norm.running_var + of_means, var(x, {0, 2, 3}, false)), 1e-14);
  EXPECT_GT(largest(of_means), 1e-3);
}

// Over all batches of 3 drawn with replacement from 4 values.
TEST(Identity, N29_TheUnbiasedEstimateIsUnbiased) {
  const double population[] = {1.0, 2.0, 4.0, 9.0};
  constexpr double kVariance = 9.5;  // mean 4: (9 + 4 + 0 + 25) / 4
  BatchNorm1d unbiased(1, {.momentum = std::nullopt, .dtype = kFloat64});
  BatchNorm1d biased(1, {.momentum = std::nullopt, .variance = Variance::biased, .dtype = kFloat64});
  for (std::size_t draw = 0; draw < 64; ++draw) {
    const Tensor batch =
        from_vector(std::vector<double>{population[draw % 4], population[draw / 4 % 4], population[draw / 16]}, {3, 1});
    unbiased(batch);
    biased(batch);
  }
  EXPECT_NEAR(unbiased.running_mean.item(), 4.0, 1e-13);
  EXPECT_NEAR(unbiased.running_var.item(), kVariance, 1e-12);
  EXPECT_NEAR(biased.running_var.item(), kVariance * 2.0 / 3.0, 1e-12);
}

TEST(Identity, N30_EvaluationIsAffineAndLocal) {
  BatchNorm2d norm = trained();
  const Tensor a = images(1);
  const Tensor b = images(2);
  const auto per_channel = [](const Tensor& t) { return t.detach().reshape({1, 3, 1, 1}); };
  const Tensor scale = per_channel(norm.weight) / (per_channel(norm.running_var) + 1e-5).sqrt();
  EXPECT_LE(distance(norm(a), (a - per_channel(norm.running_mean)) * scale + per_channel(norm.bias)), 1e-14);
  EXPECT_LE(distance(norm(a * 0.3 + b * 0.7), norm(a) * 0.3 + norm(b) * 0.7), 1e-14);
  EXPECT_EQ(bits(norm(a).narrow(0, 2, 1)), bits(norm(a.narrow(0, 2, 1))));
  Tensor x = images().requires_grad_();
  const Tensor gy = normal(x.shape(), 5);
  const Tensor first = norm(x);
  EXPECT_LE(distance(grad({first}, {x}, {gy})[0], gy * scale), 1e-14);
  EXPECT_EQ(bits(norm(x)), bits(first));
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);
}

TEST(Identity, N31_EvaluationWithTheBatchsOwnStatisticsIsTraining) {
  const Tensor x = images();
  BatchNorm2d norm(3, {.momentum = 1.0, .dtype = kFloat64});
  const Tensor in_training = norm(x);
  norm.running_var.mul_(47.0 / 48.0);  // converts the unbiased estimate to the biased one
  norm.eval();
  EXPECT_LE(distance(norm(x), in_training), 1e-14);
  // Values agree but gradients do not: in training, statistics are functions of x.
  Tensor leaf = images().requires_grad_();
  const Tensor gy = normal(x.shape(), 5);
  const Tensor in_eval = grad({norm(leaf)}, {leaf}, {gy})[0];
  norm.train();
  EXPECT_GT(distance(grad({norm(leaf)}, {leaf}, {gy})[0], in_eval), 1e-2);
}

// W' = gamma / sqrt(rv + eps) W and b' = beta + gamma (b - rm) / sqrt(rv + eps).
TEST(Identity, N32_ANormInEvaluationFoldsIntoTheLayerBefore) {
  BatchNorm2d norm = trained();
  const Tensor scale = norm.weight.detach() / (norm.running_var.detach() + 1e-5).sqrt();
  Conv2d conv(2, 3, 3, {.padding = 1, .dtype = kFloat64});
  const Tensor x = normal({4, 2, 5, 5}, 1);
  const Tensor y = norm(conv(x));
  const Tensor bias = norm.bias.detach() + (conv.bias.detach() - norm.running_mean.detach()) * scale;
  conv.weight.set_data((conv.weight.detach() * scale.reshape({3, 1, 1, 1})).detach());
  conv.bias.set_data(bias.detach());
  EXPECT_LE(distance(conv(x), y), 1e-13);

  Linear linear(4, 3, {.dtype = kFloat64});
  BatchNorm1d after(3, {.dtype = kFloat64});
  after.load_state_dict(norm.state_dict());
  after.eval();
  const Tensor rows = normal({7, 4}, 2);
  const Tensor of_rows = after(linear(rows));
  const Tensor folded = norm.bias.detach() + (linear.bias.detach() - norm.running_mean.detach()) * scale;
  linear.weight.set_data((linear.weight.detach() * scale.reshape({3, 1})).detach());
  linear.bias.set_data(folded.detach());
  EXPECT_LE(distance(linear(rows), of_rows), 1e-13);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
