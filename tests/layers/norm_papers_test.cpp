// The norms that PyTorch does not have: what their papers say, options, errors and tools. Their values and gradients
// are those of tests/fixtures/parity_papers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/modules.hpp"
#include "tests/support/norm_places.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/reduction/distance.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/divisive_norm.hpp"
#include "normgrad/layers/norm/dynamic_tanh.hpp"
#include "normgrad/layers/norm/evo_norm_b0.hpp"
#include "normgrad/layers/norm/evo_norm_s0.hpp"
#include "normgrad/layers/norm/filter_response_norm.hpp"
#include "normgrad/layers/norm/global_response_norm.hpp"
#include "normgrad/layers/norm/l2_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/partial_rms_norm.hpp"
#include "normgrad/layers/norm/positional_norm.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"
#include "normgrad/layers/norm/scale_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::error_of;
using tests::largest;
using tests::printed;
using tests::random_tensor;

Tensor images(std::uint32_t seed = 1, DType dtype = kFloat64) { return random_tensor({2, 4, 3, 3}, dtype, seed); }

std::vector<std::string> keys_of(const Module& module) {
  std::vector<std::string> keys;
  for (const auto& [name, tensor] : module.state_dict()) {
    keys.push_back(name);
  }
  return keys;
}

void set(Tensor& parameter, std::uint32_t seed) {
  parameter.set_data(random_tensor(parameter.shape(), parameter.dtype(), seed));
}

void fill(Tensor& parameter, double value) {
  const NoGradGuard no_grad;
  parameter.fill_(value);
}

// --- DynamicTanh

TEST(DynamicTanhTest, BendsEveryElement) {
  DynamicTanh norm(3, {.axis = 1, .dtype = kFloat64});
  set(norm.weight, 2);
  set(norm.bias, 3);
  const Tensor x = random_tensor({2, 3, 4}, kFloat64, 1);
  const std::vector<double> in = bits(x);
  const std::vector<double> y = bits(norm(x));
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t c = i / 4 % 3;
    EXPECT_NEAR(y[i], bits(norm.weight)[c] * std::tanh(0.5 * in[i]) + bits(norm.bias)[c], 1e-15);
  }
  // One element changes no other.
  Tensor other = x.clone();
  other.mutable_data<double>()[5] += 1.0;
  const std::vector<double> changed = bits(norm(other));
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_EQ(changed[i] == y[i], i != 5);
  }
}

// tanh(u) has a relative error of 2 units, and u = alpha x one of half a unit, which tanh does not enlarge.
TEST(DynamicTanhTest, Float32IsWithinAFewUnits) {
  DynamicTanh norm(40);
  DynamicTanh exact(40, {.dtype = kFloat64});
  const Tensor x = random_tensor({50, 40}, kFloat32, 1);
  const std::vector<double> y = bits(norm(x));
  const std::vector<double> truth = bits(exact(x.to(kFloat64)));
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_LE(std::fabs(y[i] - truth[i]), 3 * 0x1p-23 * std::fabs(truth[i])) << i;
  }
}

TEST(DynamicTanhTest, StatePrintAndErrors) {
  DynamicTanh norm(3, {.alpha_init_value = 0.8});
  EXPECT_THAT(keys_of(norm), testing::UnorderedElementsAre("alpha", "weight", "bias"));
  EXPECT_EQ(norm.alpha.shape(), Shape({1}));
  EXPECT_EQ(printed(norm), "DynamicTanh(3, alpha_init_value=0.8, axis=-1)");
  set(norm.alpha, 1);
  norm.reset_parameters();
  EXPECT_FLOAT_EQ(norm.alpha.to_vector<float>()[0], 0.8F);
  EXPECT_EQ(error_of<ValueError>([] { DynamicTanh(0); }), "DynamicTanh: expected num_features > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { DynamicTanh(2, {.alpha_init_value = 0.0}); }),
            "DynamicTanh: expected an alpha_init_value other than 0 but got 0");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 3, 4}));
            }),
            "DynamicTanh: expected an input with 3 channels on axis -1 but got [2, 3, 4]");
  EXPECT_EQ(error_of<DTypeError>([&] {
              norm(zeros({2, 3}, {.dtype = kFloat64}));
            }),
            "DynamicTanh: expected an input of dtype float32 but got float64; convert it with to()");
  EXPECT_EQ(error_of<DTypeError>([&] {
              norm(zeros({2, 3}, {.dtype = kInt64}));
            }),
            "DynamicTanh: expected a float32 or float64 input but got int64");
}

