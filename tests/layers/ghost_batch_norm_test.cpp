#include "normgrad/layers/norm/ghost_batch_norm.hpp"

#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/norm_steps.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::error_of;
using tests::normal;
using tests::NormSteps;

TEST(GhostBatchNormTest, IsPyTorchsBatchNormForEachVirtualBatch) {
  GhostBatchNorm2d images(3, {.virtual_batch_size = 2, .momentum = 0.2, .dtype = kFloat64});
  NormSteps("ghost_2d").expect_as_torch(images);
  GhostBatchNorm1d features(3, {.virtual_batch_size = 3, .momentum = std::nullopt, .dtype = kFloat64});
  NormSteps("ghost_1d").expect_as_torch(features);
  // 5 = 2 + 3: the single remaining sample joins the virtual batch before.
  GhostBatchNorm1d joined(4, {.virtual_batch_size = 2, .dtype = kFloat64});
  NormSteps("ghost_1d_joined").expect_as_torch(joined);
}

TEST(GhostBatchNormTest, SmallBatchesAreThoseOfBatchNorm) {
  for (const std::int64_t samples : {3, 4}) {
    GhostBatchNorm2d ghost(3, {.virtual_batch_size = 4});
    BatchNorm2d batch(3);
    const Tensor x = tests::random_tensor({samples, 3, 2, 2}, kFloat32, 1);
    EXPECT_EQ(bits(ghost(x)), bits(batch(x)));
    EXPECT_EQ(bits(ghost.running_var), bits(batch.running_var));
  }
}

// For every number of samples: virtual batches of 4, the remainder, or 5 and 3 where 1 value would remain.
TEST(GhostBatchNormTest, EveryNumberOfSamples) {
  for (std::int64_t samples = 2; samples <= 13; ++samples) {
    const Tensor x = normal({samples, 2}, 1);
    GhostBatchNorm1d ghost(2, {.virtual_batch_size = 4, .dtype = kFloat64});
    BatchNorm1d batch(2, {.dtype = kFloat64});
    std::vector<Tensor> parts;
    for (std::int64_t start = 0; start < samples;) {
      const std::int64_t left = samples - start;
      const std::int64_t size = left == 5 ? 5 : std::min<std::int64_t>(left, 4);
      parts.push_back(batch(x.narrow(0, start, size)));
      start += size;
    }
    EXPECT_LE(tests::distance(ghost(x), cat(parts)), 1e-14) << samples;
    EXPECT_LE(tests::distance(ghost.running_mean, batch.running_mean), 1e-14) << samples;
    EXPECT_LE(tests::distance(ghost.running_var, batch.running_var), 1e-14) << samples;
    EXPECT_EQ(ghost.num_batches_tracked.item(), batch.num_batches_tracked.item()) << samples;
  }
}

// One sample of several positions has a variance, and is a virtual batch.
TEST(GhostBatchNormTest, OneSampleOfAnImageRemains) {
  GhostBatchNorm2d ghost(2, {.virtual_batch_size = 2});
  const Tensor x = tests::random_tensor({5, 2, 3, 3}, kFloat32, 1);
  const Tensor y = ghost(x);
  EXPECT_EQ(ghost.num_batches_tracked.item(), 3);
  BatchNorm2d batch(2);
  EXPECT_EQ(bits(y.narrow(0, 4, 1)), bits(batch(x.narrow(0, 4, 1))));
}

TEST(GhostBatchNormTest, SamplesOfOtherVirtualBatchesDoNotMatter) {
  GhostBatchNorm2d ghost(2, {.virtual_batch_size = 2});
  const Tensor x = tests::random_tensor({6, 2, 3, 3}, kFloat32, 1);
  const Tensor other = cat({x.narrow(0, 0, 2), tests::random_tensor({4, 2, 3, 3}, kFloat32, 2)});
  EXPECT_EQ(bits(ghost(x).narrow(0, 0, 2)), bits(ghost(other).narrow(0, 0, 2)));
}

