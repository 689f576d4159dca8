// Losses with margins and losses of distributions, against plain loops.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/loss/likelihood.hpp"
#include "normgrad/core/ops/loss/margin.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::Numbers;
using tests::numbers;
using tests::random_tensor;

double positive(double v) { return v > 0 ? v : 0; }

// Compares all reductions of a loss with the element losses.
void expect_losses(const std::string& name, const std::function<Tensor(Reduction)>& loss, const Numbers& expected,
                   double bound) {
  const Numbers each = numbers(loss(Reduction::none));
  ASSERT_EQ(each.size(), expected.size()) << name;
  double sum = 0.0;
  for (std::size_t i = 0; i < each.size(); ++i) {
    EXPECT_NEAR(each[i], expected[i], bound) << name << " " << i;
    sum += expected[i];
  }
  const auto count = static_cast<double>(expected.size());
  EXPECT_NEAR(loss(Reduction::sum).item(), sum, bound * count) << name;
  EXPECT_NEAR(loss(Reduction::mean).item(), sum / count, bound) << name;
  EXPECT_EQ(error_of<ValueError>([&] { loss(Reduction::batchmean); }),
            name + ": expected reduction none, mean or sum but got batchmean, which is for kl_div only");
}

class MarginLossTest : public testing::TestWithParam<DType> {
 protected:
  double bound() const { return GetParam() == kFloat32 ? 2e-6 : 1e-13; }
  Tensor random(const Shape& shape, std::uint32_t seed) const { return random_tensor(shape, GetParam(), seed); }
  Tensor given(const NestedValues& values) const { return tensor(values, {.dtype = GetParam()}); }
};
INSTANTIATE_TEST_SUITE_P(Both, MarginLossTest, testing::Values(kFloat32, kFloat64),
                         [](const auto& test) { return dtype_name(test.param); });

TEST_P(MarginLossTest, OneValuePerElement) {
  const Tensor x = random({6}, 1);
  const Tensor other = random({6}, 2);
  const Numbers signs = {1, -1, 1, 1, -1, -1};
  const Tensor target = from_vector(signs, {6}).to(GetParam());
  const Numbers u = numbers(x);
  const Numbers v = numbers(other);
  Numbers ranking;
  Numbers hinge;
  Numbers soft;
  for (std::size_t i = 0; i < 6; ++i) {
    ranking.push_back(positive(-signs[i] * (u[i] - v[i]) + 0.25));
    hinge.push_back(signs[i] > 0 ? u[i] : positive(0.5 - u[i]));
    soft.push_back(std::log(1 + std::exp(-signs[i] * u[i])));
  }
  for (const Tensor& t : {target, target.to(kInt64)}) {
    expect_losses(
        "margin_ranking_loss",
        [&](Reduction r) { return margin_ranking_loss(x, other, t, {.margin = 0.25, .reduction = r}); }, ranking,
        bound());
    expect_losses(
        "hinge_embedding_loss",
        [&](Reduction r) { return hinge_embedding_loss(x, t, {.margin = 0.5, .reduction = r}); }, hinge, bound());
    expect_losses(
        "soft_margin_loss", [&](Reduction r) { return soft_margin_loss(x, t, {r}); }, soft, bound());
  }
  EXPECT_EQ(margin_ranking_loss(given({1, 2}), given({2, 1}), given({1, 1})).item(), 0.5);
  EXPECT_EQ(hinge_embedding_loss(given({0.5}), given({-1})).item(), 0.5);  // the default margin is 1
  EXPECT_EQ(hinge_embedding_loss(given({0.5}), given({-1}), {.reduction = Reduction::sum}).item(), 0.5);
}

