// Activation functions made of pieces, smooth ones and gates.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/gated.hpp"
#include "normgrad/core/ops/elementwise/piecewise.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::kInf;
using tests::kNan;
using tests::numbers;
using tests::Numbers;
using tests::random_tensor;

double logistic(double v) { return 1.0 / (1.0 + std::exp(-v)); }

struct Activation {
  const char* name;
  std::function<Tensor(const Tensor&)> f;
  std::function<double(double)> definition;
  double at_minus_infinity;
  double at_infinity;
};

std::vector<Activation> activations() {
  return {
      {"hardtanh", [](const Tensor& x) { return hardtanh(x); }, [](double v) { return std::fmin(1, std::fmax(-1, v)); },
       -1, 1},
      {"hardtanh", [](const Tensor& x) { return hardtanh(x, -0.5, 2.0); },
       [](double v) { return std::fmin(2, std::fmax(-0.5, v)); }, -0.5, 2},
      {"relu6", relu6, [](double v) { return std::fmin(6, std::fmax(0, v)); }, 0, 6},
      {"hardsigmoid", hardsigmoid, [](double v) { return std::fmin(6, std::fmax(0, v + 3)) / 6; }, 0, 1},
      {"hardswish", hardswish, [](double v) { return v * std::fmin(6, std::fmax(0, v + 3)) / 6; }, 0, kInf},
      {"hardshrink", [](const Tensor& x) { return hardshrink(x); }, [](double v) { return std::abs(v) <= 0.5 ? 0 : v; },
       -kInf, kInf},
      {"softshrink", [](const Tensor& x) { return softshrink(x, 0.75); },
       [](double v) { return v > 0.75    ? v - 0.75
                             : v < -0.75 ? v + 0.75
                                         : 0; }, -kInf, kInf},
      {"threshold", [](const Tensor& x) { return threshold(x, 0.1, 20.0); }, [](double v) { return v > 0.1 ? v : 20; },
       20, kInf},
      {"rrelu", [](const Tensor& x) { return rrelu(x, 0.25, 0.75); }, [](double v) { return v > 0 ? v : 0.5 * v; },
       -kInf, kInf},
      {"mish", mish, [](double v) { return v * std::tanh(std::log1p(std::exp(v))); }, 0, kInf},
      {"celu", [](const Tensor& x) { return celu(x, 2.0); }, [](double v) { return v > 0 ? v : 2 * std::expm1(v / 2); },
       -2, kInf},
      {"logsigmoid", logsigmoid, [](double v) { return std::log(logistic(v)); }, -kInf, 0},
      {"softsign", softsign, [](double v) { return v / (1 + std::abs(v)); }, kNan, kNan},
      {"tanhshrink", tanhshrink, [](double v) { return v - std::tanh(v); }, -kInf, kInf},
  };
}

TEST(PiecewiseTest, Values) {
  for (const Activation& activation : activations()) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Tensor x = mul(random_tensor({5, 40}, dtype, 4), 3.0);
      const Numbers in = numbers(x);
      const Numbers y = numbers(activation.f(x));
      for (std::size_t i = 0; i < in.size(); ++i) {
        EXPECT_NEAR(y[i], activation.definition(in[i]), dtype == kFloat32 ? 2e-6 : 1e-14) << activation.name << in[i];
      }
      const Numbers ends = numbers(activation.f(tensor({-kInf, kInf, kNan}, {.dtype = dtype})));
      if (activation.at_infinity == activation.at_infinity) {
        EXPECT_EQ(ends[0], activation.at_minus_infinity) << activation.name;
        EXPECT_EQ(ends[1], activation.at_infinity) << activation.name;
      }
      EXPECT_TRUE(std::isnan(ends[2])) << activation.name;
      EXPECT_EQ(activation.f(zeros({0, 3}, {.dtype = dtype})).shape(), (Shape{0, 3}));
      EXPECT_EQ(activation.f(tensor(0.25, {.dtype = dtype})).shape(), Shape{});
    }
    EXPECT_EQ(error_of<DTypeError>([&] { activation.f(arange(3)); }),
              std::string(std::string(activation.name) == "rrelu" ? "rrelu" : activation.name) +
                  ": expected a float32 or float64 tensor but got int64");
  }
}

// At a joint the derivative is that of PyTorch: 0 at the limits of hardtanh, 0 of the shrinking functions.
TEST(PiecewiseTest, JointsAndInfinities) {
  const auto gradient = [](const std::function<Tensor(const Tensor&)>& f, const Numbers& at) {
    Tensor x = from_vector(at, {static_cast<std::int64_t>(at.size())});
    x.requires_grad_();
    f(x).sum().backward();
    return numbers(x.grad());
  };
  EXPECT_EQ(gradient([](const Tensor& x) { return hardtanh(x); }, {-1, 0, 1}), (Numbers{0, 1, 0}));
  EXPECT_EQ(gradient(relu6, {0, 3, 6}), (Numbers{0, 1, 0}));
  EXPECT_EQ(gradient([](const Tensor& x) { return hardshrink(x); }, {-0.5, 0.5, 1}), (Numbers{0, 0, 1}));
  EXPECT_EQ(gradient([](const Tensor& x) { return softshrink(x); }, {-0.5, 0.5, 1}), (Numbers{0, 0, 1}));
  EXPECT_EQ(gradient([](const Tensor& x) { return threshold(x, 1, 5); }, {1, 2}), (Numbers{0, 1}));
  EXPECT_EQ(gradient(hardswish, {-kInf, kInf}), (Numbers{0, 1}));
  EXPECT_EQ(gradient(mish, {-kInf, kInf}), (Numbers{0, 1}));
  EXPECT_EQ(gradient(logsigmoid, {-kInf, kInf}), (Numbers{1, 0}));
  EXPECT_EQ(gradient([](const Tensor& x) { return celu(x); }, {-kInf, kInf}), (Numbers{0, 1}));
}

