// BatchInstanceNorm and MeanOnlyBatchNorm.
#include "normgrad/layers/norm/batch_instance_norm.hpp"

#include <gtest/gtest.h>

#include "tests/support/modules.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/norm_steps.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/mean_only_batch_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::error_of;
using tests::normal;
using tests::NormSteps;
using tests::printed;

void set(Tensor& parameter, const std::vector<double>& values) {
  const NoGradGuard no_grad;
  parameter.copy_(from_vector(values, parameter.shape()));
}

TEST(BatchInstanceNormTest, IsAsTheAuthorsCode) {
  BatchInstanceNorm images(4, {.dtype = kFloat64});
  NormSteps("batch_instance_2d").expect_as_torch(images);
  BatchInstanceNorm sequences(3, {.momentum = 0.4, .dtype = kFloat64});
  NormSteps("batch_instance_1d").expect_as_torch(sequences);
}

TEST(BatchInstanceNormTest, TheGateChoosesBetweenTwoNorms) {
  const Tensor x = normal({3, 2, 2, 3}, 1) * 2.0 + 1.0;
  BatchInstanceNorm norm(2, {.dtype = kFloat64});
  BatchNorm2d batch(2, {.dtype = kFloat64});
  EXPECT_LE(distance(norm(x), batch(x)), 1e-14);  // gates of 1, as at the start
  EXPECT_EQ(bits(norm.running_mean), bits(batch.running_mean));
  EXPECT_EQ(bits(norm.running_var), bits(batch.running_var));
  set(norm.gate, {0.0, 0.0});
  InstanceNorm2d instance(2, {.dtype = kFloat64});
  EXPECT_LE(distance(norm(x), instance(x)), 1e-14);
  norm.eval();
  EXPECT_LE(distance(norm(x), instance(x)), 1e-14);
}

TEST(BatchInstanceNormTest, GatesStayWithinTheirLimits) {
  const Tensor x = normal({3, 2, 2, 3}, 1);
  BatchInstanceNorm norm(2, {.dtype = kFloat64});
  set(norm.gate, {1.25, -0.5});
  BatchInstanceNorm within(2, {.dtype = kFloat64});
  set(within.gate, {1.0, 0.0});
  const std::vector<double> expected = bits(within(x));
  {
    const FreezeStatisticsGuard guard;  // counts as the limits, and stays
    EXPECT_EQ(bits(norm(x)), expected);
    EXPECT_EQ(norm.gate.to_vector<double>(), (std::vector<double>{1.25, -0.5}));
    EXPECT_EQ(bits(grad({norm(x)}, {norm.gate}, {normal(x.shape(), 2)})[0]), (std::vector<double>{0.0, 0.0}));
  }
  const Tensor y = norm(x);
  EXPECT_EQ(bits(y), expected);
  EXPECT_EQ(norm.gate.to_vector<double>(), (std::vector<double>{1.0, 0.0}));
  // At a limit the gradient is there, so that the optimizer can lead it back.
  for (const double g : bits(grad({y}, {norm.gate}, {normal(x.shape(), 2)})[0])) {
    EXPECT_NE(g, 0.0);
  }
}

TEST(BatchInstanceNormTest, StatePrintAndErrors) {
  BatchInstanceNorm norm(3);
  EXPECT_EQ(printed(norm), "BatchInstanceNorm(3, eps=1e-05, momentum=0.1, affine=true, track_running_stats=true)");
  StateDict state = norm.state_dict();
  EXPECT_EQ(state.size(), 6U);
  EXPECT_EQ(state.at("gate").shape(), Shape({3}));
  set(norm.gate, {0.5, 0.5, 0.5});
  norm.reset_parameters();
  EXPECT_EQ(bits(norm.gate), (std::vector<double>{1.0, 1.0, 1.0}));
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 3}));
            }),
            "BatchInstanceNorm: expected an input [N, 3, *] of 3 to 5 axes but got [2, 3]");
  EXPECT_EQ(error_of<ValueError>([] { BatchInstanceNorm(0); }),
            "BatchInstanceNorm: expected num_features > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { BatchInstanceNorm(2, {.eps = 0.0}); }),
            "BatchInstanceNorm: expected eps > 0 but got 0");
}

TEST(MeanOnlyBatchNormTest, IsAsThePaper) {
  MeanOnlyBatchNorm features(4, {.dtype = kFloat64});
  NormSteps("mean_only_1d").expect_as_torch(features);
  MeanOnlyBatchNorm images(3, {.momentum = 0.3, .dtype = kFloat64});
  NormSteps("mean_only_2d").expect_as_torch(images);
}

// The gradient of the paper: that of the result, with its mean over the batch removed.
TEST(MeanOnlyBatchNormTest, TheGradientIsCentered) {
  MeanOnlyBatchNorm norm(3, {.dtype = kFloat64});
  const Tensor x = (normal({5, 3}, 1) + 2.0).detach().requires_grad_();
  const Tensor gy = normal({5, 3}, 2);
  EXPECT_LE(distance(grad({norm(x)}, {x}, {gy})[0], gy - gy.mean(0, true)), 1e-15);
}

TEST(MeanOnlyBatchNormTest, StatePrintAndErrors) {
  MeanOnlyBatchNorm norm(3, {.momentum = std::nullopt, .bias = false});
  EXPECT_EQ(printed(norm), "MeanOnlyBatchNorm(3, momentum=cumulative, bias=false)");
  EXPECT_EQ(norm.state_dict().size(), 3U);
  EXPECT_EQ(norm.eps_for(kFloat32), 0.0);
  norm(ones({2, 3}));
  norm(ones({2, 3}) * 2.0);
  EXPECT_EQ(bits(norm.running_mean), (std::vector<double>{1.5, 1.5, 1.5}));
  norm.freeze();
  EXPECT_EQ(printed(norm), "MeanOnlyBatchNorm(3, momentum=cumulative, bias=false, frozen)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 4}));
            }),
            "MeanOnlyBatchNorm: expected an input [N, 3, *] of 2 to 5 axes but got [2, 4]");
  EXPECT_EQ(error_of<ShapeError>([] {
              MeanOnlyBatchNorm(3)(zeros({1, 3}));
            }),
            "MeanOnlyBatchNorm: expected more than 1 value per channel to take batch statistics of (training mode) but "
            "got [1, 3]; use larger batches (leave out the last one: DataLoader {.drop_last = true}), or eval()");
  EXPECT_EQ(error_of<ValueError>([] { MeanOnlyBatchNorm(3, {.momentum = 2.0}); }),
            "MeanOnlyBatchNorm: expected momentum, the weight of a new batch, in [0, 1] but got 2");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
