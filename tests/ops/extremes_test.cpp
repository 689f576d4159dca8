// Values and gradients at infinity and where a factor is 0. Both are the limit, by the ordinary and the recorded
// backward.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::Each;
using testing::ElementsAre;
using tests::kInf;
using tests::kNan;

bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

struct Limit {
  const char* what;
  std::function<Tensor(const Tensor&)> f;
  double x;
  double y;
  double gx;
};

// Checks every element, in every lane of a register.
void expect_limit(const Limit& limit, DType dtype) {
  SCOPED_TRACE(detail::concat(limit.what, " at ", limit.x, " ", dtype));
  for (const bool create_graph : {false, true}) {
    const Tensor x = full({37}, limit.x, {.dtype = dtype, .requires_grad = true});
    const Tensor y = limit.f(x);
    for (const double value : y.to_vector<double>()) {
      EXPECT_TRUE(same_number(value, limit.y)) << value << " instead of " << limit.y;
    }
    const Tensor gx = grad({y}, {x}, {ones({37}, {.dtype = dtype})}, {.create_graph = create_graph})[0];
    for (const double value : gx.to_vector<double>()) {
      EXPECT_TRUE(same_number(value, limit.gx)) << value << " instead of " << limit.gx << " recorded " << create_graph;
    }
  }
}

TEST(ExtremesTest, FunctionsOfOneNumber) {
  const auto softplus_of = [](const Tensor& x) { return softplus(x); };
  const Limit limits[] = {
      {"silu", [](auto& x) { return silu(x); }, -kInf, 0, 0},
      {"silu", [](auto& x) { return silu(x); }, kInf, kInf, 1},
      {"silu", [](auto& x) { return silu(x); }, kNan, kNan, kNan},
      {"silu", [](auto& x) { return silu(x); }, -1e30, 0, 0},
      {"gelu", [](auto& x) { return gelu(x); }, -kInf, 0, 0},
      {"gelu", [](auto& x) { return gelu(x); }, kInf, kInf, 1},
      {"gelu", [](auto& x) { return gelu(x); }, kNan, kNan, kNan},
      {"sigmoid", [](auto& x) { return sigmoid(x); }, -kInf, 0, 0},
      {"sigmoid", [](auto& x) { return sigmoid(x); }, kInf, 1, 0},
      {"tanh", [](auto& x) { return tanh(x); }, -kInf, -1, 0},
      {"tanh", [](auto& x) { return tanh(x); }, kInf, 1, 0},
      {"relu", [](auto& x) { return relu(x); }, -kInf, 0, 0},
      {"relu", [](auto& x) { return relu(x); }, kInf, kInf, 1},
      {"leaky_relu", [](auto& x) { return leaky_relu(x, 0.0); }, -kInf, 0, 0},
      {"leaky_relu", [](auto& x) { return leaky_relu(x, 0.5); }, -kInf, -kInf, 0.5},
      {"elu", [](auto& x) { return elu(x); }, -kInf, -1, 0},
      {"elu", [](auto& x) { return elu(x); }, kInf, kInf, 1},
      {"softplus", softplus_of, -kInf, 0, 0},
      {"softplus", softplus_of, kInf, kInf, 1},
      {"erf", [](auto& x) { return erf(x); }, kInf, 1, 0},
      {"exp", [](auto& x) { return exp(x); }, -kInf, 0, 0},
      {"log", [](auto& x) { return log(x); }, kInf, kInf, 0},
      {"log", [](auto& x) { return log(x); }, 0, -kInf, kInf},
      {"sqrt", [](auto& x) { return sqrt(x); }, kInf, kInf, 0},
      {"rsqrt", [](auto& x) { return rsqrt(x); }, kInf, 0, 0},
      {"abs", [](auto& x) { return abs(x); }, -kInf, kInf, -1},
      {"clamp", [](auto& x) { return clamp(x, -1, 1); }, -kInf, -1, 0},
      {"clamp", [](auto& x) { return clamp(x, -1, 1); }, -1, -1, 1},
      {"clamp", [](auto& x) { return clamp(x, -1, 1); }, 1, 1, 1},
      {"pow", [](auto& x) { return pow(x, zeros_like(x)); }, 0, 1, 0},
      {"pow", [](auto& x) { return pow(x, 2.0); }, 0, 0, 0},
      {"pow", [](auto& x) { return pow(x, 0.0); }, 0, 1, 0},
      {"pow", [](auto& x) { return pow(x, 0.0); }, kInf, 1, 0},
      {"pow", [](auto& x) { return pow(x, 1.0); }, 0, 0, 1},
      {"pow", [](auto& x) { return pow(x, 0.5); }, 0, 0, kInf},
      {"pow", [](auto& x) { return pow(x, -1.0); }, kInf, 0, 0},
      {"pow", [](auto& x) { return pow(full_like(x, 2), x); }, -kInf, 0, 0},
  };
  for (const Limit& limit : limits) {
    expect_limit(limit, kFloat32);
    expect_limit(limit, kFloat64);
  }
}