// --- ScaleNorm, L2Norm, PartialRMSNorm

TEST(ScaleNormTest, GivesVectorsOneLength) {
  ScaleNorm norm(3.0, {.axis = 1, .dtype = kFloat64});
  const std::vector<double> lengths = bits(normgrad::norm(norm(images()), 2.0, 1));
  EXPECT_THAT(lengths, testing::Each(testing::DoubleNear(3.0, 1e-14)));
  // With sqrt(C) it is RMSNorm without eps.
  ScaleNorm root(2.0, {.dtype = kFloat64});
  RMSNorm rms(4, {.eps = 1e-30, .elementwise_affine = false});
  const Tensor rows = random_tensor({5, 4}, kFloat64, 2);
  EXPECT_LE(distance(root(rows), rms(rows)), 1e-14);
  // eps is the least divisor, and is not added.
  ScaleNorm clamped(1.0, {.eps = 100.0, .dtype = kFloat64});
  EXPECT_LE(distance(clamped(rows), rows / 100.0), 1e-16);
  EXPECT_EQ(largest(ScaleNorm(1.0)(zeros({2, 3}))), 0.0);
}

TEST(ScaleNormTest, StatePrintAndErrors) {
  ScaleNorm norm(2.0);
  EXPECT_THAT(keys_of(norm), testing::ElementsAre("scale"));
  EXPECT_EQ(printed(norm), "ScaleNorm(scale=2, eps=1e-05, axis=-1)");
  set(norm.scale, 1);
  norm.reset_parameters();
  EXPECT_EQ(norm.scale.to_vector<float>(), std::vector<float>({2.0F}));
  EXPECT_EQ(error_of<ValueError>([] { ScaleNorm(0.0); }), "ScaleNorm: expected a scale other than 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { ScaleNorm(1.0, {.eps = 0.0}); }), "ScaleNorm: expected eps > 0 but got 0");
  EXPECT_EQ(error_of<ShapeError>([] {
              ScaleNorm(1.0, {.axis = 2})(zeros({2, 3}));
            }),
            "ScaleNorm: expected an input with an axis 2 but got [2, 3]");
  EXPECT_EQ(error_of<DTypeError>([&] {
              norm(zeros({2, 3}, {.dtype = kFloat64}));
            }),
            "ScaleNorm: expected an input of dtype float32 but got float64; convert it with to()");
}

TEST(L2NormTest, IsNormalizeWithAScalePerChannel) {
  L2Norm norm(4, {.dtype = kFloat64});
  EXPECT_LE(distance(norm(images()), normalize(images(), 2.0, 1) * 20.0), 1e-9);  // eps = 1e-10
  L2Norm last(3, {.scale = 1.0, .eps = 0.5, .axis = -1, .dtype = kFloat64});
  const Tensor x = images();
  EXPECT_LE(distance(last(x), x / (square(x).sum(-1, true) + 0.5).sqrt()), 1e-15);
}

TEST(L2NormTest, StatePrintAndErrors) {
  L2Norm norm(4);
  EXPECT_THAT(keys_of(norm), testing::ElementsAre("weight"));
  EXPECT_EQ(printed(norm), "L2Norm(4, scale=20, eps=1e-10, axis=1)");
  set(norm.weight, 1);
  norm.reset_parameters();
  EXPECT_THAT(norm.weight.to_vector<float>(), testing::Each(20.0F));
  EXPECT_EQ(error_of<ValueError>([] { L2Norm(-1); }), "L2Norm: expected num_features > 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([] { L2Norm(2, {.scale = 0.0}); }), "L2Norm: expected a scale other than 0 but got 0");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 3, 5}));
            }),
            "L2Norm: expected an input with 4 channels on axis 1 but got [2, 3, 5]");
}