TEST(PiecewiseTest, Prelu) {
  const Tensor x = random_tensor({2, 3, 4}, kFloat64, 5);
  const Tensor weight = tensor({0.5, 0.0, -2.0}, {.dtype = kFloat64});
  const Numbers in = numbers(x);
  const Numbers y = numbers(prelu(x, weight));
  const Numbers one = numbers(prelu(x, tensor({0.5}, {.dtype = kFloat64})));
  for (std::size_t i = 0; i < in.size(); ++i) {
    EXPECT_EQ(y[i], in[i] > 0 ? in[i] : Numbers({0.5, 0.0, -2.0})[i / 4 % 3] * in[i]);
    EXPECT_EQ(one[i], in[i] > 0 ? in[i] : 0.5 * in[i]);
  }
  EXPECT_EQ(numbers(prelu(tensor({-1.0, -2.0}), tensor({2.0, 3.0}))), (Numbers{-2, -6}));
  EXPECT_EQ(prelu(tensor(-1.0), tensor({2.0})).item(), -2.0);
  EXPECT_EQ(error_of<ShapeError>([&] {
              prelu(zeros({2, 3}), zeros({2}));
            }),
            "prelu: expected a weight of 1 or 3 elements for [2, 3] but got [2]");
  EXPECT_EQ(error_of<DTypeError>([&] {
              prelu(zeros({2, 3}), weight);
            }),
            "prelu: expected operands of the same dtype but got float32 and float64; convert one of them with to()");
}

TEST(PiecewiseTest, RandomSlopes) {
  Generator generator(3);
  const Tensor x = full({4000}, -1.0);
  const Numbers y = numbers(rrelu(x, 0.25, 0.75, true, &generator));
  double sum_of_slopes = 0.0;
  for (const double v : y) {
    EXPECT_TRUE(-v >= 0.25 && -v < 0.75) << v;
    sum_of_slopes -= v;
  }
  EXPECT_NEAR(sum_of_slopes / 4000, 0.5, 0.01);  // 0.144 / sqrt(4000) is 0.002
  EXPECT_EQ(numbers(rrelu(tensor({2.0, 0.0}), 0.25, 0.75, true, &generator)), (Numbers{2, 0}));
}

TEST(PiecewiseTest, Gates) {
  const Tensor x = random_tensor({3, 4, 2}, kFloat64, 6);
  const Numbers in = numbers(x);
  const Numbers g = numbers(glu(x, 1));
  const Numbers s = numbers(swiglu(x, 1));
  const Numbers e = numbers(geglu(x, -2));
  ASSERT_EQ(glu(x, 1).shape(), (Shape{3, 2, 2}));
  for (std::size_t i = 0; i < 12; ++i) {
    const double a = in[i / 4 * 8 + i % 4];
    const double b = in[i / 4 * 8 + 4 + i % 4];
    EXPECT_NEAR(g[i], a * logistic(b), 1e-15);
    EXPECT_NEAR(s[i], a * logistic(a) * b, 1e-14);
    EXPECT_NEAR(e[i], 0.5 * a * std::erfc(-a / std::sqrt(2.0)) * b, 1e-14);
  }
  EXPECT_EQ(numbers(softmin(tensor({0.0, std::log(3.0)}, {.dtype = kFloat64}), 0)), (Numbers{0.75, 0.25}));
  EXPECT_EQ(error_of<ShapeError>([&] {
              swiglu(zeros({2, 3}));
            }),
            "swiglu: expected an even size of axis -1 but got [2, 3]");
  EXPECT_EQ(error_of<IndexError>([&] { glu(zeros({2}), 1); }), "glu: expected an axis in [-1, 0] but got 1");
}

TEST(PiecewiseTest, Errors) {
  const Tensor x = zeros({2});
  EXPECT_EQ(error_of<ValueError>([&] { hardtanh(x, 1, 1); }), "hardtanh: expected min_val < max_val but got 1 and 1");
  EXPECT_EQ(error_of<ValueError>([&] { hardshrink(x, -1); }), "hardshrink: expected lambd >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { softshrink(x, kNan); }), "softshrink: expected lambd >= 0 but got nan");
  EXPECT_EQ(error_of<ValueError>([&] { celu(x, 0); }), "celu: expected alpha other than 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { rrelu(x, 0.5, 0.25); }), "rrelu: expected lower <= upper but got 0.5 and 0.25");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
