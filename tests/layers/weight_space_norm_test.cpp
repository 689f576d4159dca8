// weight_norm, spectral_norm and weight_standardization: values and gradients of PyTorch, singular values by an SVD of
// the test's own, state, errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/sequence_cases.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/flatten.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/running_stats.hpp"
#include "normgrad/layers/norm/spectral_norm.hpp"
#include "normgrad/layers/norm/weight_norm.hpp"
#include "normgrad/layers/norm/weight_standardization.hpp"
#include "normgrad/optim/adam.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::random_tensor;

struct Scaled : Module {
  NORMGRAD_MEMBERS(Scaled)
  Tensor forward(const Tensor& x) override { return tanh(x) * 3.0; }
};

void expect_torch(const std::string& name, Module& layer) {
  tests::expect_as_torch(
      name, layer, [&](const std::vector<Tensor>& in) { return std::vector<Tensor>{layer(in[0])}; }, "parametrize");
}

TEST(WeightSpaceNormTest, ValuesAndGradientsAreTorchs) {
  const LinearOptions f64{.dtype = kFloat64};
  const ConvLayerOptions conv{.dtype = kFloat64};
  Linear by_rows = weight_norm(Linear(3, 4, f64));
  expect_torch("weight_norm_linear", by_rows);
  Linear by_columns = weight_norm(Linear(3, 4, f64), "weight", {.dim = 1});
  expect_torch("weight_norm_dim1", by_columns);
  for (const std::optional<std::int64_t> whole : {std::optional<std::int64_t>(), std::optional<std::int64_t>(-1)}) {
    Linear layer(3, 4, f64);
    expect_torch("weight_norm_whole", weight_norm(layer, "weight", {.dim = whole}));
  }
  Conv2d normed(2, 3, {2, 3}, conv);
  expect_torch("weight_norm_conv", weight_norm(normed));
  Linear scaled(3, 4, f64);
  register_parametrization(weight_norm(scaled), "weight", Scaled());
  expect_torch("weight_norm_scaled", scaled);

  Linear spectral(5, 4, f64);
  expect_torch("spectral_norm_linear", spectral_norm(spectral));
  spectral.eval();
  expect_torch("spectral_norm_eval", spectral);
  Conv2d spectral_conv(2, 3, 3, conv);
  expect_torch("spectral_norm_conv", spectral_norm(spectral_conv, "weight", {.n_power_iterations = 2}));
  ConvTranspose2d transposed(2, 3, 2, {.dtype = kFloat64});
  expect_torch("spectral_norm_transposed", spectral_norm(transposed));
  Linear spectral_dim1(5, 4, f64);
  expect_torch("spectral_norm_dim1", spectral_norm(spectral_dim1, "weight", {.eps = 1e-3, .dim = -1}));
  Linear spectral_bias(5, 4, f64);
  expect_torch("spectral_norm_bias", spectral_norm(spectral_bias, "bias"));

  Conv2d standardized(2, 3, 3, conv);
  expect_torch("weight_standardization_conv", weight_standardization(standardized));
  Linear standardized_linear(4, 3, f64);
  expect_torch("weight_standardization_linear", weight_standardization(standardized_linear));
}

// The singular values of a matrix, largest first, by Jacobi rotations of its columns (Hestenes), in float64.
std::vector<double> singular_values(const Tensor& matrix) {
  const auto rows = static_cast<std::size_t>(matrix.size(0));
  const auto columns = static_cast<std::size_t>(matrix.numel()) / rows;
  std::vector<double> a = matrix.to_vector<double>();
  const auto at = [&](std::size_t i, std::size_t j) -> double& { return a[i * columns + j]; };
  for (int sweep = 0; sweep < 60; ++sweep) {
    for (std::size_t p = 0; p < columns; ++p) {
      for (std::size_t q = p + 1; q < columns; ++q) {
        double pp = 0.0, qq = 0.0, pq = 0.0;
        for (std::size_t i = 0; i < rows; ++i) {
          pp += at(i, p) * at(i, p);
          qq += at(i, q) * at(i, q);
          pq += at(i, p) * at(i, q);
        }
        if (std::abs(pq) <= 1e-15 * std::sqrt(pp * qq)) {
          continue;
        }
        const double angle = 0.5 * std::atan2(2.0 * pq, pp - qq);
        for (std::size_t i = 0; i < rows; ++i) {
          const double x = at(i, p), y = at(i, q);
          at(i, p) = std::cos(angle) * x + std::sin(angle) * y;
          at(i, q) = -std::sin(angle) * x + std::cos(angle) * y;
        }
      }
    }
  }
  std::vector<double> result;
  for (std::size_t j = 0; j < columns; ++j) {
    double square = 0.0;
    for (std::size_t i = 0; i < rows; ++i) {
      square += at(i, j) * at(i, j);
    }
    result.push_back(std::sqrt(square));
  }
  std::sort(result.begin(), result.end(), std::greater<>());
  return result;
}