TEST(PartialRMSNormTest, MeasuresTheFirstFeatures) {
  PartialRMSNorm norm(6, {.partial = 0.4, .dtype = kFloat64});
  EXPECT_EQ(norm.num_measured(), 2);
  EXPECT_EQ(PartialRMSNorm(40).num_measured(), 2);
  EXPECT_EQ(PartialRMSNorm(8).num_measured(), 1);
  const Tensor x = tests::random_tensor({3, 6}, kFloat64, 1);
  EXPECT_LE(distance(norm(x), x / (normgrad::norm(x.narrow(1, 0, 2), 2.0, 1, true) / std::sqrt(2.0) + 1e-8)), 1e-14);
  PartialRMSNorm whole(6, {.partial = 1.0, .dtype = kFloat64});
  RMSNorm rms(6, {.eps = 1e-30, .elementwise_affine = false});
  EXPECT_LE(distance(whole(x), rms(x)), 1e-7);  // eps = 1e-8, outside the root
  // Features that are not measured are only scaled: their Jacobian is diagonal.
  Tensor leaf = x.clone().requires_grad_();
  Tensor last = zeros({3, 6}, {.dtype = kFloat64});
  last.mutable_data<double>()[5] = 1.0;
  const std::vector<double> gx = bits(grad({norm(leaf)}, {leaf}, {last})[0]);
  EXPECT_EQ(gx[2], 0.0);
  EXPECT_NE(gx[0], 0.0);
  EXPECT_NE(gx[5], 0.0);
}

TEST(PartialRMSNormTest, StatePrintAndErrors) {
  PartialRMSNorm norm(16, {.bias = true});
  EXPECT_THAT(keys_of(norm), testing::UnorderedElementsAre("weight", "bias"));
  EXPECT_THAT(keys_of(PartialRMSNorm(16)), testing::ElementsAre("weight"));
  EXPECT_EQ(printed(norm), "PartialRMSNorm(16, partial=0.0625, eps=1e-08, bias=true, axis=-1)");
  EXPECT_EQ(error_of<ValueError>([] { PartialRMSNorm(4, {.partial = 0.0}); }),
            "PartialRMSNorm: expected partial in (0, 1] but got 0");
  EXPECT_EQ(error_of<ValueError>([] { PartialRMSNorm(4, {.partial = 1.5}); }),
            "PartialRMSNorm: expected partial in (0, 1] but got 1.5");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({16, 2}));
            }),
            "PartialRMSNorm: expected an input with 16 channels on axis -1 but got [16, 2]");
}

// --- GlobalResponseNorm, FilterResponseNorm

TEST(GlobalResponseNormTest, StartsAsTheIdentityAndRaisesStrongChannels) {
  GlobalResponseNorm norm(4, {.dtype = kFloat64});
  EXPECT_EQ(bits(norm(images())), bits(images()));
  fill(norm.gamma, 1.0);
  const Tensor x = images();
  const Tensor size = normgrad::norm(x, 2.0, {2, 3}, true);
  EXPECT_LE(distance(norm(x), x * (size / (mean(size, 1, true) + 1e-6)) + x), 1e-14);
  // A channel of zeros has a finite gradient.
  Tensor leaf = zeros({2, 4, 3, 3}, {.dtype = kFloat64}).requires_grad_();
  EXPECT_TRUE(std::isfinite(largest(grad({norm(leaf)}, {leaf}, {images(2)})[0])));
}

TEST(GlobalResponseNormTest, StatePrintAndErrors) {
  GlobalResponseNorm norm(4);
  EXPECT_THAT(keys_of(norm), testing::UnorderedElementsAre("gamma", "beta"));
  EXPECT_EQ(printed(norm), "GlobalResponseNorm(4, eps=1e-06)");
  set(norm.gamma, 1);
  norm.reset_parameters();
  EXPECT_EQ(largest(norm.gamma), 0.0);
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 4}));
            }),
            "GlobalResponseNorm: expected an input [N, 4, *] of 3 to 5 axes but got [2, 4]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 3, 5}));
            }),
            "GlobalResponseNorm: expected an input [N, 4, *] of 3 to 5 axes but got [2, 3, 5]");
}

