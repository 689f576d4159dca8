// Issues reported by users of other frameworks, as tests: the inputs of the reports, and the correct results.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/norm_places.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::largest;

/// (x - mean) / sqrt(var + eps) of one set, in long double on the float32 values.
std::vector<double> exact(const std::vector<double>& x, long double eps = 1e-5L) {
  const auto n = static_cast<long double>(x.size());
  long double mean = 0;
  for (const double v : x) {
    mean += static_cast<long double>(v) / n;
  }
  long double var = 0;
  for (const double v : x) {
    var += (static_cast<long double>(v) - mean) * (static_cast<long double>(v) - mean) / n;
  }
  std::vector<double> y;
  for (const double v : x) {
    y.push_back(static_cast<double>((static_cast<long double>(v) - mean) / std::sqrt(var + eps)));
  }
  return y;
}

// "LayerNorm does not behave as documented": variances of 0.05 to 48425 instead of 1, for 4 values around 2000.
TEST(NormReportTest, PyTorch51102) {
  LayerNorm norm(4, {.elementwise_affine = false});
  const Tensor x = (tests::random_tensor({500, 4}, kFloat32, 1) + 2000.0).detach();
  const Tensor y = norm(x);
  EXPECT_LE(largest(mean(y, {1})), 1e-6);
  for (std::int64_t row = 0; row < 500; ++row) {
    EXPECT_THAT(bits(y.narrow(0, row, 1)),
                testing::Pointwise(testing::DoubleNear(1e-6), exact(bits(x.narrow(0, row, 1)))));
  }
}

// "float32 overflow in variance computation": zeros or NaN for inputs of 1e30.
TEST(NormReportTest, PyTorch162489) {
  const Tensor normal = tests::random_tensor({4, 6, 5, 5}, kFloat32, 1);
  const auto check = [&](Module& norm) {
    const Tensor expected = norm(normal);
    const Tensor y = norm((normal * 1e30).detach());
    EXPECT_LE(tests::distance(y, expected), 2e-5 * largest(expected)) << norm;  // eps matters at 1, not at 1e30
    Tensor x = (normal * 1e30).detach().requires_grad_();
    EXPECT_GT(largest(grad({norm(x)}, {x}, {tests::random_tensor({4, 6, 5, 5}, kFloat32, 2)})[0]), 1e-31) << norm;
  };
  BatchNorm2d batch(6, {.track_running_stats = false});
  LayerNorm layer({6, 5, 5});
  GroupNorm group(3, 6);
  InstanceNorm2d instance(6);
  for (Module* norm : std::initializer_list<Module*>{&batch, &layer, &group, &instance}) {
    check(*norm);
  }
  // A variance of 1e60 overflows float32, but the running statistics are float64, so normalizing with them is correct
  // too.
  BatchNorm2d tracking(6, {.momentum = 1.0});
  const Tensor x = (normal * 1e30).detach();
  const Tensor y = tracking(x);
  EXPECT_EQ(tracking.non_finite_batches(), 0);
  tracking.eval();
  const double m = 4 * 5 * 5;
  EXPECT_LE(tests::distance(tracking(x), y * std::sqrt((m - 1) / m)), 2e-6 * largest(y));
}

// "Numeric instability in batch_norm for constant inputs": -1 and 1 instead of 0 from 1e7 on.
TEST(NormReportTest, PyTorch5410) {
  for (const double scale : {1.0, 1e3, 1e7, 1e10, 1e20, 1e38}) {
    const Tensor x =
        (tests::random_tensor({1, 5, 1, 1}, kFloat32, 1).clamp(-3, 3) * scale).expand({1, 5, 10, 10}).clone();
    EXPECT_EQ(largest(batch_norm_training(x.detach()).y), 0.0) << scale;
    EXPECT_EQ(largest(instance_norm(x.detach())), 0.0) << scale;
    EXPECT_EQ(largest(layer_norm(x.detach(), {10, 10})), 0.0) << scale;
    EXPECT_EQ(largest(group_norm(x.detach(), 5)), 0.0) << scale;
  }
}

// Reported as a bug: batches are normalized with the biased variance, running_var uses the unbiased one.
TEST(NormReportTest, PyTorch60528) {
  Tensor x = zeros({4, 3, 4});
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const std::int64_t value = 1 + i / 12 + 4 * (i / 4 % 3) + i % 4;
    x.mutable_data<float>()[i] = static_cast<float>(value);
  }
  // A channel has the values 1 to 7, once to 4 times each: variance 40 / 16 biased, 40 / 15 unbiased.
  BatchNorm1d norm(3);
  const std::vector<double> y = bits(norm(x));
  EXPECT_THAT(std::vector<double>(y.begin(), y.begin() + 4),
              testing::Pointwise(testing::DoubleNear(1e-5),
                                 {-3 / std::sqrt(2.5), -2 / std::sqrt(2.5), -1 / std::sqrt(2.5), 0.0}));
  EXPECT_THAT(bits(norm.running_var), testing::Each(testing::DoubleNear(0.9 + 0.1 * 40 / 15, 1e-6)));
  BatchNorm1d biased(3, {.variance = Variance::biased});
  biased(x);
  EXPECT_THAT(bits(biased.running_var), testing::Each(testing::DoubleNear(0.9 + 0.1 * 40 / 16, 1e-6)));
}

// "Variance can be negative in BatchNorm computation, leading to NaN's": large synthetic images with a small variance.
TEST(NormReportTest, Flax1491) {
  for (const double mean_value : {1.0, 255.0, 1e4, 1e6}) {
    BatchNorm2d norm(1);
    // Whole columns that differ by units in the last place.
    Tensor x = full({2, 1, 64, 64}, mean_value);
    for (std::int64_t i = 0; i < x.numel(); i += 3) {
      x.mutable_data<float>()[i] = std::nextafter(x.data<float>()[i], 1e9F);
    }
    const std::vector<double> y = bits(norm(x));
    const std::vector<double> expected = exact(bits(x));
    EXPECT_THAT(y, testing::Pointwise(testing::DoubleNear(1e-6), expected)) << mean_value;
    EXPECT_GE(bits(norm.running_var)[0], 0.9F);
    EXPECT_EQ(norm.non_finite_batches(), 0);
  }
}

// "fused f32 layer_norm loses precision for rows with large mean": errors above 1 for 16 values mean + i / 1000.
TEST(NormReportTest, Burn5607) {
  const std::pair<double, double> first_of_mean[] = {
      {0.0, -1.3416}, {100.0, -1.3415}, {1000.0, -1.3415}, {10000.0, -1.3313}};
  for (const auto& [offset, expected] : first_of_mean) {
    Tensor x = zeros({1, 16});
    for (std::int64_t i = 0; i < 16; ++i) {
      x.mutable_data<float>()[i] = static_cast<float>(offset) + static_cast<float>(i) * 1e-3F;
    }
    const std::vector<double> y = bits(LayerNorm(16)(x));
    EXPECT_NEAR(y[0], expected, 2e-4) << offset;
    EXPECT_THAT(y, testing::Pointwise(testing::DoubleNear(1e-6), exact(bits(x)))) << offset;
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