TEST_P(MarginLossTest, CosineEmbedding) {
  const Tensor a = random({4, 3}, 3);
  const Tensor b = random({4, 3}, 4);
  const Numbers u = numbers(a);
  const Numbers v = numbers(b);
  const Numbers signs = {1, -1, -1, 1};
  Numbers expected;
  for (std::size_t i = 0; i < 4; ++i) {
    double product = 0.0;
    double squares_u = 0.0;
    double squares_v = 0.0;
    for (std::size_t k = 3 * i; k < 3 * i + 3; ++k) {
      product += u[k] * v[k];
      squares_u += u[k] * u[k];
      squares_v += v[k] * v[k];
    }
    const double cosine = product / std::sqrt(squares_u * squares_v);
    expected.push_back(signs[i] > 0 ? 1 - cosine : positive(cosine + 0.5));
  }
  const Tensor target = from_vector(signs, {4});
  expect_losses(
      "cosine_embedding_loss",
      [&](Reduction r) { return cosine_embedding_loss(a, b, target, {.margin = -0.5, .reduction = r}); }, expected,
      1e-6);
  EXPECT_NEAR(cosine_embedding_loss(a[0], b[0], tensor(1.0)).item(), expected[0], 1e-6);
}

TEST_P(MarginLossTest, MultiMargin) {
  const Tensor x = random({3, 4}, 5);
  const Numbers u = numbers(x);
  const std::vector<std::int64_t> classes = {2, 0, 3};
  const Numbers weights = {0.5, 2, 1, 3};
  const Tensor target = from_vector(classes, {3});
  const Tensor weight = from_vector(weights, {4}).to(GetParam());
  for (const double p : {1.0, 2.0}) {
    Numbers plain;
    Numbers weighted;
    for (std::size_t n = 0; n < 3; ++n) {
      const auto t = static_cast<std::size_t>(classes[n]);
      double sum = 0.0;
      for (std::size_t i = 0; i < 4; ++i) {
        sum += i == t ? 0 : std::pow(positive(0.7 - u[4 * n + t] + u[4 * n + i]), p);
      }
      plain.push_back(sum / 4);
      weighted.push_back(weights[t] * sum / 4);
    }
    expect_losses(
        "multi_margin_loss",
        [&](Reduction r) { return multi_margin_loss(x, target, {.p = p, .margin = 0.7, .reduction = r}); }, plain,
        bound() * 4);
    expect_losses(
        "multi_margin_loss",
        [&](Reduction r) {
          return multi_margin_loss(x, target, {.p = p, .margin = 0.7, .weight = weight, .reduction = r});
        },
        weighted, bound() * 8);
    EXPECT_NEAR(multi_margin_loss(x[1], tensor(0, {.dtype = kInt64}), {.p = p, .margin = 0.7}).item(), plain[1],
                bound() * 4);
  }
}

// The example of PyTorch's documentation: 0.25 (1 - 0.1 + 0.2 + 1 - 0.1 + 0.4 + 1 - 0.8 + 0.2 + 1 - 0.8 + 0.4).
TEST_P(MarginLossTest, MultilabelMargin) {
  const Tensor x = given({0.1, 0.2, 0.4, 0.8});
  const Tensor target = tensor({3, 0, -1, 1}, {.dtype = kInt64});
  EXPECT_NEAR(multilabel_margin_loss(x, target).item(), 0.85, 1e-6);
  const Tensor two = stack({x, x});
  const Tensor targets = stack({target, tensor({-1, 2, -1, -1}, {.dtype = kInt64})});
  expect_losses(
      "multilabel_margin_loss", [&](Reduction r) { return multilabel_margin_loss(two, targets, {r}); }, {0.85, 0.0},
      1e-6);
}

TEST_P(MarginLossTest, MultilabelSoftMargin) {
  const Tensor x = random({2, 3}, 6);
  const Numbers u = numbers(x);
  const Numbers labels = {1, 0, 1, 0, 0, 1};
  const Numbers weights = {1, 2, 3};
  Numbers expected(2, 0.0);
  for (std::size_t i = 0; i < 6; ++i) {
    const double p = 1 / (1 + std::exp(-u[i]));
    expected[i / 3] -= weights[i % 3] * (labels[i] > 0 ? std::log(p) : std::log(1 - p)) / 3;
  }
  expect_losses(
      "multilabel_soft_margin_loss",
      [&](Reduction r) {
        return multilabel_soft_margin_loss(x, from_vector(labels, {2, 3}).to(GetParam()),
                                           {.weight = given({1, 2, 3}), .reduction = r});
      },
      expected, bound() * 4);
}