TEST(FilterResponseNormTest, IsRmsNormOfEachMapWithAThreshold) {
  FilterResponseNorm norm(4, {.dtype = kFloat64});
  FilterResponseNorm linear(4, {.tlu = false, .dtype = kFloat64});
  const Tensor x = images();
  EXPECT_EQ(bits(linear(x)), bits(group_rms_norm(x, 4, linear.weight, linear.bias, 1e-6)));
  EXPECT_EQ(bits(norm(x)), bits(relu(linear(x))));
  fill(norm.tau, -0.5);
  EXPECT_EQ(min(norm(x)).item(), -0.5);
  FilterResponseNorm learned(4, {.learn_eps = true, .eps_l_init = 0.3, .dtype = kFloat64});
  EXPECT_DOUBLE_EQ(learned.eps_for(kFloat64), 0.3 + 1e-6);
  FilterResponseNorm same(4, {.eps = 0.3 + 1e-6, .dtype = kFloat64});
  EXPECT_LE(distance(learned(x), same(x)), 1e-15);
  fill(learned.eps_l, -0.3);  // its magnitude counts
  EXPECT_LE(distance(learned(x), same(x)), 1e-15);
}

TEST(FilterResponseNormTest, StatePrintAndErrors) {
  FilterResponseNorm norm(4, {.learn_eps = true});
  EXPECT_THAT(keys_of(norm), testing::UnorderedElementsAre("weight", "bias", "tau", "eps_l"));
  EXPECT_THAT(keys_of(FilterResponseNorm(4, {.tlu = false})), testing::UnorderedElementsAre("weight", "bias"));
  EXPECT_EQ(printed(norm), "FilterResponseNorm(4, eps=1e-06, tlu=true, learn_eps=true)");
  EXPECT_EQ(norm(zeros({2, 4, 1, 1})).shape(), Shape({2, 4, 1, 1}));
  EXPECT_EQ(error_of<ShapeError>([] {
              FilterResponseNorm(4)(zeros({2, 4, 1, 1}));
            }),
            "FilterResponseNorm: expected more than 1 position but got [2, 4, 1, 1]; for maps of one position use "
            "{.learn_eps = true}");
  EXPECT_EQ(error_of<ValueError>([] { FilterResponseNorm(4, {.eps_l_init = 0.0}); }),
            "FilterResponseNorm: expected eps_l_init > 0 but got 0");
  EXPECT_EQ(FilterResponseNorm(4)(zeros({0, 4, 3, 3})).shape(), Shape({0, 4, 3, 3}));
}

// --- EvoNormB0, EvoNormS0

TEST(EvoNormB0Test, FollowsTheBatchWithTheBiasedVariance) {
  EvoNormB0 norm(4, {.momentum = 1.0, .dtype = kFloat64});
  const Tensor x = images();
  const Tensor trained = norm(x).detach();
  EXPECT_LE(distance(norm.running_var, var(x, {0, 2, 3}, false)), 1e-15);
  EXPECT_LE(distance(norm.running_mean, mean(x, {0, 2, 3})), 1e-15);
  norm.eval();
  EXPECT_LE(distance(norm(x), trained), 1e-14);
  EXPECT_GT(distance(norm(images(2).narrow(0, 0, 1)), x.narrow(0, 0, 1)), 1e-3);
  EXPECT_EQ(norm.num_batches_tracked.item(), 1.0);
  // v = 0 and a batch whose samples all have less than its deviation: batch norm without the mean.
  fill(norm.v, 0.0);
  norm.running_var.fill_(100.0);
  EXPECT_LE(distance(norm(x), x / std::sqrt(100.0 + 1e-5)), 1e-15);
}

TEST(EvoNormB0Test, TheRunningVarianceIsNotSavedForTheBackward) {
  EvoNormB0 norm(4, {.dtype = kFloat64});
  norm.eval();
  Tensor x = images().requires_grad_();
  const Tensor y = norm(x);
  norm.running_var.fill_(9.0);
  EXPECT_NO_THROW(y.backward(images(2)));
}