TEST(ExtremesTest, PowersOfTensorsByTheirExponents) {
  const auto power_of = [](double base) { return [base](const Tensor& b) { return pow(full_like(b, base), b); }; };
  for (const DType dtype : {kFloat32, kFloat64}) {
    expect_limit({"0^b", power_of(0), 2, 0, 0}, dtype);
    expect_limit({"0^b", power_of(0), 0, 1, 0}, dtype);
    expect_limit({"0^b", power_of(0), -1, kInf, -kInf}, dtype);
    expect_limit({"inf^b", power_of(kInf), -1, 0, 0}, dtype);
    expect_limit({"inf^b", power_of(kInf), 2, kInf, kInf}, dtype);
  }
}

// Dropped elements are 0 for every input.
TEST(ExtremesTest, DroppedElementsAreZero) {
  Generator generator(1);
  for (const double value : dropout(full({1000}, kInf), 0.5, true, &generator).to_vector<double>()) {
    EXPECT_TRUE(value == 0.0 || value == kInf) << value;
  }
}

TEST(ExtremesTest, MasksPassNothingOnBelowWhatTheyHide) {
  const Tensor x = tensor({-1, 4}, {.dtype = kFloat64}).requires_grad_();
  const Tensor y = where(gt(x, 0.0), sqrt(clamp(x, 0.0, {})), zeros({}, {.dtype = kFloat64}));
  EXPECT_THAT(y.to_vector<double>(), ElementsAre(0, 2));
  const Tensor hidden = where(tensor({true, false}, {.dtype = kBool}), full({2}, kInf, {.dtype = kFloat64}), x);
  EXPECT_THAT(grad({hidden.sum()}, {x})[0].to_vector<double>(), ElementsAre(0, 1));
}

struct LossLimit {
  const char* what;
  std::function<Tensor(const Tensor& x, const Tensor& target)> f;
  std::vector<double> x;
  std::vector<double> target;
  std::vector<double> losses;
  std::vector<double> gx;
};

void expect_numbers(const Tensor& got, const std::vector<double>& expected, double tolerance) {
  const std::vector<double> values = got.to_vector<double>();
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_TRUE(same_number(values[i], expected[i]) || std::abs(values[i] - expected[i]) <= tolerance)
        << values[i] << " instead of " << expected[i] << " at " << i;
  }
}