TEST(WeightSpaceNormTest, TheSvdOfTheTestIsRight) {
  // [[3, 0], [4, 5]]: the squares are the eigenvalues 45 and 5 of [[25, 20], [20, 25]].
  const std::vector<double> s = singular_values(tensor({{3, 0}, {4, 5}}, {.dtype = kFloat64}));
  EXPECT_NEAR(s[0], std::sqrt(45.0), 1e-14);
  EXPECT_NEAR(s[1], std::sqrt(5.0), 1e-14);
}

TEST(WeightSpaceNormTest, LargestSingularValueIsOneAfterTraining) {
  manual_seed(1);
  Sequential net(spectral_norm(Conv2d(1, 6, 3)), ReLU(), Flatten(), spectral_norm(Linear(6 * 16, 20)), ReLU(),
                 spectral_norm(Linear(20, 3)));
  const Tensor x = random_tensor({32, 1, 6, 6}, kFloat32, 1);
  const Tensor t = randint(0, 3, {32});
  Adam optimizer(net.parameters(), {.lr = 1e-3});
  const auto loss = [&] { return cross_entropy(net(x) * 10.0, t); };
  const double before = loss().item();
  constexpr int kSteps = 300;
  // Afterwards the weights rest while u and v go on. k iterations leave an error of at most about 1 / (2 e k), the most
  // for two singular values that differ by 1 / (2 k) of their size.
  constexpr int kIterations = 1000;
  for (int step = 0; step < kSteps; ++step) {
    optimizer.set_lr(1e-3 * (1.0 - static_cast<double>(step) / kSteps));
    optimizer.zero_grad();
    loss().backward();
    optimizer.step();
  }
  EXPECT_LT(loss().item(), 0.7 * before);
  for (int i = 0; i < kIterations; ++i) {
    const NoGradGuard no_grad;
    net(x);
  }
  net.eval();
  net(x);
  for (const char* layer : {"0", "3", "5"}) {
    Module& module = net.get_submodule(layer);
    const Tensor original = parametrizations(module, "weight").original();
    EXPECT_GT(std::abs(singular_values(original)[0] - 1.0), 0.01) << layer;  // it is the division that makes it 1
    EXPECT_NEAR(singular_values(parametrizations(module, "weight").value())[0], 1.0, 1e-3) << layer;
  }
}

TEST(WeightSpaceNormTest, StateChangesInTrainingOnly) {
  Linear fc(4, 3, {.dtype = kFloat64});
  spectral_norm(fc, "weight", {.n_power_iterations = 3});
  auto& norm = dynamic_cast<SpectralNorm&>(parametrizations(fc, "weight")[0]);
  const Tensor x = random_tensor({2, 4}, kFloat64, 1);
  const auto u = [&] { return norm.u.to_vector<double>(); };
  const std::vector<double> start = u();
  fc.eval();
  fc(x);
  EXPECT_EQ(u(), start);
  fc.train();
  {
    const FreezeStatisticsGuard freeze;
    fc(x);
  }
  EXPECT_EQ(u(), start);
  const Tensor first = fc(x);
  EXPECT_NE(u(), start);
  const Tensor second = fc(x);
  (first + second).backward(ones({2, 3}, {.dtype = kFloat64}));  // each has the vectors of its own call
  EXPECT_TRUE(parametrizations(fc, "weight").original().grad().defined());
  EXPECT_EQ(norm.u.shape(), Shape({3}));
  EXPECT_EQ(norm.v.shape(), Shape({4}));
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : fc.state_dict()) {
    keys.push_back(key);
  }
  EXPECT_THAT(keys, ElementsAre("parametrizations.weight.original", "parametrizations.weight.0._u",
                                "parametrizations.weight.0._v", "bias"));
}

TEST(WeightSpaceNormTest, FifteenIterationsAtTheStartAndTheSameBitsForASeed) {
  Generator a(7);
  Generator b(7);
  const Tensor w = random_tensor({6, 8}, kFloat64, 2);
  const SpectralNorm first(w, {.generator = &a});
  const SpectralNorm second(w, {.generator = &b});
  EXPECT_EQ(first.u.to_vector<double>(), second.u.to_vector<double>());
  // The error falls as (s1 / s0)^(2 * 15).
  const std::vector<double> s = singular_values(w);
  SpectralNorm norm(w);
  norm.eval();
  const double estimate = w.to_vector<double>()[0] / norm(w).to_vector<double>()[0];
  EXPECT_NEAR(estimate / s[0], 1.0, 10.0 * std::pow(s[1] / s[0], 30.0));
}