TEST(EvoNormB0Test, StatePrintAndErrors) {
  EvoNormB0 norm(4);
  EXPECT_THAT(keys_of(norm), testing::UnorderedElementsAre("weight", "bias", "v", "running_mean", "running_var",
                                                           "num_batches_tracked"));
  EXPECT_EQ(printed(norm),
            "EvoNormB0(4, eps=1e-05, momentum=0.1, affine=true, track_running_stats=true, variance=biased)");
  fill(norm.v, 3.0);
  norm.running_var.fill_(2.0);
  norm.reset_parameters();
  EXPECT_THAT(norm.v.to_vector<float>(), testing::Each(1.0F));
  EXPECT_EQ(norm.running_var.to_vector<double>(), std::vector<double>(4, 1.0));
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 4}));
            }),
            "EvoNormB0: expected an input [N, 4, *] of 3 to 5 axes but got [2, 4]");
  EXPECT_THROW(norm(zeros({1, 4, 1})), ShapeError);
  EXPECT_EQ(norm.num_batches_tracked.item(), 0.0);
  EXPECT_EQ(error_of<ValueError>([] { EvoNormB0(4, {.momentum = 2.0}); }),
            "EvoNormB0: expected momentum, the weight of a new batch, in [0, 1] but got 2");
}

TEST(EvoNormS0Test, IsSwishOverTheDeviationOfGroups) {
  EvoNormS0 norm(4, {.num_groups = 2, .dtype = kFloat64});
  const Tensor x = images();
  const Tensor deviation = (var(x.reshape({2, 2, 18}), 2, false, true) + 1e-5).sqrt();
  const Tensor expected = (silu(x).reshape({2, 2, 18}) / deviation).reshape({2, 4, 3, 3});
  EXPECT_LE(distance(norm(x), expected), 1e-14);
  EXPECT_EQ(EvoNormS0(64).num_groups(), 32);
  EXPECT_EQ(EvoNormS0(48).num_groups(), 24);
}

TEST(EvoNormS0Test, StatePrintAndErrors) {
  EvoNormS0 norm(4);
  EXPECT_THAT(keys_of(norm), testing::UnorderedElementsAre("weight", "bias", "v"));
  EXPECT_EQ(printed(norm), "EvoNormS0(4, num_groups=4, eps=1e-05)");
  fill(norm.v, 3.0);
  norm.reset_parameters();
  EXPECT_THAT(norm.v.to_vector<float>(), testing::Each(1.0F));
  EXPECT_EQ(error_of<ValueError>([] { EvoNormS0(4, {.num_groups = 3}); }),
            "EvoNormS0: expected num_features divisible by num_groups but got 4 features and 3 groups");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 4}));
            }),
            "EvoNormS0: expected more than 1 value per group but got [2, 4] with 4 groups");
  EXPECT_EQ(norm(zeros({0, 4, 2})).shape(), Shape({0, 4, 2}));
}

// --- PositionalNorm, DivisiveNorm

TEST(PositionalNormTest, IsLayerNormOfEachPositionWithTheUnbiasedVariance) {
  PositionalNorm norm(4, {.dtype = kFloat64});
  const Tensor x = images();
  const PositionalMoments moments = norm.with_moments(x);
  EXPECT_LE(distance(moments.y, (x - mean(x, 1, true)) / (var(x, 1, true, true) + 1e-5).sqrt()), 1e-14);
  EXPECT_LE(distance(moments.mean, mean(x, 1, true)), 1e-15);
  EXPECT_EQ(moments.std.shape(), Shape({2, 1, 3, 3}));
  // The shortcut gives the moments back, also to another tensor.
  EXPECT_LE(distance(moment_shortcut(moments.y, moments.mean, moments.std), x), 1e-14);
  const Tensor other = norm(images(2));
  const Tensor given = moment_shortcut(other, moments.mean, moments.std);
  EXPECT_LE(distance(mean(given, 1, true), moments.mean), 1e-14);
  PositionalNorm single(4);
  const PositionalMoments in_float = single.with_moments(images(1, kFloat32));
  EXPECT_EQ(in_float.std.dtype(), kFloat32);
  EXPECT_LE(distance(in_float.std.to(kFloat64), moments.std), 1e-6);
}

