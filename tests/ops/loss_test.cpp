#include "normgrad/core/ops/loss/loss.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/support/gradients.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using Inputs = std::vector<Tensor>;
using testing::ElementsAre;
using testing::ThrowsMessage;
using tests::gradients_agree;
using tests::random_tensor;

struct Loss {
  const char* name;
  std::function<Tensor(const Tensor&, const Tensor&, Reduction)> f;
  std::function<double(double, double)> element;
};

void PrintTo(const Loss& loss, std::ostream* out) { *out << loss.name; }

class ElementwiseLossTest : public testing::TestWithParam<Loss> {};

// Targets in (0, 1), valid for all losses.
Tensor target_tensor(const Shape& shape, DType dtype) { return sigmoid(random_tensor(shape, dtype, 2)); }

TEST_P(ElementwiseLossTest, AgreesWithPlainLoops) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = random_tensor({3, 5, 7}, dtype, 1) * 2.0;
    const Tensor t = target_tensor({3, 5, 7}, dtype);
    double sum = 0.0;
    const auto got = GetParam().f(x, t, Reduction::none).to_vector<double>();
    ASSERT_EQ(got.size(), 105U);
    const double tolerance = dtype == kFloat32 ? 2e-6 : 1e-14;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double expected = GetParam().element(x.to_vector<double>()[i], t.to_vector<double>()[i]);
      EXPECT_NEAR(got[i], expected, tolerance);
      sum += expected;
    }
    EXPECT_NEAR(GetParam().f(x, t, Reduction::sum).item(), sum, tolerance * 105);
    EXPECT_NEAR(GetParam().f(x, t, Reduction::mean).item(), sum / 105, tolerance);
  }
}

TEST_P(ElementwiseLossTest, GradientsAgreeWithDifferences) {
  for (const Shape& shape : {Shape{4, 3}, Shape{2, 3, 2}, Shape{}}) {
    for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
      const Tensor x = random_tensor(shape, kFloat64, 3).requires_grad_();
      const Tensor t = target_tensor(shape, kFloat64).detach().requires_grad_();
      EXPECT_TRUE(gradients_agree([&](const Inputs& in) { return GetParam().f(in[0], in[1], reduction); }, {x, t}))
          << shape;
    }
  }
}

TEST_P(ElementwiseLossTest, Errors) {
  const std::string name = GetParam().name;
  const Tensor x = zeros({2, 3});
  EXPECT_THAT([&] { GetParam().f(x, zeros({3}), Reduction::mean); },
              ThrowsMessage<ShapeError>(name + ": expected a target of shape [2, 3] but got [3]"));
  EXPECT_THAT(
      [&] {
        GetParam().f(x, zeros({2, 3}, {.dtype = kFloat64}), Reduction::mean);
      },
      ThrowsMessage<DTypeError>(name +
                                ": expected a target of float32 but got float64; convert it with target.to(kFloat32)"));
  EXPECT_THAT([&] { GetParam().f(zeros({2}, {.dtype = kInt64}), zeros({2}, {.dtype = kInt64}), Reduction::mean); },
              ThrowsMessage<DTypeError>(name + ": expected a float32 or float64 input but got int64"));
  if (name != "kl_div") {
    EXPECT_THAT([&] { GetParam().f(x, x, Reduction::batchmean); },
                ThrowsMessage<ValueError>(
                    name + ": expected reduction none, mean or sum but got batchmean, which is for kl_div only"));
  }
}

TEST_P(ElementwiseLossTest, NothingHasASumAndNoMean) {
  const std::string name = GetParam().name;
  for (const Shape& shape : {Shape{0}, Shape{0, 3}, Shape{3, 0}}) {
    const Tensor x = zeros(shape, {.requires_grad = true});
    const Tensor t = zeros(shape);
    EXPECT_EQ(GetParam().f(x, t, Reduction::none).shape(), shape);
    const Tensor total = GetParam().f(x, t, Reduction::sum);
    EXPECT_EQ(total.item(), 0.0);
    EXPECT_EQ(grad({total}, {x})[0].shape(), shape);
    EXPECT_THAT([&] { GetParam().f(x, t, Reduction::mean); },
                ThrowsMessage<ValueError>(
                    name + ": expected at least one element to average but got an input of shape " + to_string(shape) +
                    "; leave an empty batch out, or use Reduction::sum, which gives 0"));
  }
}