TEST(GhostBatchNormTest, GradientsToOrderFour) {
  GhostBatchNorm1d norm(2, {.virtual_batch_size = 3, .dtype = kFloat64});
  norm.weight.set_data(normal({2}, 2));
  const FreezeStatisticsGuard guard;
  const auto f = [&](const auto& in) { return norm(in[0]); };
  const Tensor x = normal({8, 2}, 1).requires_grad_();
  EXPECT_TRUE(tests::gradients_agree(f, {x, norm.weight, norm.bias}, 2));
  for (const int order : {3, 4}) {
    const GradCheckReport report = gradcheck_order(f, {x}, order, {.rtol = 1e-6, .atol = 1e-6, .max_elements = 4});
    EXPECT_TRUE(report.passed) << report;
  }
}

TEST(GhostBatchNormTest, ReluIsFusedWithTheSameBits) {
  GhostBatchNorm2d norm(3, {.virtual_batch_size = 2});
  const FreezeStatisticsGuard guard;
  Sequential net(norm, ReLU());
  Tensor a = tests::random_tensor({5, 3, 4, 4}, kFloat32, 3).requires_grad_();
  Tensor b = a.detach().clone().requires_grad_();
  const Tensor gy = tests::random_tensor(a.shape(), kFloat32, 4);
  const Tensor fused = net(a);
  const Tensor separate = relu(norm.forward(b));
  EXPECT_EQ(bits(fused), bits(separate));
  EXPECT_EQ(bits(grad({fused}, {a}, {gy})[0]), bits(grad({separate}, {b}, {gy})[0]));
}

TEST(GhostBatchNormTest, ANonFiniteVirtualBatchIsKeptOut) {
  GhostBatchNorm1d norm(1, {.virtual_batch_size = 2});
  Tensor x = tests::random_tensor({6, 1}, kFloat32, 1);
  x.mutable_data<float>()[2] = std::numeric_limits<float>::infinity();
  norm(x);
  EXPECT_EQ(norm.non_finite_batches(), 1);
  EXPECT_EQ(norm.num_batches_tracked.item(), 2);
  EXPECT_TRUE(std::isfinite(norm.running_mean.item()));
}

TEST(GhostBatchNormTest, FrozenAndRunningStatistics) {
  GhostBatchNorm1d norm(2, {.virtual_batch_size = 2, .dtype = kFloat64});
  GhostBatchNorm1d by_batch = norm;
  const Tensor x = normal({6, 2}, 1);
  norm.set_statistics(Statistics::running);  // normalizes with the running ones, and still updates them
  norm(x);
  by_batch(x);
  EXPECT_LE(tests::distance(norm.running_var, by_batch.running_var), 1e-14);
  EXPECT_EQ(norm.num_batches_tracked.item(), 3);
  norm.freeze();
  norm(x);
  EXPECT_EQ(norm.num_batches_tracked.item(), 3);
}

TEST(GhostBatchNormTest, Errors) {
  EXPECT_EQ(error_of<ValueError>([] { GhostBatchNorm1d(3, {.virtual_batch_size = 0}); }),
            "GhostBatchNorm1d: expected virtual_batch_size > 0 but got 0");
  GhostBatchNorm1d single(3, {.virtual_batch_size = 1});
  EXPECT_EQ(error_of<ShapeError>([&] {
              single(zeros({4, 3}));
            }),
            "GhostBatchNorm1d: expected more than 1 value per channel and virtual batch to take batch statistics of "
            "(training mode) but got [4, 3]; use a virtual_batch_size of more than 1");
  EXPECT_EQ(single.num_batches_tracked.item(), 0);
  EXPECT_EQ(single.extra_repr(),
            "3, eps=1e-05, momentum=0.1, affine=true, track_running_stats=true, virtual_batch_size=1");
  EXPECT_EQ(error_of<ValueError>([] { make_norm("ghost:x", {.num_features = 4}); }),
            "make_norm: expected a number of samples per virtual batch, as in \"ghost:32\", but got \"ghost:x\"");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
