#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/raises.hpp"
#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::kInf;
using tests::kNan;
using tests::random_tensor;

// The index in a dense tensor of shape `s` of the element that broadcasts to index `at` of the result.
std::int64_t meets(const Shape& s, const Shape& result, std::int64_t at) {
  const auto strides = strides_of(s);
  std::int64_t position = 0;
  for (std::size_t i = result.rank(); i-- > 0;) {
    const std::int64_t index = at % result[i];
    at /= result[i];
    if (i + s.rank() >= result.rank()) {
      const std::size_t axis = i + s.rank() - result.rank();
      position += s[axis] == 1 ? 0 : index * strides[axis];
    }
  }
  return position;
}

struct Operation {
  const char* name;
  Tensor (*f)(const Tensor&, const Tensor&);
  double (*expected)(double, double);
};

const Operation kOperations[] = {
    {"add", add, [](double a, double b) { return a + b; }},
    {"sub", sub, [](double a, double b) { return a - b; }},
    {"mul", mul, [](double a, double b) { return a * b; }},
    {"div", div, [](double a, double b) { return a / b; }},
    {"maximum", maximum, [](double a, double b) { return a > b ? a : b; }},
    {"minimum", minimum, [](double a, double b) { return a < b ? a : b; }},
};

template <class T>
void expect_operation(const Operation& op, const Shape& sa, const Shape& sb) {
  const Tensor a = random_tensor(sa, dtype_of<T>, 1);
  const Tensor b = random_tensor(sb, dtype_of<T>, 2);
  const Tensor y = op.f(a, b);
  const Shape shape = broadcast_shapes("test", sa, sb);
  ASSERT_EQ(y.shape(), shape);
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    const T u = a.data<T>()[meets(sa, shape, i)];
    const T v = b.data<T>()[meets(sb, shape, i)];
    // one rounding: the same in float as from double
    ASSERT_EQ(y.data<T>()[i], static_cast<T>(op.expected(u, v))) << op.name << sa << sb << " at " << i;
  }
}

TEST(ArithmeticTest, BroadcastsAsANaiveLoopOnEveryInstructionSet) {
  const std::pair<Shape, Shape> shapes[] = {{{}, {}},
                                            {{3}, {}},
                                            {{}, {3}},
                                            {{60, 100}, {100}},
                                            {{100}, {60, 100}},
                                            {{7, 5}, {7, 1}},
                                            {{7, 1}, {7, 5}},
                                            {{7, 1}, {1, 33}},
                                            {{4, 3, 35}, {3, 1}},
                                            {{3, 1}, {4, 3, 35}},
                                            {{2, 3, 4, 5}, {2, 1, 4, 1}},
                                            {{2, 1, 4, 1}, {1, 3, 1, 19}},
                                            {{0, 3}, {3}},
                                            {{2, 1}, {0}},
                                            {{1, 1}, {1}},
                                            {{2, 2, 2, 2, 2, 2, 2, 2}, {2, 1, 2, 1, 2, 1, 2}}};
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    for (const Operation& op : kOperations) {
      for (const auto& [sa, sb] : shapes) {
        expect_operation<float>(op, sa, sb);
        expect_operation<double>(op, sa, sb);
      }
    }
  }
}

TEST(ArithmeticTest, EveryLengthIsComputed) {
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    for (std::int64_t n = 0; n <= 67; ++n) {
      for (const Operation& op : kOperations) {
        expect_operation<float>(op, {n}, {n});
        expect_operation<double>(op, {2, n}, {2, 1});
      }
    }
  }
}

TEST(ArithmeticTest, LargeTensorsAreTheSameWithAnyNumberOfThreads) {
  const Tensor a = random_tensor({300, 701}, kFloat32, 1);
  const Tensor row = random_tensor({701}, kFloat32, 2);
  const Tensor column = random_tensor({300, 1}, kFloat32, 3);
  const int before = get_num_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    results.push_back(gelu(exp(a) * row + sigmoid(column) / a).to_vector<float>());
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
  const std::int64_t last = a.numel() - 1;
  const double x = std::exp(static_cast<double>(a.data<float>()[last])) * row.data<float>()[700] +
                   1 / (1 + std::exp(-static_cast<double>(column.data<float>()[299]))) / a.data<float>()[last];
  EXPECT_NEAR(results[0].back(), x * 0.5 * std::erfc(-x / std::sqrt(2.0)), 1e-5 * std::abs(x));
}