TEST(ExtremesTest, ElementwiseLosses) {
  const auto bce = [](auto& x, auto& t) {
    return binary_cross_entropy_with_logits(x, t, {.reduction = Reduction::none});
  };
  const auto weighted_bce = [](auto& x, auto& t) {
    const Tensor weight = tensor({0.0, 1, 0, 1}).to(x.dtype());
    return binary_cross_entropy_with_logits(
        x, t, {.weight = weight, .pos_weight = full({}, 3, {.dtype = x.dtype()}), .reduction = Reduction::none});
  };
  const auto kl = [](auto& x, auto& t) { return kl_div(x, t, {.reduction = Reduction::none}); };
  const auto log_kl = [](auto& x, auto& t) { return kl_div(x, t, {.log_target = true, .reduction = Reduction::none}); };
  const double half = 0.5;
  const LossLimit limits[] = {
      {"bce", bce, {kInf, -kInf, kInf, -kInf}, {1, 0, 0, 1}, {0, 0, kInf, kInf}, {0, 0, 1, -1}},
      {"bce, soft targets",
       bce,
       {kInf, -kInf, kNan, 0},
       {half, half, 1, 0},
       {kInf, kInf, kNan, std::log(2.0)},
       {half, -half, kNan, half}},
      {"bce with weights", weighted_bce, {-kInf, -kInf, kInf, kInf}, {1, 1, 0, 1}, {0, kInf, 0, 0}, {0, -3, 0, 0}},
      {"kl_div", kl, {-kInf, -kInf, -1, 0}, {0, half, 0, 1}, {0, kInf, 0, 0}, {0, -half, 0, -1}},
      {"kl_div of logarithms", log_kl, {-kInf, -1, 0, -kInf}, {-kInf, -kInf, 0, 0}, {0, 0, 0, kInf}, {0, 0, -1, -1}},
      {"mse_loss",
       [](auto& x, auto& t) { return mse_loss(x, t, {.reduction = Reduction::none}); },
       {kInf, -kInf},
       {0, 0},
       {kInf, kInf},
       {kInf, -kInf}},
      {"l1_loss",
       [](auto& x, auto& t) { return l1_loss(x, t, {.reduction = Reduction::none}); },
       {kInf, -kInf, 0},
       {0, 0, 0},
       {kInf, kInf, 0},
       {1, -1, 0}},
      {"smooth_l1_loss",
       [](auto& x, auto& t) { return smooth_l1_loss(x, t, {.reduction = Reduction::none}); },
       {kInf, -kInf, 0, half},
       {0, 0, 0, 0},
       {kInf, kInf, 0, 0.125},
       {1, -1, 0, half}},
      {"huber_loss",
       [](auto& x, auto& t) { return huber_loss(x, t, {.delta = 2, .reduction = Reduction::none}); },
       {kInf, -kInf, 0, 1},
       {0, 0, 0, 0},
       {kInf, kInf, 0, half},
       {2, -2, 0, 1}},
  };
  for (const LossLimit& limit : limits) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      SCOPED_TRACE(detail::concat(limit.what, " ", dtype));
      const auto count = static_cast<std::int64_t>(limit.x.size());
      const Tensor x = from_vector(limit.x, {count}).to(dtype).requires_grad_();
      const Tensor t = from_vector(limit.target, {count}).to(dtype);
      const Tensor losses = limit.f(x, t);
      const double tolerance = dtype == kFloat32 ? 1e-7 : 1e-15;
      expect_numbers(losses, limit.losses, tolerance);
      const Tensor gy = ones_like(losses);
      expect_numbers(grad({losses}, {x}, {gy}, {.retain_graph = true})[0], limit.gx, tolerance);
      expect_numbers(grad({losses}, {x}, {gy}, {.create_graph = true})[0], limit.gx, tolerance);
    }
  }
}

// 0 log(0) contributes 0, also to the gradient of the target.
TEST(ExtremesTest, GradientsOfTargetsAreFinite) {
  const Tensor x = tensor({-kInf, 0, 1}, {.dtype = kFloat64});
  const Tensor teacher = tensor({-kInf, 2, 1}, {.dtype = kFloat64}).requires_grad_();
  const Tensor loss = cross_entropy(x, softmax(teacher, 0));
  EXPECT_TRUE(std::isfinite(loss.item()));
  for (const double g : grad({loss}, {teacher})[0].to_vector<double>()) {
    EXPECT_TRUE(std::isfinite(g)) << g;
  }
  const Tensor log_target = tensor({-kInf, 0.0}, {.dtype = kFloat64}).requires_grad_();
  const Tensor divergence = kl_div(tensor({-kInf, -1}, {.dtype = kFloat64}), log_target, {.log_target = true});
  EXPECT_EQ(divergence.item(), 0.5);
  EXPECT_THAT(grad({divergence}, {log_target})[0].to_vector<double>(), ElementsAre(0, 1));
  const Tensor t = tensor({1, 0}, {.dtype = kFloat64}).requires_grad_();
  const Tensor bce = binary_cross_entropy_with_logits(tensor({kInf, -kInf}, {.dtype = kFloat64}), t);
  EXPECT_EQ(bce.item(), 0.0);
  EXPECT_THAT(grad({bce}, {t})[0].to_vector<double>(), Each(testing::Eq(0.0)));
}

struct ClassLimit {
  const char* what;
  std::vector<double> x;
  std::vector<double> target;  // a single number is an index
  std::vector<double> weight;
  double smoothing;
  double loss;
  std::vector<double> gx;
};

