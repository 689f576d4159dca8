// Functions of the C library on tensors, rounding, remainders.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/rounding.hpp"
#include "normgrad/core/ops/elementwise/special.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::kInf;
using tests::kNan;
using tests::numbers;
using tests::Numbers;
using tests::random_tensor;
using Inputs = std::vector<Tensor>;

constexpr double kPi = std::numbers::pi;

struct Function {
  const char* name;
  Tensor (*f)(const Tensor&);
  double (*reference)(double);
  double low, high;
};

const std::vector<Function> kFunctions = {
    {"floor", floor, std::floor, -9, 9},
    {"ceil", ceil, std::ceil, -9, 9},
    {"trunc", trunc, std::trunc, -9, 9},
    {"round", [](const Tensor& x) { return round(x); }, std::nearbyint, -9, 9},
    {"frac", frac, [](double v) { return v - std::trunc(v); }, -9, 9},
    {"reciprocal", reciprocal, [](double v) { return 1 / v; }, 0.1, 5},
    {"log1p", log1p, std::log1p, -0.9, 5},
    {"expm1", expm1, std::expm1, -5, 5},
    {"log2", log2, std::log2, 0.1, 9},
    {"log10", log10, std::log10, 0.1, 9},
    {"exp2", exp2, std::exp2, -5, 5},
    {"tan", tan, std::tan, -1.4, 1.4},
    {"asin", asin, std::asin, -1, 1},
    {"acos", acos, std::acos, -1, 1},
    {"atan", atan, std::atan, -9, 9},
    {"sinh", sinh, std::sinh, -3, 3},
    {"cosh", cosh, std::cosh, -3, 3},
    {"asinh", asinh, std::asinh, -9, 9},
    {"acosh", acosh, std::acosh, 1, 9},
    {"atanh", atanh, std::atanh, -0.95, 0.95},
    {"lgamma", lgamma, std::lgamma, 0.1, 9},
};

TEST(SpecialTest, ValuesInBothPrecisions) {
  Generator generator(3);
  for (const Function& function : kFunctions) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Tensor x = rand({3, 11}, {.dtype = dtype}, &generator) * (function.high - function.low) + function.low;
      const Numbers in = numbers(x);
      const Numbers y = numbers(function.f(x));
      EXPECT_EQ(function.f(x).dtype(), dtype);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double expected = function.reference(in[i]);
        EXPECT_NEAR(y[i], expected, (dtype == kFloat32 ? 1e-6 : 1e-14) * std::max(1.0, std::abs(expected)))
            << function.name << " at " << in[i];
      }
      EXPECT_TRUE(std::isnan(function.f(full({}, kNan, {.dtype = dtype})).item())) << function.name;
      EXPECT_EQ(function.f(zeros({0, 2}, {.dtype = dtype})).shape(), (Shape{0, 2}));
    }
    EXPECT_EQ(error_of<DTypeError>([&] { function.f(zeros({2}).to(kBool)); }),
              std::string(function.name) + ": expected a float32 or float64 tensor but got bool");
  }
}

TEST(SpecialTest, SmallArgumentsKeepTheirDigits) {
  EXPECT_DOUBLE_EQ(log1p(tensor(1e-20, {.dtype = kFloat64})).item(), 1e-20);
  EXPECT_DOUBLE_EQ(expm1(tensor(1e-20, {.dtype = kFloat64})).item(), 1e-20);
}

// psi(1) = -gamma, psi(1/2) = -gamma - 2 log 2, psi(1/4) = -gamma - pi/2 - 3 log 2, and psi(x + 1) = psi(x) + 1/x.
TEST(SpecialTest, Digamma) {
  constexpr double kGamma = std::numbers::egamma;
  const double log2_of_e = std::log(2.0);
  const Tensor x = tensor({1.0, 0.5, 0.25, 10.0, -0.5, -1.5}, {.dtype = kFloat64});
  double psi10 = -kGamma;
  for (int k = 1; k < 10; ++k) {
    psi10 += 1.0 / k;
  }
  const double half = -kGamma - 2 * log2_of_e;
  const Numbers expected = {-kGamma, half, -kGamma - kPi / 2 - 3 * log2_of_e, psi10, half + 2, half + 2 + 2.0 / 3};
  const Numbers y = numbers(digamma(x));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(y[i], expected[i], 4e-15 * std::max(1.0, std::abs(expected[i]))) << i;
  }
  EXPECT_EQ(digamma(tensor(0.0)).item(), -kInf);
  EXPECT_EQ(digamma(tensor(-0.0)).item(), kInf);
  EXPECT_EQ(digamma(tensor(kInf)).item(), kInf);
  EXPECT_TRUE(std::isnan(digamma(tensor(-3.0)).item()));
  EXPECT_EQ(lgamma(tensor(0.0)).item(), kInf);
  EXPECT_EQ(lgamma(tensor(-2.0)).item(), kInf);
}