TEST(ArithmeticTest, NumbersTakeTheTensorsType) {
  const Tensor x = tensor({1, 2, 4}, {.dtype = kFloat64});
  EXPECT_EQ((x + 0.5).to_vector<double>(), (std::vector<double>{1.5, 2.5, 4.5}));
  EXPECT_EQ((0.5 + x).to_vector<double>(), (std::vector<double>{1.5, 2.5, 4.5}));
  EXPECT_EQ((x - 0.5).to_vector<double>(), (std::vector<double>{0.5, 1.5, 3.5}));
  EXPECT_EQ((0.5 - x).to_vector<double>(), (std::vector<double>{-0.5, -1.5, -3.5}));
  EXPECT_EQ((3.0 * x).to_vector<double>(), (std::vector<double>{3, 6, 12}));
  EXPECT_EQ((x / 3.0).to_vector<double>(), (std::vector<double>{1.0 / 3, 2.0 / 3, 4.0 / 3}));
  EXPECT_EQ((1.0 / x).to_vector<double>(), (std::vector<double>{1, 0.5, 0.25}));
  EXPECT_EQ((-x).to_vector<double>(), (std::vector<double>{-1, -2, -4}));
}

TEST(ArithmeticTest, IntegersAddSubtractMultiplyAndCompare) {
  const Tensor a = tensor({5, -3, 7}, {.dtype = kInt64});
  const Tensor b = tensor({2, 2, 9}, {.dtype = kInt64});
  using Ints = std::vector<std::int64_t>;
  EXPECT_EQ((a + b).to_vector<std::int64_t>(), (Ints{7, -1, 16}));
  EXPECT_EQ((a - b).to_vector<std::int64_t>(), (Ints{3, -5, -2}));
  EXPECT_EQ((a * b).to_vector<std::int64_t>(), (Ints{10, -6, 63}));
  EXPECT_EQ((a * 2.0).to_vector<std::int64_t>(), (Ints{10, -6, 14}));
  EXPECT_EQ((-a).to_vector<std::int64_t>(), (Ints{-5, 3, -7}));
  EXPECT_EQ(maximum(a, b).to_vector<std::int64_t>(), (Ints{5, 2, 9}));
  EXPECT_EQ(pow(a, 3.0).to_vector<std::int64_t>(), (Ints{125, -27, 343}));
  EXPECT_EQ(clamp(a, 0.0, 6.0).to_vector<std::int64_t>(), (Ints{5, 0, 6}));
  EXPECT_EQ((a > b).to_vector<bool>(), (std::vector<bool>{true, false, false}));
  EXPECT_EQ(eq(a, 7.0).to_vector<bool>(), (std::vector<bool>{false, false, true}));
  EXPECT_EQ(eq(a, 6.5).to_vector<bool>(), (std::vector<bool>{false, false, false}));
}

TEST(ArithmeticTest, ComparisonsTreatNanAsUnequal) {
  const Tensor a = tensor({1, 2, kNan, 3}, {.dtype = kFloat64});
  const Tensor b = tensor({1, 3, kNan, 2}, {.dtype = kFloat64});
  using Bools = std::vector<bool>;
  EXPECT_EQ(eq(a, b).to_vector<bool>(), (Bools{true, false, false, false}));
  EXPECT_EQ(ne(a, b).to_vector<bool>(), (Bools{false, true, true, true}));
  EXPECT_EQ((a < b).to_vector<bool>(), (Bools{false, true, false, false}));
  EXPECT_EQ((a <= b).to_vector<bool>(), (Bools{true, true, false, false}));
  EXPECT_EQ((a > b).to_vector<bool>(), (Bools{false, false, false, true}));
  EXPECT_EQ((a >= b).to_vector<bool>(), (Bools{true, false, false, true}));
  EXPECT_EQ(lt(a, reshape(b, {4, 1})).shape(), (Shape{4, 4}));
}

TEST(ArithmeticTest, MaximumAndMinimumPassNanOn) {
  for (const SimdLevel level : tests::supported_levels()) {
    const tests::UsedSimdLevel used(level);
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Tensor a = full({21}, 1.0, {.dtype = dtype});
      const Tensor nan = full({21}, kNan, {.dtype = dtype});
      for (const Tensor& y : {maximum(a, nan), maximum(nan, a), minimum(a, nan), minimum(nan, a)}) {
        for (const double v : y.to_vector<double>()) {
          EXPECT_TRUE(std::isnan(v));
        }
      }
    }
  }
}