TEST(ExtremesTest, CrossEntropyOfClassesThatCannotBe) {
  const double p1 = 1.0 / (1.0 + std::exp(1.0));  // softmax of {-inf, 0, 1}
  const double p2 = 1.0 - p1;
  const double h = -std::log(p1);
  const double h2 = -std::log(p2);
  const double third = 1.0 / 3.0;
  const ClassLimit limits[] = {
      {"probabilities", {-kInf, 0, 1}, {0, 1, 0}, {}, 0.0, h, {0, p1 - 1, p2}},
      {"probabilities for it", {-kInf, 0, 1}, {1, 0, 0}, {}, 0.0, kInf, {-1, p1, p2}},
      {"probabilities, weight 0", {-kInf, 0, 1}, {0.5, 0.5, 0}, {0, 2, 1}, 0.0, h, {0, p1 - 1, p2}},
      {"probabilities, smoothed",
       {-kInf, 0, 1},
       {0, 1, 0},
       {0, 1, 1},
       0.3,
       0.8 * h + 0.1 * h2,
       {0, 0.9 * p1 - 0.8, 0.9 * p2 - 0.1}},
      {"probabilities, smoothed, none without weight",
       {-kInf, 0, 1},
       {0, 1, 0},
       {},
       0.3,
       kInf,
       {-0.1, p1 - 0.8, p2 - 0.1}},
      {"index", {-kInf, 0, 1}, {1}, {}, 0.0, h, {0, p1 - 1, p2}},
      {"index of it", {-kInf, 0, 1}, {0}, {}, 0.0, kInf, {-1, p1, p2}},
      {"index of it, weight 0", {-kInf, 0, 1}, {0}, {0, 1, 1}, 0.0, 0, {0, 0, 0}},
      {"index, smoothed, weight 0",
       {-kInf, 0, 1},
       {1},
       {0, 1, 1},
       0.3,
       0.8 * h + 0.1 * h2,
       {0, 0.9 * p1 - 0.8, 0.9 * p2 - 0.1}},
      {"index of it, all smoothed, weight 0",
       {-kInf, 0, 1},
       {0},
       {0, 1, 1},
       1.0,
       third * (h + h2),
       {0, 2 * third * p1 - third, 2 * third * p2 - third}},
      {"NaN stays", {kNan, 0, 1}, {0}, {0, 1, 1}, 0.0, kNan, {kNan, kNan, kNan}},
  };
  for (const ClassLimit& limit : limits) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      SCOPED_TRACE(detail::concat(limit.what, " ", dtype));
      const Tensor x = from_vector(limit.x, {1, 3}).to(dtype).requires_grad_();
      const Tensor t = limit.target.size() == 1 ? from_vector(limit.target, {1}).to(kInt64)
                                                : from_vector(limit.target, {1, 3}).to(dtype);
      const Tensor weight = limit.weight.empty() ? Tensor() : from_vector(limit.weight, {3}).to(dtype);
      const Tensor loss =
          cross_entropy(x, t, {.weight = weight, .reduction = Reduction::sum, .label_smoothing = limit.smoothing});
      const double tolerance = dtype == kFloat32 ? 3e-7 : 1e-15;
      expect_numbers(loss, {limit.loss}, tolerance);
      if (std::isnan(limit.loss)) {
        continue;
      }
      expect_numbers(grad({loss}, {x}, {}, {.retain_graph = true})[0], limit.gx, tolerance);
      expect_numbers(grad({loss}, {x}, {}, {.create_graph = true})[0], limit.gx, tolerance);
    }
  }
}

TEST(ExtremesTest, NllLossOfAClassWithoutWeight) {
  const Tensor x = tensor({{-kInf, -1}, {-1, -kInf}}, {.dtype = kFloat64}).requires_grad_();
  const Tensor t = tensor({0, 0}, {.dtype = kInt64});
  const Tensor loss = nll_loss(x, t, {.weight = tensor({0, 1}, {.dtype = kFloat64}), .reduction = Reduction::sum});
  EXPECT_EQ(loss.item(), 0.0);
  EXPECT_THAT(grad({loss}, {x})[0].to_vector<double>(), Each(testing::Eq(0.0)));
  EXPECT_EQ(nll_loss(x, t, {.reduction = Reduction::sum}).item(), kInf);
}