TEST_P(MarginLossTest, Triplets) {
  const Tensor anchor = random({4, 3}, 7);
  const Tensor near = random({4, 3}, 8);
  const Tensor far = random({4, 3}, 9);
  const auto distance = [](const Tensor& a, const Tensor& b, std::size_t row, double p) {
    double sum = 0.0;
    for (std::size_t k = 3 * row; k < 3 * row + 3; ++k) {
      sum += std::pow(std::abs(numbers(a)[k] - numbers(b)[k] + 1e-6), p);
    }
    return std::pow(sum, 1 / p);
  };
  for (const bool swap : {false, true}) {
    for (const double p : {2.0, 1.0}) {
      Numbers expected;
      for (std::size_t i = 0; i < 4; ++i) {
        double negative = distance(anchor, far, i, p);
        negative = swap ? std::min(negative, distance(near, far, i, p)) : negative;
        expected.push_back(positive(distance(anchor, near, i, p) - negative + 1.5));
      }
      expect_losses(
          "triplet_margin_loss",
          [&](Reduction r) {
            return triplet_margin_loss(anchor, near, far, {.margin = 1.5, .p = p, .swap = swap, .reduction = r});
          },
          expected, 1e-5);
      if (p == 1.0) {
        const auto city_block = [](const Tensor& a, const Tensor& b) { return sum(abs(a - b + 1e-6), -1); };
        expect_losses(
            "triplet_margin_with_distance_loss",
            [&](Reduction r) {
              return triplet_margin_with_distance_loss(
                  anchor, near, far, {.distance_function = city_block, .margin = 1.5, .swap = swap, .reduction = r});
            },
            expected, 1e-5);
      }
    }
  }
  EXPECT_EQ(triplet_margin_with_distance_loss(anchor, near, far).item(), triplet_margin_loss(anchor, near, far).item());
}

TEST_P(MarginLossTest, BinaryCrossEntropy) {
  const Tensor x = sigmoid(random({5}, 3));
  const Numbers p = numbers(x);
  const Numbers t = {0, 1, 0.25, 1, 0};
  Numbers expected;
  for (std::size_t i = 0; i < 5; ++i) {
    expected.push_back(-static_cast<double>(i + 1) * (t[i] * std::log(p[i]) + (1 - t[i]) * std::log(1 - p[i])));
  }
  const Tensor target = from_vector(t, {5}).to(GetParam());
  expect_losses(
      "binary_cross_entropy",
      [&](Reduction r) {
        return binary_cross_entropy(x, target, {.weight = given({1, 2, 3, 4, 5}), .reduction = r});
      },
      expected, bound() * 10);
  // At the ends logarithms are limited, and the gradient is finite.
  Tensor ends = given({0, 1, 0, 1});
  ends.requires_grad_();
  const Tensor losses = binary_cross_entropy(ends, given({1, 0, 0, 1}), {.reduction = Reduction::none});
  EXPECT_EQ(numbers(losses), (Numbers{100, 100, 0, 0}));
  losses.sum().backward();
  EXPECT_NEAR(numbers(ends.grad())[0] / -1e12, 1, 1e-6);
  EXPECT_EQ(numbers(ends.grad())[2], 0.0);
}