// psi'(1) = pi^2/6, psi'(1/2) = pi^2/2, psi''(1) = -2 zeta(3), psi'''(1) = pi^4/15, psi'(-1/2) = pi^2/2 + 4.
TEST(SpecialTest, Polygamma) {
  const auto at = [](std::int64_t n, double x) { return polygamma(n, tensor(x, {.dtype = kFloat64})).item(); };
  EXPECT_NEAR(at(1, 1.0), kPi * kPi / 6, 2e-15);
  EXPECT_NEAR(at(1, 0.5), kPi * kPi / 2, 4e-15);
  EXPECT_NEAR(at(1, -0.5), kPi * kPi / 2 + 4, 8e-15);
  EXPECT_NEAR(at(1, -1.5), kPi * kPi / 2 + 4 + 4.0 / 9, 1e-14);
  EXPECT_NEAR(at(2, 1.0), -2 * 1.2020569031595942854, 4e-15);
  EXPECT_NEAR(at(2, -0.5), -14 * 1.2020569031595942854 + 16, 4e-14);  // psi''(1/2) = -14 zeta(3)
  EXPECT_NEAR(at(3, 1.0), kPi * kPi * kPi * kPi / 15, 2e-14);
  EXPECT_NEAR(at(1, -1e6 - 0.5), kPi * kPi, 2e-6);
  EXPECT_EQ(at(1, -2.0), kInf);
  EXPECT_EQ(at(1, kInf), 0.0);
  EXPECT_TRUE(std::isnan(at(2, kNan)));
  EXPECT_EQ(error_of<ValueError>([&] { polygamma(-1, tensor(1.0)); }), "polygamma: expected n >= 0 but got -1");
  const Tensor x = tensor({0.3, -0.4, -2.3, 4.0}, {.dtype = kFloat64, .requires_grad = true});
  EXPECT_TRUE(gradients_agree([](const Inputs& in) { return lgamma(in[0]); }, {x}, 3));
}

TEST(SpecialTest, TwoTensors) {
  const Tensor a = random_tensor({2, 1, 3}, kFloat64, 1);
  const Tensor b = random_tensor({4, 1}, kFloat64, 2);
  const Numbers u = numbers(a);
  const Numbers v = numbers(b);
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor angle = atan2(a.to(dtype), b.to(dtype));
    EXPECT_EQ(angle.shape(), (Shape{2, 4, 3}));
    for (std::size_t i = 0; i < 24; ++i) {
      const double first = u[i / 12 * 3 + i % 3];
      const double second = v[i / 3 % 4];
      const double bound = dtype == kFloat32 ? 1e-6 : 1e-14;
      EXPECT_NEAR(numbers(angle)[i], std::atan2(first, second), bound);
      EXPECT_NEAR(numbers(hypot(a.to(dtype), b.to(dtype)))[i], std::hypot(first, second), bound);
    }
  }
  EXPECT_EQ(hypot(tensor(3e38), tensor(0.0)).item(), static_cast<double>(3e38F));
  Tensor zero = tensor(0.0, {.requires_grad = true});
  hypot(zero, tensor(0.0)).backward();
  EXPECT_EQ(zero.grad().item(), 0.0);
  EXPECT_EQ(error_of<DTypeError>([&] { hypot(arange(2), arange(2)); }),
            "hypot: expected a float32 or float64 tensor but got int64");
  EXPECT_EQ(error_of<ShapeError>([&] { hypot(zeros({2}), zeros({3})); }),
            "hypot: expected shapes that broadcast but got [2] and [3]; axes are compared from the last one on: add "
            "some with unsqueeze()");
}

