#include "normgrad/layers/norm/switchable_norm.hpp"

#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/norm_steps.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::distance;
using tests::error_of;
using tests::normal;
using tests::NormSteps;

TEST(SwitchableNormTest, IsAsTheAuthorsCode) {
  SwitchableNorm2d images(4, {.dtype = kFloat64});
  NormSteps("switchable_2d").expect_as_torch(images);
  SwitchableNorm2d biased(4, {.variance = Variance::biased, .dtype = kFloat64});
  NormSteps("switchable_2d_biased").expect_as_torch(biased);
  SwitchableNorm1d features(4, {.momentum = 0.3, .dtype = kFloat64});
  NormSteps("switchable_1d").expect_as_torch(features);
}

// With all of the weight on one kind of statistics it is that norm.
TEST(SwitchableNormTest, EachKindOfStatistics) {
  const Tensor x = normal({3, 4, 2, 3}, 1) * 2.0 + 1.0;
  const auto only = [](std::int64_t kind) {
    SwitchableNorm2d norm(4, {.variance = Variance::biased, .dtype = kFloat64});
    for (Tensor* weights : {static_cast<Tensor*>(&norm.mean_weight), static_cast<Tensor*>(&norm.var_weight)}) {
      const NoGradGuard no_grad;
      weights->mutable_data<double>()[kind] = 1000.0;
    }
    return norm;
  };
  EXPECT_LE(distance(only(0)(x), InstanceNorm2d(4, {.dtype = kFloat64})(x)), 1e-13);
  EXPECT_LE(distance(only(1)(x), GroupNorm(1, 4, {.dtype = kFloat64})(x)), 1e-13);
  BatchNorm2d batch(4, {.variance = Variance::biased, .dtype = kFloat64});
  SwitchableNorm2d switched = only(2);
  EXPECT_LE(distance(switched(x), batch(x)), 1e-13);
  EXPECT_LE(distance(switched.running_mean, batch.running_mean), 1e-14);
  EXPECT_LE(distance(switched.running_var, batch.running_var), 1e-14);
  switched.eval();
  batch.eval();
  EXPECT_LE(distance(switched(x), batch(x)), 1e-13);
}

// Shifts of 1e8 leave few digits to a variance that is a difference of squares.
TEST(SwitchableNormTest, LargeMeans) {
  SwitchableNorm2d norm(4, {.dtype = kFloat64});
  const Tensor x = normal({3, 4, 2, 3}, 1);
  const FreezeStatisticsGuard guard;
  EXPECT_LE(distance(norm(x + 1e8), norm(x)), 1e-7);
}

TEST(SwitchableNormTest, ResetAndFreeze) {
  SwitchableNorm1d norm(4);
  norm(tests::random_tensor({5, 4}, kFloat32, 1));
  norm.freeze();
  norm(tests::random_tensor({5, 4}, kFloat32, 1));
  EXPECT_EQ(norm.num_batches_tracked.item(), 1);
  const NoGradGuard no_grad;
  norm.mean_weight.fill_(3.0);
  norm.var_weight.fill_(3.0);
  norm.reset_parameters();
  EXPECT_EQ(tests::bits(norm.mean_weight), (std::vector<double>{1.0, 1.0}));
  EXPECT_EQ(tests::bits(norm.var_weight), (std::vector<double>{1.0, 1.0}));
  EXPECT_EQ(tests::largest(norm.running_mean), 0.0);
}

TEST(SwitchableNormTest, Errors) {
  EXPECT_EQ(error_of<ValueError>([] { SwitchableNorm1d(1); }),
            "SwitchableNorm1d: expected more than 1 feature for an unbiased variance of each sample but got 1");
  EXPECT_EQ(error_of<ValueError>([] { SwitchableNorm2d(3, {.eps = -1.0}); }),
            "SwitchableNorm2d: expected eps > 0 but got -1");
  SwitchableNorm2d norm(3);
  EXPECT_EQ(
      error_of<ShapeError>([&] {
        norm(zeros({2, 3, 1, 1}));
      }),
      "SwitchableNorm2d: expected more than 1 position for an unbiased variance of each sample and channel but got "
      "[2, 3, 1, 1]; use {.variance = Variance::biased}");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 3}));
            }),
            "SwitchableNorm2d: expected a 4-D input [N, 3, H, W] but got [2, 3]; use "
            "SwitchableNorm1d, 2d or 3d for other numbers of axes");
  EXPECT_EQ(
      error_of<ValueError>([] { make_norm("switchable", {.num_features = 4, .spatial_dims = 1}); }),
      "make_norm: switchable has a form for features [N, C] and one for images, but none for sequences [N, C, L]");
  EXPECT_EQ(norm.extra_repr(), "3, eps=1e-05, momentum=0.1, affine=true, track_running_stats=true");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
