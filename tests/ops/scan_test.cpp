// Running sums and products, against plain loops.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/order/scan.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::kInf;
using tests::Numbers;
using tests::numbers;
using tests::random_tensor;
using Inputs = std::vector<Tensor>;

// The running results along an axis by a plain loop.
template <class F>
Numbers running(const Tensor& x, std::size_t axis, F combine) {
  Numbers y = numbers(x);
  const std::int64_t step = strides_of(x.shape())[axis];
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    if (i / step % x.shape()[axis] != 0) {
      y[static_cast<std::size_t>(i)] = combine(y[static_cast<std::size_t>(i - step)], y[static_cast<std::size_t>(i)]);
    }
  }
  return y;
}

double largest_error(const Numbers& y, const Numbers& expected) {
  EXPECT_EQ(y.size(), expected.size());
  double error = 0.0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    error = std::max(error, std::abs(y[i] - expected[i]) / std::max(1.0, std::abs(expected[i])));
  }
  return error;
}

TEST(ScanTest, Values) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const double bound = dtype == kFloat32 ? 1e-6 : 1e-14;
    for (const Shape& shape : {Shape{50}, Shape{4, 9, 5}, Shape{3, 40, 37}, Shape{1}}) {
      const Tensor x = random_tensor(shape, dtype, 2);
      for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
        const auto a = static_cast<std::int64_t>(axis);
        EXPECT_LT(largest_error(numbers(cumsum(x, a)), running(x, axis, [](double s, double v) { return s + v; })),
                  bound);
        EXPECT_LT(largest_error(numbers(cumprod(x, a)), running(x, axis, [](double s, double v) { return s * v; })),
                  bound);
        EXPECT_LT(
            largest_error(numbers(logcumsumexp(x, a)),
                          running(x, axis, [](double s, double v) { return std::log(std::exp(s) + std::exp(v)); })),
            bound);
      }
    }
  }
}

TEST(ScanTest, IntegersAndMasks) {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}}, {.dtype = kInt64});
  EXPECT_EQ(numbers(x.cumsum(1)), (Numbers{1, 3, 6, 4, 9, 15}));
  EXPECT_EQ(numbers(x.cumprod(0)), (Numbers{1, 2, 3, 4, 10, 18}));
  EXPECT_EQ(cumsum(x > 2, -1).dtype(), kInt64);
  EXPECT_EQ(numbers(cumsum(x > 2, -1)), (Numbers{0, 0, 1, 1, 2, 3}));
  EXPECT_EQ(numbers(cumprod(x > 2, 0)), (Numbers{0, 0, 1, 0, 0, 1}));
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(cumsum(tensor({largest, std::int64_t{1}}, {.dtype = kInt64}), 0)[1].item<std::int64_t>(),
            std::numeric_limits<std::int64_t>::min());
}

// float32 sums are accumulated in double: the error does not grow with the length.
TEST(ScanTest, LongSumsStayAccurate) {
  const Tensor y = cumsum(full({1000000}, 0.1), 0);
  EXPECT_NEAR(y[999999].item(), 1e6 * static_cast<double>(0.1F), 0.01);
}

TEST(ScanTest, InfinityAndNan) {
  const Tensor x = tensor({-kInf, -kInf, 1.0, 1000.0, -kInf, kInf, 2.0}, {.dtype = kFloat64, .requires_grad = true});
  EXPECT_EQ(numbers(logcumsumexp(x, 0)), (Numbers{-kInf, -kInf, 1, 1000, 1000, kInf, kInf}));
  logcumsumexp(x, 0).backward(ones({7}, {.dtype = kFloat64}));
  EXPECT_EQ(numbers(x.grad()), (Numbers{0, 0, 1, 2, 0, 2, 0}));
  const Numbers y = numbers(cumprod(tensor({2.0, kInf, 0.0, 1.0}), 0));
  EXPECT_EQ(y[1], kInf);
  EXPECT_TRUE(std::isnan(y[2]) && std::isnan(y[3]));
  EXPECT_TRUE(std::isnan(numbers(logcumsumexp(tensor({std::nan(""), 1.0}), 0))[1]));
}

// Factors of 0, one and several per row: no division by them.
TEST(ScanTest, CumprodThroughZeros) {
  Tensor x = random_tensor({3, 5}, kFloat64, 7);
  for (const std::size_t at : {1U, 5U, 8U}) {
    x.mutable_data<double>()[at] = 0.0;
  }
  x.requires_grad_();
  for (const std::int64_t axis : {0, 1}) {
    EXPECT_TRUE(gradients_agree([axis](const Inputs& in) { return cumprod(in[0], axis); }, {x}));
  }
}

TEST(ScanTest, ThirdOrder) {
  const Tensor x = random_tensor({5}, kFloat64, 3).requires_grad_();
  EXPECT_TRUE(gradients_agree([](const Inputs& in) { return cumprod(in[0], 0); }, {x}, 3));
  EXPECT_TRUE(gradients_agree([](const Inputs& in) { return logcumsumexp(in[0], 0); }, {x}, 3));
}

TEST(ScanTest, TheSameForAnyNumberOfThreads) {
  const Tensor x = random_tensor({64, 33, 70}, kFloat32, 5);
  const int before = get_num_threads();
  set_num_threads(1);
  const Numbers alone = numbers(cumsum(x, 1));
  set_num_threads(3);
  EXPECT_EQ(numbers(cumsum(x, 1)), alone);
  set_num_threads(before);
}

TEST(ScanTest, ScalarsNothingAndErrors) {
  Tensor x = tensor(3.0, {.dtype = kFloat64, .requires_grad = true});
  for (const Tensor& y : {cumsum(x, 0), cumprod(x, -1), logcumsumexp(x, 0)}) {
    EXPECT_EQ(y.shape(), Shape{});
    EXPECT_EQ(y.item(), 3.0);
    x.set_grad({});
    y.backward();
    EXPECT_EQ(x.grad().item(), 1.0);
  }
  for (const Shape& shape : {Shape{0}, Shape{2, 0}, Shape{0, 2}}) {
    const Tensor nothing = zeros(shape, {.requires_grad = true});
    for (const Tensor& y : {cumsum(nothing, -1), cumprod(nothing, -1), logcumsumexp(nothing, -1)}) {
      EXPECT_EQ(y.shape(), shape);
      y.backward(zeros(shape));
    }
  }
  EXPECT_EQ(error_of<IndexError>([&] { cumsum(zeros({2}), 1); }), "cumsum: expected an axis in [-1, 0] but got 1");
  EXPECT_EQ(error_of<DTypeError>([&] { logcumsumexp(zeros({2}, {.dtype = kInt64}), 0); }),
            "logcumsumexp: expected a float32 or float64 tensor but got int64");
  const Tensor image = random_tensor({2, 3, 2, 2}, kFloat32, 1);
  EXPECT_EQ(numbers(cumsum(image.as_channels_last(), 2)), numbers(cumsum(image, 2)));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
