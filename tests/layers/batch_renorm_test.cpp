#include "normgrad/layers/norm/batch_renorm.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/gradients.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/norm_steps.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::error_of;
using tests::normal;
using tests::NormSteps;

TEST(BatchRenormTest, IsAsComposedInPyTorch) {
  BatchRenorm2d images(5, {.momentum = 0.3, .r_max = {1, 3, 1, 4}, .d_max = {0, 2, 1, 3}, .dtype = kFloat64});
  NormSteps("batch_renorm_2d").expect_as_torch(images);
  BatchRenorm1d features(5, {.eps = 1e-2, .momentum = 0.5, .r_max = 2.0, .d_max = 0.5, .dtype = kFloat64});
  NormSteps("batch_renorm_1d").expect_as_torch(features);
}

TEST(BatchRenormTest, LimitsFollowTheirSchedule) {
  const BatchRenormOptions paper;
  EXPECT_EQ(paper.r_max.at(0), 1.0);
  EXPECT_EQ(paper.r_max.at(5000), 1.0);
  EXPECT_EQ(paper.r_max.at(22500), 2.0);
  EXPECT_EQ(paper.r_max.at(40000), 3.0);
  EXPECT_EQ(paper.r_max.at(1000000), 3.0);
  EXPECT_EQ(paper.d_max.at(4999), 0.0);
  EXPECT_EQ(paper.d_max.at(15000), 2.5);
  EXPECT_EQ(paper.d_max.at(25000), 5.0);
  EXPECT_EQ(RenormLimit(1.5).at(0), 1.5);
  EXPECT_EQ(RenormLimit(1, 2, 7, 7).at(7), 2.0);
  EXPECT_EQ(RenormLimit(1, 2, 7, 7).at(6), 1.0);
  BatchRenorm1d norm(2);
  norm.num_batches_tracked.fill_(15000.0);
  EXPECT_EQ(norm.r_max(), 1.0 + 2.0 * 10000 / 35000);
  EXPECT_EQ(norm.d_max(), 2.5);
}

TEST(BatchRenormTest, IsBatchNormUntilTheLimitsGrow) {
  const Tensor x = normal({4, 3, 2, 2}, 1);
  BatchRenorm2d norm(3, {.eps = 1e-5, .dtype = kFloat64});
  BatchNorm2d batch(3, {.dtype = kFloat64});
  EXPECT_EQ(bits(norm(x)), bits(batch(x)));
  norm.num_batches_tracked.fill_(6000.0);
  EXPECT_GT(distance(norm(x), batch(x)), 1e-3);
}

TEST(BatchRenormTest, WithinTheLimitsTrainingIsEvaluation) {
  BatchRenorm1d norm(3, {.r_max = 1e3, .d_max = 1e3, .dtype = kFloat64});
  for (std::uint32_t seed = 1; seed < 4; ++seed) {
    norm(normal({6, 3}, seed) * 2.0 + 1.0);
  }
  const FreezeStatisticsGuard guard;
  Tensor x = normal({6, 3}, 9).requires_grad_();
  const Tensor gy = normal({6, 3}, 10);
  const Tensor y = norm(x);
  const Tensor gx = grad({y}, {x}, {gy})[0];
  norm.eval();
  EXPECT_LE(distance(norm(x), y), 1e-14);
  // The statistics of the batch are functions of x, unlike those of evaluation.
  EXPECT_GT(distance(grad({norm(x)}, {x}, {gy})[0], gx), 1e-2);
}

// r and d are constants for the gradient, and beyond the limits they are constants.
TEST(BatchRenormTest, GradientsToOrderFourBeyondTheLimits) {
  BatchRenorm1d norm(3, {.r_max = 1.5, .d_max = 0.25, .dtype = kFloat64});
  norm.running_mean.fill_(-40.0);
  norm.running_var.fill_(1e-3);
  norm.weight.set_data(normal({3}, 2));
  const FreezeStatisticsGuard guard;
  const Tensor x = normal({5, 3}, 1).requires_grad_();
  EXPECT_TRUE(tests::gradients_agree([&](const auto& in) { return norm(in[0]); }, {x, norm.weight, norm.bias}, 2));
  for (const int order : {3, 4}) {
    const GradCheckReport report = gradcheck_order([&](const auto& in) { return norm(in[0]); }, {x}, order,
                                                   {.rtol = 1e-6, .atol = 1e-6, .max_elements = 4});
    EXPECT_TRUE(report.passed) << report;
  }
  const Tensor xhat = (x - mean(x, 0, true)) / sqrt(var(x, 0, false, true) + 1e-3);
  EXPECT_LE(distance(norm(x), (xhat * 1.5 + 0.25) * norm.weight), 1e-13);
}