TEST(WhereTest, ChoosesAndBroadcasts) {
  const Tensor condition = tensor({1, 0, 1}, {.dtype = kBool});
  const Tensor a = tensor({{1, 2, 3}, {4, 5, 6}}, {.dtype = kFloat64});
  const Tensor b = tensor(-1, {.dtype = kFloat64});
  EXPECT_EQ(where(condition, a, b).to_vector<double>(), (std::vector<double>{1, -1, 3, 4, -1, 6}));
  EXPECT_EQ(where(condition, b, a).to_vector<double>(), (std::vector<double>{-1, 2, -1, -1, 5, -1}));
  const Tensor i = tensor({7, 8, 9}, {.dtype = kInt64});
  EXPECT_EQ(where(condition, i, -i).to_vector<std::int64_t>(), (std::vector<std::int64_t>{7, -8, 9}));
}

TEST(WhereTest, TheSideNotChosenGetsNoNan) {
  Tensor x = tensor({0, 4}, {.dtype = kFloat64});
  x.requires_grad_();
  where(x > 0.0, x * 2.0, x * x).sum().backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 2}));
}

TEST(PowTest, SpecialExponentsAndZeroBase) {
  const Tensor x = tensor({-2, 0, 3}, {.dtype = kFloat64});
  EXPECT_EQ(pow(x, 0.0).to_vector<double>(), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(pow(x, 1.0).to_vector<double>(), (std::vector<double>{-2, 0, 3}));
  EXPECT_EQ(pow(x, 2.0).to_vector<double>(), (std::vector<double>{4, 0, 9}));
  EXPECT_EQ(pow(x, 3.0).to_vector<double>(), (std::vector<double>{-8, 0, 27}));
  EXPECT_EQ(pow(x, -1.0).to_vector<double>(), (std::vector<double>{-0.5, kInf, 1.0 / 3}));
  for (const double exponent : {0.0, 1.0, 2.0, 3.0}) {
    Tensor at_zero = zeros({1}, {.dtype = kFloat64, .requires_grad = true});
    pow(at_zero, exponent).backward();
    EXPECT_EQ(at_zero.grad().item(), exponent == 1.0 ? 1.0 : 0.0) << exponent;
  }
  Tensor base = zeros({2}, {.dtype = kFloat64, .requires_grad = true});
  Tensor exponent = tensor({0, 2}, {.dtype = kFloat64, .requires_grad = true});
  pow(base, exponent).sum().backward();
  EXPECT_EQ(base.grad().to_vector<double>(), (std::vector<double>{0, 0}));
  EXPECT_EQ(exponent.grad().to_vector<double>(), (std::vector<double>{0, 0}));
}

TEST(GradientTest, TiesAndKinks) {
  Tensor a = tensor({1, 2, 3}, {.dtype = kFloat64, .requires_grad = true});
  Tensor b = tensor({1, 3, 2}, {.dtype = kFloat64, .requires_grad = true});
  maximum(a, b).sum().backward();
  EXPECT_EQ(a.grad().to_vector<double>(), (std::vector<double>{0.5, 0, 1}));
  EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{0.5, 1, 0}));
  Tensor x = tensor({-1, 0, 1, 2}, {.dtype = kFloat64, .requires_grad = true});
  clamp(x, 0.0, 1.0).sum().backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 1, 1, 0}));
  x.set_grad({});
  (relu(x) + abs(x)).sum().backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{-1, 0, 2, 2}));
}

TEST(GradientTest, SecondDerivativesOfPiecewiseLinearFunctionsAreZeroNotMissing) {
  Tensor x = tensor({-1, 2}, {.dtype = kFloat64, .requires_grad = true});
  for (const Tensor& y : {relu(x), abs(x), leaky_relu(x), clamp(x, -5.0, 1.0)}) {
    const Tensor g = grad({y.sum()}, {x}, {}, {.create_graph = true})[0];
    EXPECT_EQ(grad({g.sum()}, {x})[0].to_vector<double>(), (std::vector<double>{0, 0}));
  }
}

