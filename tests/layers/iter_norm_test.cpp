#include "normgrad/layers/norm/iter_norm.hpp"

#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/norm_steps.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::distance;
using tests::error_of;
using tests::normal;
using tests::NormSteps;

TEST(IterNormTest, IsAsTheAuthorsCode) {
  IterNorm features(6, {.dtype = kFloat64});
  NormSteps("iter_1d").expect_as_torch(features);
  IterNorm images(6, {.num_groups = 2, .T = 3, .eps = 1e-2, .momentum = 0.4, .dtype = kFloat64});
  NormSteps("iter_2d").expect_as_torch(images);
}

// The covariance of the result tends to the identity with the number of iterations.
TEST(IterNormTest, DecorrelatesWithMoreIterations) {
  const Tensor mixing = normal({4, 4}, 2) * 0.3 + eye(4, {.dtype = kFloat64});
  const Tensor x = matmul(normal({200, 4}, 1), mixing) + 3.0;
  double before = 10.0;
  for (const std::int64_t iterations : {1, 3, 5, 9}) {
    IterNorm norm(4, {.T = iterations, .eps = 1e-12, .dtype = kFloat64});
    const Tensor y = norm(x);
    EXPECT_LE(tests::largest(mean(y, 0)), 1e-12);
    const double error = distance(matmul(y.t(), y) / 200.0, eye(4, {.dtype = kFloat64}));
    EXPECT_LT(error, before / 2) << iterations;
    before = error;
  }
  EXPECT_LE(before, 1e-5);
}

// Groups of one channel are whitened by 1 / sqrt(var + eps): the trace is the variance, and the iteration is at its
// fixed point from the start.
TEST(IterNormTest, GroupsOfOneChannelAreBatchNorm) {
  IterNorm norm(3, {.num_groups = 3, .dtype = kFloat64});
  BatchNorm2d batch(3, {.dtype = kFloat64});
  const Tensor x = normal({4, 3, 2, 2}, 1) * 2.0 + 1.0;
  EXPECT_LE(distance(norm(x), batch(x)), 1e-13);
}

TEST(IterNormTest, FrozenResetAndSingleStatistics) {
  IterNorm norm(4, {.dtype = kFloat64});
  const Tensor x = normal({6, 4}, 1);
  norm(x);
  const Tensor matrix = norm.running_wm.clone();
  norm.freeze();
  norm(x);
  EXPECT_EQ(tests::bits(norm.running_wm), tests::bits(matrix));
  norm.unfreeze();
  norm.set_statistics(Statistics::running);
  norm(x);
  EXPECT_GT(distance(norm.running_wm, matrix), 1e-3);
  norm.reset_running_stats();
  EXPECT_EQ(distance(norm.running_wm, eye(4, {.dtype = kFloat64}).unsqueeze(0)), 0.0);
  EXPECT_EQ(norm.num_batches_tracked.item(), 0);
}

TEST(IterNormTest, Errors) {
  const auto error = [](const IterNormOptions& options) { return error_of<ValueError>([&] { IterNorm(6, options); }); };
  EXPECT_EQ(error({.num_groups = 0}), "IterNorm: expected num_groups > 0 but got 0");
  EXPECT_EQ(error({.num_groups = 4}),
            "IterNorm: expected num_features divisible by num_groups but got 6 features and 4 groups");
  EXPECT_EQ(error({.T = 0}), "IterNorm: expected T > 0 iterations but got 0");
  IterNorm norm(6);
  EXPECT_EQ(error_of<ShapeError>([&] { norm(zeros({6})); }),
            "IterNorm: expected an input [N, 6, *] of at least 2 axes but got [6]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 5}));
            }),
            "IterNorm: expected an input [N, 6, *] but got [2, 5], which has 5 channels; make it IterNorm(5)");
  EXPECT_EQ(error_of<ValueError>([] { make_norm("iter:T=2.5", {.num_features = 4}); }),
            "make_norm: expected a whole number for \"T\" but got 2.5");
  EXPECT_EQ(norm.extra_repr(),
            "6, eps=1e-05, momentum=0.1, affine=true, track_running_stats=true, variance=biased, num_groups=1, T=5");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