double huber(double d, double delta) { return std::abs(d) < delta ? 0.5 * d * d : delta * (std::abs(d) - 0.5 * delta); }
double bce(double x, double t, double positive = 1.0) {
  return positive * t * std::log(1.0 + std::exp(-x)) + (1 - t) * std::log(1.0 + std::exp(x));
}

const Loss kLosses[] = {

    Loss{"mse_loss", [](auto& x, auto& t, Reduction r) { return mse_loss(x, t, {.reduction = r}); },
         [](double x, double t) { return (x - t) * (x - t); }},
    Loss{"l1_loss", [](auto& x, auto& t, Reduction r) { return l1_loss(x, t, {.reduction = r}); },
         [](double x, double t) { return std::abs(x - t); }},
    Loss{"smooth_l1_loss",
         [](auto& x, auto& t, Reduction r) { return smooth_l1_loss(x, t, {.beta = 0.7, .reduction = r}); },
         [](double x, double t) { return huber(x - t, 0.7) / 0.7; }},
    Loss{"huber_loss", [](auto& x, auto& t, Reduction r) { return huber_loss(x, t, {.delta = 0.7, .reduction = r}); },
         [](double x, double t) { return huber(x - t, 0.7); }},
    Loss{"binary_cross_entropy_with_logits",
         [](auto& x, auto& t, Reduction r) { return binary_cross_entropy_with_logits(x, t, {.reduction = r}); },
         [](double x, double t) { return bce(x, t); }},
    Loss{"kl_div", [](auto& x, auto& t, Reduction r) { return kl_div(x, t, {.reduction = r}); },
         [](double x, double t) { return t * (std::log(t) - x); }}};