TEST(PositionalNormTest, StatePrintAndErrors) {
  EXPECT_TRUE(keys_of(PositionalNorm(4)).empty());
  PositionalNorm norm(4, {.affine = true});
  EXPECT_THAT(keys_of(norm), testing::UnorderedElementsAre("weight", "bias"));
  EXPECT_EQ(printed(norm), "PositionalNorm(4, eps=1e-05, affine=true)");
  EXPECT_EQ(error_of<ValueError>([] { PositionalNorm(1); }), "PositionalNorm: expected num_features > 1 but got 1");
  EXPECT_EQ(error_of<ShapeError>([&] { norm(zeros({4})); }),
            "PositionalNorm: expected an input [N, 4, *] of 2 to 5 axes but got [4]");
  EXPECT_EQ(error_of<ShapeError>([] {
              moment_shortcut(zeros({2, 4, 3}), zeros({2, 1, 5}), zeros({2, 1, 3}));
            }),
            "moment_shortcut: expected shapes that broadcast but got [2, 4, 3] and [2, 1, 5]; axes are compared from "
            "the last "
            "one on: add some with unsqueeze()");
  EXPECT_EQ(error_of<ShapeError>([] {
              moment_shortcut(zeros({1, 4, 3}), zeros({2, 1, 3}), zeros({1, 1, 3}));
            }),
            "moment_shortcut: expected moments that broadcast to [1, 4, 3] but got [2, 1, 3]");
}

// By plain loops: the window of 3 over features, zeros beyond the ends.
TEST(DivisiveNormTest, DividesByItsNeighborhood) {
  DivisiveNorm norm(5, {.eps = 0.25, .dtype = kFloat64});
  const std::vector<double> x = {1.0, -2.0, 0.5, 3.0, 1.5};
  const auto window = [](const std::vector<double>& values, std::size_t i) {
    return ((i > 0 ? values[i - 1] : 0.0) + values[i] + (i + 1 < values.size() ? values[i + 1] : 0.0)) / 3.0;
  };
  std::vector<double> v(5);
  std::vector<double> squares(5);
  for (std::size_t i = 0; i < 5; ++i) {
    v[i] = x[i] - window(x, i);
    squares[i] = v[i] * v[i];
  }
  const std::vector<double> y = bits(norm(from_vector(x, {1, 5})));
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(y[i], v[i] / std::sqrt(0.25 + window(squares, i)), 1e-15);
  }
  DivisiveNorm learned(5, {.eps = 0.25, .learn_sigma = true, .dtype = kFloat64});
  EXPECT_DOUBLE_EQ(learned.sigma.item(), 0.5);
  EXPECT_LE(distance(learned(from_vector(x, {1, 5})), norm(from_vector(x, {1, 5}))), 1e-15);
}

TEST(DivisiveNormTest, StatePrintAndErrors) {
  DivisiveNorm norm(4, {.learn_sigma = true, .affine = true});
  EXPECT_THAT(keys_of(norm), testing::UnorderedElementsAre("weight", "bias", "sigma"));
  EXPECT_TRUE(keys_of(DivisiveNorm(4)).empty());
  EXPECT_EQ(printed(norm), "DivisiveNorm(4, sum_window=3, sup_window=3, eps=1, learn_sigma=true, affine=true)");
  fill(norm.sigma, 5.0);
  norm.reset_parameters();
  EXPECT_EQ(norm.sigma.to_vector<float>(), std::vector<float>({1.0F}));
  EXPECT_EQ(error_of<ValueError>([] { DivisiveNorm(4, {.sum_window = 4}); }),
            "DivisiveNorm: expected windows of odd width but got 4");
  EXPECT_EQ(error_of<ValueError>([] { DivisiveNorm(4, {.eps = 0.0}); }), "DivisiveNorm: expected eps > 0 but got 0");
  EXPECT_EQ(error_of<ShapeError>([&] {
              norm(zeros({2, 3}));
            }),
            "DivisiveNorm: expected an input [N, 4, *] of 2 to 5 axes but got [2, 3]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