TEST(ExtremesTest, SoftmaxOfWhatCannotBe) {
  const Tensor x = tensor({{-kInf, 0, 0}, {-kInf, 5, -kInf}}, {.dtype = kFloat64}).requires_grad_();
  EXPECT_THAT(softmax(x, 1).to_vector<double>(), ElementsAre(0, 0.5, 0.5, 0, 1, 0));
  const double half = std::log(0.5);
  const Tensor logs = log_softmax(x, 1);
  EXPECT_THAT(logs.to_vector<double>(), ElementsAre(-kInf, half, half, -kInf, 0, -kInf));
  for (const bool create_graph : {false, true}) {
    const Tensor gy = tensor({{0, 1, 0}, {0, 1, 0}}, {.dtype = kFloat64});
    const auto gx = grad({log_softmax(x, 1)}, {x}, {gy}, {.create_graph = create_graph})[0].to_vector<double>();
    EXPECT_THAT(gx, ElementsAre(0, testing::DoubleEq(0.5), testing::DoubleEq(-0.5), 0, 0, 0));
    const auto shares =
        grad({logsumexp(x, 1)}, {x}, {ones({2}, {.dtype = kFloat64})}, {.create_graph = create_graph})[0]
            .to_vector<double>();
    EXPECT_THAT(shares, ElementsAre(0, testing::DoubleEq(0.5), testing::DoubleEq(0.5), 0, 1, 0));
  }
}

// 5 * (1 / 3) is another float32 than 5 / 3. Along the last axis a kernel computes it, elsewhere operations do.
TEST(ExtremesTest, EqualElementsShareTheGradientByDivision) {
  for (const bool create_graph : {false, true}) {
    for (const std::int64_t axis : {0, 1}) {
      Tensor x = full({3, 3}, 2.0, {.dtype = kFloat32});
      x.requires_grad_(true);
      const Tensor y = max(x, {axis});
      const Tensor gx = grad({y}, {x}, {full({3}, 5.0, {.dtype = kFloat32})}, {.create_graph = create_graph})[0];
      EXPECT_THAT(gx.to_vector<float>(), testing::Each(5.0F / 3.0F)) << axis << create_graph;
    }
  }
}

TEST(ExtremesTest, LogsumexpOfInfinities) {
  const Tensor x = tensor({{-kInf, -kInf}, {kInf, 1}, {1, 1}}, {.dtype = kFloat64}).requires_grad_();
  const Tensor y = logsumexp(x, 1);
  EXPECT_THAT(y.to_vector<double>(), ElementsAre(-kInf, kInf, testing::DoubleEq(1 + std::log(2.0))));
  const Tensor gx = grad({y}, {x}, {ones({3}, {.dtype = kFloat64})})[0];
  EXPECT_THAT(gx.to_vector<double>(), ElementsAre(0, 0, 1, 0, testing::DoubleEq(0.5), testing::DoubleEq(0.5)));
}

// Products that overflow or underflow cannot be divided; both backwards multiply the other factors.
TEST(ExtremesTest, ProductsOutOfRange) {
  for (const std::vector<double>& values :
       {std::vector<double>{kInf, 2, 3}, {1e200, 1e200, 1e-300}, {1e-200, 1e-200, 1e300}, {0, 2, 3}, {kNan, 2, 3}}) {
    const Tensor x = from_vector(values, {3}).requires_grad_();
    for (const bool create_graph : {false, true}) {
      const auto gx = grad({prod(x)}, {x}, {}, {.create_graph = create_graph})[0].to_vector<double>();
      for (std::size_t i = 0; i < 3; ++i) {
        double others = 1.0;
        for (std::size_t j = 0; j < 3; ++j) {
          others *= j == i ? 1.0 : values[j];
        }
        EXPECT_TRUE(same_number(gx[i], others) || std::abs(gx[i] - others) <= 1e-14 * std::abs(others))
            << gx[i] << " instead of " << others << " recorded " << create_graph;
      }
    }
  }
}

// --- the limits of the valid range