TEST_P(MarginLossTest, PoissonAndGauss) {
  const Tensor x = random({4}, 4);
  const Tensor target = given({0, 1, 3, 2});
  const Numbers u = numbers(x);
  const Numbers t = {0, 1, 3, 2};
  Numbers log_rate;
  Numbers full;
  Numbers rate;
  Numbers gauss;
  const double two_pi = 2 * std::numbers::pi;
  for (std::size_t i = 0; i < 4; ++i) {
    log_rate.push_back(std::exp(u[i]) - t[i] * u[i]);
    full.push_back(log_rate[i] + (t[i] > 1 ? t[i] * std::log(t[i]) - t[i] + std::log(two_pi * t[i]) / 2 : 0));
    rate.push_back(std::abs(u[i]) - t[i] * std::log(std::abs(u[i]) + 1e-8));
    gauss.push_back((std::log(0.5) + (u[i] - t[i]) * (u[i] - t[i]) / 0.5 + std::log(two_pi)) / 2);
  }
  expect_losses(
      "poisson_nll_loss", [&](Reduction r) { return poisson_nll_loss(x, target, {.reduction = r}); }, log_rate,
      bound() * 10);
  expect_losses(
      "poisson_nll_loss", [&](Reduction r) { return poisson_nll_loss(x, target, {.full = true, .reduction = r}); },
      full, bound() * 10);
  expect_losses(
      "poisson_nll_loss",
      [&](Reduction r) { return poisson_nll_loss(abs(x), target, {.log_input = false, .reduction = r}); }, rate,
      bound() * 10);
  for (const Tensor& var : {given({0.5, 0.5, 0.5, 0.5}), given({0.5}), given(0.5)}) {
    expect_losses(
        "gaussian_nll_loss",
        [&](Reduction r) { return gaussian_nll_loss(x, target, var, {.full = true, .reduction = r}); }, gauss,
        bound() * 10);
  }
  // A variance below eps counts as eps.
  Tensor small = zeros({1}, {.dtype = kFloat64, .requires_grad = true});
  const Tensor one = ones({1}, {.dtype = kFloat64});
  const Tensor loss = gaussian_nll_loss(one * 3.0, one, small, {.eps = 0.25});
  EXPECT_NEAR(loss.item(), (std::log(0.25) + 16) / 2, 1e-14);
  loss.backward();
  EXPECT_NEAR(small.grad().item(), (1 / 0.25 - 4 / 0.0625) / 2, 1e-13);
}

TEST_P(MarginLossTest, Focal) {
  const Tensor x = random({4}, 5);
  const Numbers u = numbers(x);
  const Numbers t = {0, 1, 1, 0};
  Numbers expected;
  for (std::size_t i = 0; i < 4; ++i) {
    const double q = 1 / (1 + std::exp(t[i] > 0 ? -u[i] : u[i]));
    expected.push_back(-(t[i] > 0 ? 0.25 : 0.75) * (1 - q) * (1 - q) * std::log(q));
  }
  const Tensor target = from_vector(t, {4}).to(GetParam());
  expect_losses(
      "sigmoid_focal_loss", [&](Reduction r) { return sigmoid_focal_loss(x, target, {.reduction = r}); }, expected,
      bound());
  EXPECT_EQ(sigmoid_focal_loss(x, target).shape(), (Shape{4}));  // no reduction by default
  EXPECT_NEAR(sigmoid_focal_loss(given({-200, 200}), given({0, 1}), {.reduction = Reduction::sum}).item(), 0.0, 1e-80);
}