TEST(BatchRenormTest, TheDeviationIsAveraged) {
  const Tensor x = normal({8, 2}, 1) * 3.0;
  const Tensor deviation = sqrt(var(x, 0, false) + 1e-3);
  BatchRenorm1d norm(2, {.momentum = 0.25, .dtype = kFloat64});
  norm(x);
  EXPECT_LE(distance(sqrt(norm.running_var + 1e-3), deviation * 0.25 + 0.75 * std::sqrt(1.001)), 1e-14);
  BatchRenorm1d cumulative(2, {.momentum = std::nullopt, .dtype = kFloat64});
  cumulative(x);
  cumulative(x * 2.0);
  const Tensor doubled = sqrt(var(x * 2.0, 0, false) + 1e-3);
  EXPECT_LE(distance(sqrt(cumulative.running_var + 1e-3), (deviation + doubled) * 0.5), 1e-14);
  // A constant batch has no variance, and rounding makes none that is negative.
  BatchRenorm1d constant(2, {.momentum = 1.0});
  constant(full({4, 2}, 0.1));
  EXPECT_EQ(bits(constant.running_var), (std::vector<double>{0.0, 0.0}));
}

TEST(BatchRenormTest, ReluIsFusedWithTheSameBits) {
  BatchRenorm2d norm(3, {.r_max = 2.0, .d_max = 1.0});
  const Tensor x = tests::random_tensor({4, 3, 4, 4}, kFloat32, 3);
  norm(x);
  const FreezeStatisticsGuard guard;
  Sequential net(norm, ReLU());
  Tensor a = x.clone().requires_grad_();
  Tensor b = x.clone().requires_grad_();
  const Tensor gy = tests::random_tensor(x.shape(), kFloat32, 4);
  const Tensor fused = net(a);
  const Tensor separate = relu(norm.forward(b));
  EXPECT_EQ(bits(fused), bits(separate));
  EXPECT_EQ(bits(grad({fused}, {a}, {gy})[0]), bits(grad({separate}, {b}, {gy})[0]));
}

TEST(BatchRenormTest, LoadsTheStateOfABatchNorm) {
  BatchNorm1d batch(3);
  batch(tests::random_tensor({5, 3}, kFloat32, 1));
  BatchRenorm1d norm(3, {.eps = 1e-5});
  norm.load_state_dict(batch.state_dict());
  batch.eval();
  norm.eval();
  const Tensor x = tests::random_tensor({5, 3}, kFloat32, 2);
  EXPECT_EQ(bits(norm(x)), bits(batch(x)));
}

TEST(BatchRenormTest, FrozenItUsesTheRunningStatistics) {
  BatchRenorm1d norm(3, {.r_max = 3.0, .d_max = 5.0});
  norm(tests::random_tensor({5, 3}, kFloat32, 1));
  norm.freeze();
  const Tensor x = tests::random_tensor({1, 3}, kFloat32, 2);
  const Tensor y = norm(x);
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
  norm.eval();
  EXPECT_EQ(bits(norm(x)), bits(y));
}

TEST(BatchRenormTest, Errors) {
  const auto error = [](const BatchRenormOptions& options) {
    return error_of<ValueError>([&] { BatchRenorm2d(3, options); });
  };
  EXPECT_EQ(error({.eps = 0.0}), "BatchRenorm2d: expected eps > 0 but got 0");
  EXPECT_EQ(error({.r_max = 0.5}), "BatchRenorm2d: expected r_max >= 1 but got 0.5");
  EXPECT_EQ(error({.d_max = {0.0, -1.0, 0, 5}}), "BatchRenorm2d: expected d_max >= 0 but got -1");
  EXPECT_EQ(error({.r_max = {1.0, 3.0, 6, 5}}),
            "BatchRenorm2d: expected a r_max that starts at a batch >= 0 and ends at it or later but got 6 and 5");
  BatchRenorm2d norm(3);
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({3, 4, 4}));
            }),
            "BatchRenorm2d: expected a 4-D input [N, 3, H, W] but got [3, 4, 4]; a batch of one example is "
            "x.unsqueeze(0)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 3}));
            }),
            "BatchRenorm2d: expected a 4-D input [N, 3, H, W] but got [2, 3]; use "
            "BatchRenorm1d, 2d or 3d for other numbers of axes");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({1, 3, 1, 1}));
            }),
            "BatchRenorm2d: expected more than 1 value per channel to take batch statistics of (training mode) but got "
            "[1, 3, 1, 1]; use larger batches (leave out the last one: DataLoader {.drop_last = true}), eval() with "
            "running statistics, or {.single_value = SingleValue::use_running}");
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);
  EXPECT_EQ(norm.extra_repr(),
            "3, eps=0.001, momentum=0.01, affine=true, track_running_stats=true, variance=biased, r_max=1 to 3 in "
            "batches 5000 to 40000, d_max=0 to 5 in batches 5000 to 25000");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