TEST(RoundingTest, HalvesAndDecimals) {
  EXPECT_EQ(numbers(round(tensor({0.5, 1.5, 2.5, -0.5, -1.5, 2.4}))), (Numbers{0, 2, 2, 0, -2, 2}));
  EXPECT_EQ(numbers(round(tensor({1.235, -2.344}, {.dtype = kFloat64}), 2)), (Numbers{1.24, -2.34}));
  EXPECT_EQ(numbers(round(tensor({1250.0, 1350.0}), -2)), (Numbers{1200, 1400}));
  const Tensor whole = tensor({-3, 4}, {.dtype = kInt64});
  EXPECT_EQ(numbers(whole.floor()), (Numbers{-3, 4}));
  EXPECT_EQ(numbers(whole.round()), (Numbers{-3, 4}));
  whole.floor().zero_();
  whole.ceil().zero_();
  whole.round().zero_();
  whole.trunc().zero_();
  EXPECT_EQ(numbers(whole), (Numbers{-3, 4}));
  EXPECT_EQ(error_of<DTypeError>([&] { round(whole, 1); }),
            "round: expected a float32 or float64 tensor but got int64");
  Tensor x = tensor({0.7, -1.2}, {.requires_grad = true});
  x.floor().sum().backward();
  EXPECT_EQ(numbers(x.grad()), (Numbers{0, 0}));
}

TEST(RoundingTest, Remainders) {
  const Tensor a = tensor({-7.5, 7.5, -6.0, 5.0, kInf, 1.0});
  const Tensor b = tensor({2.0, -2.0, 2.0, kInf, 2.0, 0.0});
  const Numbers f = numbers(fmod(a, b));
  const Numbers r = numbers(remainder(a, b));
  EXPECT_EQ(Numbers(f.begin(), f.begin() + 4), (Numbers{-1.5, 1.5, 0, 5}));
  EXPECT_EQ(Numbers(r.begin(), r.begin() + 4), (Numbers{0.5, -0.5, 0, 5}));
  EXPECT_TRUE(std::isnan(f[4]) && std::isnan(f[5]) && std::isnan(r[4]) && std::isnan(r[5]));
  const Tensor i = tensor({-7, 7, -6}, {.dtype = kInt64});
  EXPECT_EQ(numbers(fmod(i, 3)), (Numbers{-1, 1, 0}));
  EXPECT_EQ(numbers(remainder(i, 3)), (Numbers{2, 1, 0}));
  EXPECT_EQ(numbers(remainder(i, -3)), (Numbers{-1, -2, 0}));
  EXPECT_EQ(fmod(full({}, std::numeric_limits<std::int64_t>::min(), {.dtype = kInt64}), -1).item(), 0.0);
  EXPECT_EQ(error_of<ValueError>([&] { fmod(i, 0); }),
            "fmod: expected divisors other than 0 for int64 tensors but got 0");
  EXPECT_EQ(error_of<ValueError>([&] {
              remainder(i, tensor({1, 0, 2}, {.dtype = kInt64}));
            }),
            "remainder: expected divisors other than 0 for int64 tensors but got 0");
  EXPECT_EQ(error_of<DTypeError>([&] { fmod(i > 0, i > 0); }),
            "fmod: expected a float32 or float64 tensor but got bool");
}

TEST(SpecialTest, Interpolations) {
  const Tensor a = tensor({1.0, 2.0}, {.dtype = kFloat64});
  const Tensor b = tensor({3.0, 6.0}, {.dtype = kFloat64});
  EXPECT_EQ(numbers(lerp(a, b, 0.25)), (Numbers{1.5, 3}));
  EXPECT_EQ(numbers(lerp(a, b, 1.0)), (Numbers{3, 6}));
  EXPECT_EQ(numbers(lerp(a, b, tensor({0.0, 0.75}, {.dtype = kFloat64}))), (Numbers{1, 5}));
  EXPECT_EQ(numbers(addcmul(a, b, b, 2)), (Numbers{19, 74}));
  EXPECT_EQ(numbers(addcdiv(a, b, a)), (Numbers{4, 5}));
  EXPECT_EQ(numbers(addcmul(arange(2), arange(2), arange(2), 3)), (Numbers{0, 4}));
  EXPECT_EQ(error_of<DTypeError>([&] { addcdiv(arange(2), arange(2), arange(2)); }),
            "addcdiv: expected a float32 or float64 tensor but got int64");
  EXPECT_EQ(error_of<DTypeError>([&] { lerp(a, b, tensor(0.5)); }),
            "lerp: expected operands of the same dtype but got float64 and float32; convert one of them with to()");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