TEST(WeightSpaceNormTest, WeightNormSeparatesLengthAndDirection) {
  Conv2d conv(2, 4, 3, {.dtype = kFloat64});
  const std::vector<double> before = conv.weight.to_vector<double>();
  weight_norm(conv);
  const std::vector<double> after = conv.weight.to_vector<double>();
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_NEAR(before[i], after[i], 1e-15);  // tol: v * (|v| / |v|), below 1
  }
  ParametrizationList& list = parametrizations(conv, "weight");
  EXPECT_EQ(list.original(0).shape(), Shape({4, 1, 1, 1}));
  const NoGradGuard no_grad;
  list.original(0).fill_(2.0);
  list.original(1).mul_(5.0);  // does not matter
  const std::vector<double> w = list.value().to_vector<double>();
  for (std::size_t c = 0; c < 4; ++c) {
    double square = 0.0;
    for (std::size_t i = 0; i < 18; ++i) {
      square += w[18 * c + i] * w[18 * c + i];
    }
    EXPECT_NEAR(std::sqrt(square), 2.0, 1e-14);
  }
}

TEST(WeightSpaceNormTest, StandardizedWeightsHaveMean0AndDeviation1) {
  ConvTranspose2d conv(3, 2, 3, {.dtype = kFloat64});
  weight_standardization(conv);
  const std::vector<double> w = conv.weight.to_vector<double>();  // [3, 2, 3, 3]; the outputs are on axis 1
  for (std::size_t c = 0; c < 2; ++c) {
    double sum = 0.0, square = 0.0;
    for (std::size_t i = 0; i < 27; ++i) {
      const double value = w[(i / 9 * 2 + c) * 9 + i % 9];
      sum += value;
      square += value * value;
    }
    EXPECT_NEAR(sum, 0.0, 1e-13);
    EXPECT_NEAR(std::sqrt(square / 26.0), 1.0, 1e-3);  // eps 1e-5 beside a deviation of about 0.1
    EXPECT_LT(std::sqrt(square / 26.0), 1.0);
  }
  EXPECT_EQ(parametrizations(conv, "weight")[0].extra_repr(), "eps=1e-05, dim=1");
}

TEST(WeightSpaceNormTest, WrongUseIsReported) {
  Linear fc(4, 3);
  EXPECT_EQ(error_of<IndexError>([&] { spectral_norm(fc, "weight", {.dim = 2}); }),
            "SpectralNorm: expected a dim in [-2, 2) for a weight [3, 4] but got 2");
  EXPECT_EQ(error_of<ValueError>([&] { spectral_norm(fc, "weight", {.n_power_iterations = 0}); }),
            "SpectralNorm: expected n_power_iterations > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { spectral_norm(fc, "weight", {.eps = 0.0}); }),
            "SpectralNorm: expected eps > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { spectral_norm(fc, "wieght"); }),
            "spectral_norm: expected a parameter of Linear but got 'wieght'; there are: weight, bias");
  EXPECT_EQ(error_of<IndexError>([&] { weight_norm(fc, "weight", {.dim = 2}); }),
            "WeightNorm: expected a dim in [-1, 2) for a weight [3, 4] but got 2");
  EXPECT_EQ(error_of<ValueError>([&] { weight_standardization(fc, "weight", {.eps = -1.0}); }),
            "WeightStandardization: expected eps >= 0 but got -1");
  Linear single(1, 3);
  EXPECT_THAT(error_of<ShapeError>([&] { weight_standardization(single); }),
              testing::HasSubstr("expected more than 1 weight per output but got a weight [3, 1] with the outputs on "
                                 "axis 0"));
  EXPECT_FALSE(is_parametrized(fc) || is_parametrized(single));
  spectral_norm(fc);
  EXPECT_THAT(error_of<ValueError>([&] { weight_norm(fc); }),
              testing::HasSubstr("expected the originals g and v but got 1; it must be the first parametrization of a "
                                 "parameter"));
}

TEST(WeightSpaceNormTest, NewLayersPassThrough) {
  Sequential critic(spectral_norm(Conv2d(1, 4, 3)), LeakyReLU(), weight_standardization(Conv2d(4, 8, 3)),
                    GroupNorm(2, 8), Flatten(), weight_norm(Linear(8 * 4, 1)));
  EXPECT_EQ(critic(random_tensor({2, 1, 6, 6}, kFloat32, 1)).shape(), Shape({2, 1}));
  for (const char* name : {"0.weight", "2.weight", "5.weight"}) {
    EXPECT_TRUE(is_parametrized(critic, name)) << name;
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