TEST(ExtremesTest, AnIndexAtEitherEndIsOutOfRange) {
  const Tensor x = zeros({1, 3});
  for (const std::int64_t wrong : {std::int64_t{3}, std::int64_t{-1}}) {
    const Tensor index = full({1}, wrong, {.dtype = kInt64});
    EXPECT_THROW(cross_entropy(x, index), IndexError);
    EXPECT_THROW(nll_loss(x, index), IndexError);
    EXPECT_THROW(embedding(index, zeros({3, 2})), IndexError);
  }
  for (const std::int64_t wrong : {std::int64_t{3}, std::int64_t{-4}}) {  // -3 is the first
    const Tensor index = full({1}, wrong, {.dtype = kInt64});
    EXPECT_THROW(gather(x, 1, index.view({1, 1})), IndexError);
    EXPECT_THROW(index_select(x, 1, index), IndexError);
  }
  EXPECT_EQ(gather(x, 1, full({1, 1}, 2, {.dtype = kInt64})).numel(), 1);
}

TEST(ExtremesTest, APaddingIndexCountsFromTheEnd) {
  const Tensor weight = ones({3, 1}, {.requires_grad = true});
  const Tensor y = embedding(tensor({0, 2, 2}, {.dtype = kInt64}), weight, -1);
  EXPECT_THAT(grad({y.sum()}, {weight})[0].to_vector<float>(), ElementsAre(1, 0, 0));
}

TEST(ExtremesTest, EveryRandomNumberAndOrderOccurs) {
  Generator generator(7);
  std::set<std::int64_t> numbers;
  for (const std::int64_t number : randint(-1, 2, {100}, {.dtype = kInt64}, &generator).to_vector<std::int64_t>()) {
    numbers.insert(number);
  }
  EXPECT_THAT(numbers, ElementsAre(-1, 0, 1));
  std::set<std::vector<std::int64_t>> orders;
  for (int i = 0; i < 100; ++i) {
    orders.insert(randperm(3, &generator).to_vector<std::int64_t>());
  }
  EXPECT_EQ(orders.size(), 6U);
}

// --- several NaNs at once

TEST(ExtremesTest, ReductionsKeepNaNWhereverItLies) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const std::int64_t n : {2, 7, 16, 33, 100, 70000}) {
      for (const std::int64_t first : {std::int64_t{0}, n / 2, n - 1}) {
        Tensor x = arange(0, n, 1, {.dtype = kFloat64});
        for (std::int64_t i = first; i < n; i += std::max<std::int64_t>(1, n / 5)) {
          x.mutable_data<double>()[i] = kNan;
        }
        const Tensor all = x.to(dtype);
        EXPECT_TRUE(std::isnan(max(all).item())) << n << " " << first;
        EXPECT_TRUE(std::isnan(min(all).item())) << n << " " << first;
        EXPECT_TRUE(std::isnan(max(all.view({n, 1}), 0).item())) << n << " " << first;
        EXPECT_EQ(argmax(all).item<std::int64_t>(), first) << n;
        EXPECT_EQ(argmin(all).item<std::int64_t>(), first) << n;
      }
    }
  }
}

TEST(ExtremesTest, NaNInARowLeavesTheOthersAlone) {
  const Tensor x = tensor({{kNan, 1, kNan}, {3, 3, 1}}, {.dtype = kFloat64}).requires_grad_();
  const Tensor y = max(x, 1);
  EXPECT_TRUE(std::isnan(y[0].item()));
  const auto gx = grad({y}, {x}, {ones({2}, {.dtype = kFloat64})})[0].to_vector<double>();
  EXPECT_THAT(std::vector<double>(gx.begin() + 3, gx.end()), ElementsAre(0.5, 0.5, 0));
  EXPECT_THAT(argmax(x, 1).to_vector<std::int64_t>(), ElementsAre(0, 0));
  EXPECT_THAT(argmin(x, 1).to_vector<std::int64_t>(), ElementsAre(0, 2));
  for (const std::int64_t n : {1, 37}) {  // single numbers, and whole registers
    const Tensor nans = full({n}, kNan);
    for (const Tensor& result : {maximum(nans, ones({n})), maximum(ones({n}), nans), minimum(nans, ones({n})),
                                 minimum(ones({n}), nans), maximum(nans, nans)}) {
      for (const double value : result.to_vector<double>()) {
        EXPECT_TRUE(std::isnan(value));
      }
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