INSTANTIATE_TEST_SUITE_P(All, ElementwiseLossTest, testing::ValuesIn(kLosses),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(LossTest, ReductionOfTheDefaultsIsTheMean) {
  EXPECT_NEAR(mse_loss(tensor({1.0, 2}), tensor({3.0, 5})).item(), 6.5, 1e-6);
  EXPECT_NEAR(l1_loss(tensor({1.0, 2}), tensor({3.0, 5})).item(), 2.5, 1e-6);
  EXPECT_NEAR(smooth_l1_loss(tensor({1.0, 2}), tensor({1.5, 5})).item(), (0.125 + 2.5) / 2, 1e-6);
  EXPECT_NEAR(huber_loss(tensor({1.0, 2}), tensor({1.5, 5})).item(), (0.125 + 2.5) / 2, 1e-6);
}

TEST(LossTest, SmoothL1WithBetaZeroIsL1) {
  const Tensor x = tensor({1.0, -2});
  EXPECT_THAT(smooth_l1_loss(x, zeros({2}), {.beta = 0, .reduction = Reduction::none}).to_vector<float>(),
              ElementsAre(1, 2));
  EXPECT_THAT([&] { smooth_l1_loss(x, x, {.beta = -1}); },
              ThrowsMessage<ValueError>("smooth_l1_loss: expected a beta >= 0 but got -1"));
  EXPECT_THAT([&] { huber_loss(x, x, {.delta = 0}); },
              ThrowsMessage<ValueError>("huber_loss: expected a delta > 0 but got 0"));
}

TEST(BceWithLogitsTest, WeightsAndPosWeights) {
  const Tensor x = random_tensor({4, 3}, kFloat64, 5).requires_grad_();
  const Tensor t = target_tensor({4, 3}, kFloat64).detach();
  const Tensor weight = tensor({{1}, {2}, {3}, {0.5}}, {.dtype = kFloat64});
  const Tensor pos_weight = tensor({0.5, 1, 3}, {.dtype = kFloat64});
  const BceWithLogitsOptions options{.weight = weight, .pos_weight = pos_weight, .reduction = Reduction::none};
  const auto got = binary_cross_entropy_with_logits(x, t, options).to_vector<double>();
  double sum = 0.0;
  for (std::size_t i = 0; i < 12; ++i) {
    const double expected = weight.to_vector<double>()[i / 3] * bce(x.to_vector<double>()[i], t.to_vector<double>()[i],
                                                                    pos_weight.to_vector<double>()[i % 3]);
    EXPECT_NEAR(got[i], expected, 1e-14);
    sum += expected;
  }
  EXPECT_NEAR(binary_cross_entropy_with_logits(x, t, {.weight = weight, .pos_weight = pos_weight}).item(), sum / 12,
              1e-14);
  EXPECT_TRUE(
      gradients_agree([&](const Inputs& in) { return binary_cross_entropy_with_logits(in[0], t, options); }, {x}));
  EXPECT_THAT(
      [&] {
        binary_cross_entropy_with_logits(x, t, {.pos_weight = ones({2, 4, 3}, {.dtype = kFloat64})});
      },
      ThrowsMessage<ShapeError>("binary_cross_entropy_with_logits: expected a pos_weight that broadcasts to "
                                "[4, 3] but got [2, 4, 3]"));
}

TEST(BceWithLogitsTest, LargeLogitsAndZero) {
  const Tensor x = tensor({500, -500, 500, -500, 0}, {.requires_grad = true});
  const Tensor t = tensor({1.0, 0, 0, 1, 1});
  const Tensor loss = binary_cross_entropy_with_logits(x, t, {.reduction = Reduction::none});
  EXPECT_THAT(loss.to_vector<float>(), ElementsAre(0, 0, 500, 500, testing::FloatEq(std::log(2.0F))));
  const auto gx = grad({loss}, {x}, {ones({5})})[0].to_vector<float>();
  EXPECT_THAT(gx, ElementsAre(testing::FloatNear(0, 1e-20F), testing::FloatNear(0, 1e-20F), 1, -1, -0.5F));
}

TEST(KlDivTest, BatchmeanOfNothing) {
  EXPECT_THAT(
      [] {
        kl_div(zeros({0, 3}), zeros({0, 3}), {.reduction = Reduction::batchmean});
      },
      testing::Throws<ValueError>(testing::Property(
          &ValueError::what, testing::HasSubstr("kl_div: expected at least one element to average"))));
  EXPECT_EQ(kl_div(zeros({2, 0}), zeros({2, 0}), {.reduction = Reduction::batchmean}).item(), 0.0);
}

TEST(KlDivTest, LogTargetsZerosAndBatchmean) {
  const Tensor x = tensor({{-1, -2}, {-0.5, -3}}, {.dtype = kFloat64});
  const Tensor t = tensor({{0, 1}, {0.25, 0.75}}, {.dtype = kFloat64, .requires_grad = true});
  const std::vector<double> expected = {0, 2, 0.25 * (std::log(0.25) + 0.5), 0.75 * (std::log(0.75) + 3)};
  const auto got = kl_div(x, t, {.reduction = Reduction::none}).to_vector<double>();
  double sum = 0.0;
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(got[i], expected[i], 1e-15);
    sum += expected[i];
  }
  EXPECT_NEAR(kl_div(x, t, {.reduction = Reduction::batchmean}).item(), sum / 2, 1e-15);
  const auto gt = grad({kl_div(x, t, {.reduction = Reduction::sum})}, {t})[0].to_vector<double>();
  EXPECT_NEAR(gt[0], 1.0, 1e-15);  // finite: 0 log(0) is 0
  EXPECT_NEAR(gt[2], std::log(0.25) + 1 + 0.5, 1e-15);

  const Tensor log_t = random_tensor({2, 3}, kFloat64, 6).requires_grad_();
  const Tensor y = random_tensor({2, 3}, kFloat64, 7).requires_grad_();
  const auto by_log = kl_div(y, log_t, {.log_target = true, .reduction = Reduction::none}).to_vector<double>();
  for (std::size_t i = 0; i < 6; ++i) {
    const double l = log_t.to_vector<double>()[i];
    EXPECT_NEAR(by_log[i], std::exp(l) * (l - y.to_vector<double>()[i]), 1e-14);
  }
  EXPECT_TRUE(gradients_agree([](const Inputs& in) { return kl_div(in[0], in[1], {.log_target = true}); }, {y, log_t}));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