TEST(ToTest, ConvertsBetweenAllTypes) {
  const Tensor x = tensor({-1.75, 0, 2.5}, {.dtype = kFloat64});
  EXPECT_EQ(to(x, kFloat32).to_vector<float>(), (std::vector<float>{-1.75F, 0, 2.5F}));
  EXPECT_EQ(to(x, kInt64).to_vector<std::int64_t>(), (std::vector<std::int64_t>{-1, 0, 2}));
  EXPECT_EQ(to(x, kBool).to_vector<bool>(), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(to(to(x, kBool), kFloat32).to_vector<float>(), (std::vector<float>{1, 0, 1}));
  EXPECT_TRUE(is_same(to(x, kFloat64), x));
  Tensor w = full({2}, 3.0, {.dtype = kFloat32, .requires_grad = true});
  (to(w, kFloat64) * to(w, kFloat64)).sum().backward();
  EXPECT_EQ(w.grad().dtype(), kFloat32);
  EXPECT_EQ(w.grad().to_vector<float>(), (std::vector<float>{6, 6}));
}

TEST(ErrorTest, SaysWhatWasExpectedAndWhatCame) {
  const Tensor f = zeros({2, 3});
  const Tensor i = zeros({3}, {.dtype = kInt64});
  const Tensor m = zeros({3}, {.dtype = kBool});
  EXPECT_EQ(error_of<ShapeError>([&] { f + zeros({4}); }),
            "add: expected shapes that broadcast but got [2, 3] and [4]; axes are compared from the last one on: add "
            "some with unsqueeze()");
  EXPECT_EQ(error_of<DTypeError>([&] { m + m; }),
            "add: expected a tensor of numbers but got bool; convert it with to(); of two masks a and b, a | b is true "
            "where one of them is");
  EXPECT_EQ(error_of<DTypeError>([&] { relu(i); }), "relu: expected a float32 or float64 tensor but got int64");
  EXPECT_EQ(error_of<ValueError>([&] { pow(i, -1); }), "pow: expected an exponent >= 0 for an int64 tensor but got -1");
  EXPECT_EQ(error_of<DTypeError>([&] { where(f, f, f); }), "where: expected a bool condition but got float32");
  EXPECT_EQ(error_of<ValueError>([&] { clamp(f, {}, {}); }), "clamp: expected at least one limit but got none");
  EXPECT_EQ(error_of<ValueError>([&] { softplus(f, 0.0); }), "softplus: expected beta > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([&] { to(full({1}, kNan), kInt64); }),
            "to: expected values that fit int64 but the float32 tensor has one that does not");
  EXPECT_EQ(error_of<ShapeError>([&] { sum_to(f, {2}); }),
            "sum_to: expected shapes that broadcast but got [2, 3] and [2]; axes are compared from the last one on: "
            "add some with unsqueeze()");
}

TEST(InPlaceTest, Computes) {
  for (const DType dtype : {kFloat32, kFloat64, kInt64}) {
    Tensor y = to(tensor({1, 2, 3}, {.dtype = kFloat64}), dtype);
    const Tensor x = to(tensor({10, 20, 30}, {.dtype = kFloat64}), dtype);
    EXPECT_EQ(y.add_(x).to_vector<double>(), (std::vector<double>{11, 22, 33}));
    EXPECT_EQ(y.add_(x, 2.0).to_vector<double>(), (std::vector<double>{31, 62, 93}));
    EXPECT_EQ(y.sub_(x, 3.0).to_vector<double>(), (std::vector<double>{1, 2, 3}));
    EXPECT_EQ(y.mul_(x).to_vector<double>(), (std::vector<double>{10, 40, 90}));
    EXPECT_EQ(y.copy_(x).to_vector<double>(), (std::vector<double>{10, 20, 30}));
    EXPECT_EQ(y.fill_(4.0).to_vector<double>(), (std::vector<double>{4, 4, 4}));
    EXPECT_EQ(error_of<ShapeError>([&] { y.add_(zeros({2}, {.dtype = dtype})); }),
              "add_: expected shapes that broadcast but got [2] and [3]; axes are compared from the last one on: add "
              "some with unsqueeze()");
  }
}

TEST(LayoutTest, ChannelsLastTensorsGiveTheSameAndStayAsTheyLie) {
  const Tensor x = random_tensor({2, 3, 4, 5}, kFloat32, 1);
  const Tensor y = random_tensor({2, 3, 4, 5}, kFloat32, 2);
  const Tensor channel = random_tensor({3, 1, 1}, kFloat32, 3);
  const Tensor image = random_tensor({2, 1, 4, 5}, kFloat32, 4);
  const Tensor row = random_tensor({5}, kFloat32, 5);
  const Tensor volume = random_tensor({3, 4, 5}, kFloat32, 6);
  const auto compute = [&](const Tensor& u, const Tensor& v) {  // the last one has no channels-last form
    return std::vector<Tensor>{relu(u),   u + v,   u * 2.0, channel - u, u * channel,
                               u / image, u + row, v * u,   volume * u};
  };
  const std::vector<Tensor> want = compute(x, y);
  const Tensor last = x.as_channels_last();
  const std::vector<Tensor> got = compute(last, y);
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].is_channels_last(), i < 8) << i;
    EXPECT_EQ(got[i].to_vector<float>(), want[i].to_vector<float>()) << i;
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