TEST(MarginLossErrors, Messages) {
  const Tensor x = zeros({2, 3});
  const Tensor i = zeros({2}, {.dtype = kInt64});
  EXPECT_EQ(error_of<ShapeError>([&] { hinge_embedding_loss(x, zeros({2})); }),
            "hinge_embedding_loss: expected a target of shape [2, 3] but got [2]");
  EXPECT_EQ(
      error_of<DTypeError>([&] { soft_margin_loss(x, x.to(kFloat64)); }),
      "soft_margin_loss: expected operands of the same dtype but got float32 and float64; convert one of them with "
      "to()");
  EXPECT_EQ(
      error_of<ShapeError>([&] { cosine_embedding_loss(x, x, x); }),
      "cosine_embedding_loss: expected [N, D], [N, D] and a target [N], or [D], [D] and [], but got [2, 3], [2, 3] "
      "and [2, 3]");
  EXPECT_EQ(error_of<ValueError>([&] { multi_margin_loss(x, i, {.p = 3}); }),
            "multi_margin_loss: expected a p of 1 or 2 but got 3");
  EXPECT_EQ(error_of<IndexError>([&] { multi_margin_loss(x, i + 3); }),
            "multi_margin_loss: expected classes in [0, 3) but got 3 at position 0");
  EXPECT_EQ(error_of<ShapeError>([&] { multi_margin_loss(x, zeros({3}, {.dtype = kInt64})); }),
            "multi_margin_loss: expected a target [2] for [2, 3] but got [3]");
  EXPECT_EQ(error_of<DTypeError>([&] { multi_margin_loss(x, zeros({2})); }),
            "multi_margin_loss: expected an int64 target but got float32");
  EXPECT_EQ(error_of<ShapeError>([&] { multi_margin_loss(x, i, {.weight = zeros({2})}); }),
            "multi_margin_loss: expected a weight [3] but got [2]");
  EXPECT_EQ(error_of<IndexError>([&] {
              multilabel_margin_loss(x[0], tensor({0, -2, 1}, {.dtype = kInt64}));
            }),
            "multilabel_margin_loss: expected classes in [-1, 3) but got -2 at position 1");
  EXPECT_EQ(error_of<ShapeError>([&] {
              multilabel_margin_loss(zeros({1, 2, 3}), i);
            }),
            "multilabel_margin_loss: expected an input [N, C] or [C] but got [1, 2, 3]");
  EXPECT_EQ(error_of<ShapeError>([&] { multilabel_soft_margin_loss(tensor(1.0), tensor(1.0)); }),
            "multilabel_soft_margin_loss: expected an input [*, C] but got []");
  EXPECT_EQ(error_of<ValueError>([&] { triplet_margin_loss(x, x, x, {.margin = 0}); }),
            "triplet_margin_loss: expected a margin > 0 but got 0");
  EXPECT_EQ(error_of<ShapeError>([&] { triplet_margin_loss(x, x, x[0]); }),
            "triplet_margin_loss: expected three tensors with the same number of axes but got [2, 3], [2, 3] and [3]");
  EXPECT_EQ(
      error_of<ValueError>([&] { binary_cross_entropy(x + 1.5, x); }),
      "binary_cross_entropy: expected probabilities in [0, 1]; binary_cross_entropy_with_logits() takes any numbers");
  EXPECT_EQ(error_of<ShapeError>([&] { binary_cross_entropy(x, x[0]); }),
            "binary_cross_entropy: expected a target of shape [2, 3] but got [3]");
  EXPECT_EQ(error_of<ValueError>([&] { gaussian_nll_loss(x, x, x - 1.0); }),
            "gaussian_nll_loss: expected variances >= 0");
  EXPECT_EQ(error_of<ShapeError>([&] { gaussian_nll_loss(x, x, zeros({3})); }),
            "gaussian_nll_loss: expected a var of shape [2, 3], [2, 1] or [2] but got [3]");
  EXPECT_EQ(error_of<ValueError>([&] { gaussian_nll_loss(x, x, x, {.eps = 0}); }),
            "gaussian_nll_loss: expected an eps > 0 but got 0");
  EXPECT_EQ(
      error_of<ValueError>([&] { margin_ranking_loss(zeros({0}), zeros({0}), zeros({0})); }),
      "margin_ranking_loss: expected at least one element to average but got an input of shape [0]; leave an empty "
      "batch out, or use Reduction::sum, which gives 0");
  EXPECT_EQ(multi_margin_loss(zeros({0, 3}), zeros({0}, {.dtype = kInt64}), {.reduction = Reduction::sum}).item(), 0.0);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
