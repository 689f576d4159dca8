// Masks: logic, what numbers are, selection.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/logic/mask.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::kInf;
using tests::kNan;
using tests::numbers;
using tests::Numbers;
using tests::random_tensor;

Tensor mask_of(const Numbers& values) {
  return from_vector(values, {static_cast<std::int64_t>(values.size())}).to(kBool);
}

TEST(LogicTest, TruthTables) {
  const Tensor a = mask_of({1, 1, 0, 0});
  const Tensor b = mask_of({1, 0, 1, 0});
  for (const Tensor& y : {logical_and(a, b), a & b}) {
    EXPECT_EQ(y.dtype(), kBool);
    EXPECT_EQ(numbers(y), (Numbers{1, 0, 0, 0}));
  }
  for (const Tensor& y : {logical_or(a, b), a | b}) {
    EXPECT_EQ(numbers(y), (Numbers{1, 1, 1, 0}));
  }
  for (const Tensor& y : {logical_xor(a, b), a ^ b, a != b}) {
    EXPECT_EQ(numbers(y), (Numbers{0, 1, 1, 0}));
  }
  for (const Tensor& y : {logical_not(a), ~a, a.logical_not()}) {
    EXPECT_EQ(numbers(y), (Numbers{0, 0, 1, 1}));
  }
  EXPECT_EQ(numbers(a == b), (Numbers{1, 0, 0, 1}));
}

TEST(LogicTest, NumbersAreTrueUnlessZero) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = tensor({0.0, -0.0, 0.5, kNan}, {.dtype = dtype});
    EXPECT_EQ(numbers(logical_not(x)), (Numbers{1, 1, 0, 0}));
    EXPECT_EQ(numbers(logical_and(x, tensor({1, 1, 2, 0}, {.dtype = kInt64}))), (Numbers{0, 0, 1, 0}));
    EXPECT_EQ(numbers(logical_or(x, mask_of({1, 0, 0, 0}))), (Numbers{1, 0, 1, 1}));
    EXPECT_EQ(numbers(logical_xor(x, x)), (Numbers{0, 0, 0, 0}));
  }
}

TEST(LogicTest, Broadcasts) {
  const Tensor column = mask_of({1, 0}).unsqueeze(1);
  const Tensor row = mask_of({1, 1, 0});
  EXPECT_EQ((column & row).shape(), (Shape{2, 3}));
  EXPECT_EQ(numbers(column & row), (Numbers{1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(numbers(column | row), (Numbers{1, 1, 1, 1, 1, 0}));
  EXPECT_EQ((column & zeros({2, 0}).to(kBool)).shape(), (Shape{2, 0}));
}

TEST(LogicTest, ComparisonsAsOperators) {
  const Tensor x = tensor({1.0, 2.0, kNan});
  EXPECT_EQ(numbers(x == x), (Numbers{1, 1, 0}));
  EXPECT_EQ(numbers(x != x), (Numbers{0, 0, 1}));
  EXPECT_EQ(numbers(x == 2), (Numbers{0, 1, 0}));
  EXPECT_EQ(numbers(x != 2.0), (Numbers{1, 0, 1}));
}

TEST(LogicTest, NanAndInfinity) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = tensor({1.0, kNan, kInf, -kInf, 0.0}, {.dtype = dtype, .requires_grad = true});
    EXPECT_EQ(numbers(isnan(x)), (Numbers{0, 1, 0, 0, 0}));
    EXPECT_EQ(numbers(isinf(x)), (Numbers{0, 0, 1, 1, 0}));
    EXPECT_EQ(numbers(isfinite(x)), (Numbers{1, 0, 0, 0, 1}));
    EXPECT_FALSE(isinf(x).requires_grad());
  }
  for (const DType dtype : {kInt64, kBool}) {
    const Tensor x = zeros({2}, {.dtype = dtype});
    EXPECT_EQ(numbers(x.isnan()), (Numbers{0, 0}));
    EXPECT_EQ(numbers(x.isinf()), (Numbers{0, 0}));
    EXPECT_EQ(numbers(x.isfinite()), (Numbers{1, 1}));
  }
}

TEST(LogicTest, AllAndAny) {
  const Tensor x = tensor({{1.0, 0.0, kNan}, {2.0, 0.0, 3.0}});
  EXPECT_EQ(numbers(all(x, 0)), (Numbers{1, 0, 1}));
  EXPECT_EQ(numbers(x.any(0)), (Numbers{1, 0, 1}));
  EXPECT_EQ(numbers(any(x.to(kFloat64) * 0.0 == 0.0, 1)), (Numbers{1, 1}));
  EXPECT_EQ(all(x, {0, 1}).item(), 0.0);
  EXPECT_EQ(all(x, 1, true).shape(), (Shape{2, 1}));
  EXPECT_EQ(any(x).dtype(), kBool);
  EXPECT_EQ(any(zeros({2, 3})).item(), 0.0);
  EXPECT_EQ(all(zeros({0})).item(), 1.0);
  EXPECT_EQ(any(zeros({0})).item(), 0.0);
  EXPECT_EQ(numbers(all(zeros({2, 0}), 1)), (Numbers{1, 1}));
  EXPECT_EQ(all(tensor(2.0)).item(), 1.0);
  EXPECT_EQ(all(tensor({-1, 1}, {.dtype = kInt64})).item(), 1.0);  // not their sum
  EXPECT_EQ(any(tensor({-1, 1}, {.dtype = kInt64})).item(), 1.0);
}

TEST(LogicTest, MaskTimesNumbers) {
  const Tensor mask = mask_of({1, 0, 1});
  for (const DType dtype : {kFloat32, kFloat64, kInt64}) {
    const Tensor x = tensor({2, 3, 4}, {.dtype = dtype});
    EXPECT_EQ((mask * x).dtype(), dtype);
    EXPECT_EQ(numbers(mask * x), (Numbers{2, 0, 4}));
    EXPECT_EQ(numbers(x * mask), (Numbers{2, 0, 4}));
  }
  const Tensor x = random_tensor({3}, kFloat64, 4).requires_grad_();
  EXPECT_TRUE(gradients_agree([&](const std::vector<Tensor>& in) { return in[0] * mask * in[0]; }, {x}));
}

TEST(MaskTest, WhereWithANumber) {
  const Tensor c = mask_of({1, 0, 1});
  const Tensor x = tensor({1.0, 2.0, 3.0});
  EXPECT_EQ(numbers(where(c, x, -kInf)), (Numbers{1, -kInf, 3}));
  EXPECT_EQ(numbers(where(c, 7, x)), (Numbers{7, 2, 7}));
  EXPECT_EQ(where(c, x.to(kFloat64), 0).dtype(), kFloat64);
  EXPECT_EQ(numbers(where(c, 9007199254740993, zeros({3}, {.dtype = kInt64})) == 9007199254740993), (Numbers{1, 0, 1}));
  EXPECT_EQ(numbers(where(c, c, false)), (Numbers{1, 0, 1}));
  EXPECT_EQ(where(c, c, false).dtype(), kBool);
}

TEST(MaskTest, MaskedFill) {
  const Tensor x = tensor({{1.0, 2, 3}, {4, 5, 6}});
  const Tensor row = mask_of({0, 1, 0});
  EXPECT_EQ(numbers(x.masked_fill(row, -1)), (Numbers{1, -1, 3, 4, -1, 6}));
  EXPECT_EQ(numbers(masked_fill(x, row, tensor(9.0))), (Numbers{1, 9, 3, 4, 9, 6}));
  EXPECT_EQ(numbers(masked_fill(x.to(kInt64), x > 4, 0)), (Numbers{1, 2, 3, 4, 0, 0}));
  EXPECT_EQ(masked_fill(zeros({0, 3}), row, 1).shape(), (Shape{0, 3}));
  EXPECT_EQ(error_of<ShapeError>([&] {
              masked_fill(x, mask_of({1, 0}), 0);
            }),
            "masked_fill: expected shapes that broadcast but got [2, 3] and [2]; axes are compared from the last one "
            "on: add some with unsqueeze()");
  EXPECT_EQ(error_of<ShapeError>([&] {
              masked_fill(tensor({1.0, 2, 3}), x > 0, 0);
            }),
            "masked_fill: expected a mask that broadcasts to [3] but got [2, 3]");
  EXPECT_EQ(error_of<DTypeError>([&] { masked_fill(x, x, 0); }), "masked_fill: expected a bool mask but got float32");
  EXPECT_EQ(
      error_of<ShapeError>([&] { masked_fill(x, row, zeros({3})); }),
      "masked_fill: expected a value without axes but got [3]; where(mask, value, x) takes one value per element");
}

TEST(MaskTest, MaskedSelect) {
  const Tensor x = tensor({{1.0, 2, 3}, {4, 5, 6}});
  EXPECT_EQ(numbers(masked_select(x, x > 2.5)), (Numbers{3, 4, 5, 6}));
  EXPECT_EQ(numbers(x.masked_select(mask_of({1, 0, 1}))), (Numbers{1, 3, 4, 6}));
  EXPECT_EQ(numbers(masked_select(tensor({7.0, 8}), mask_of({0, 1, 1}).unsqueeze(1))), (Numbers{7, 8, 7, 8}));
  EXPECT_EQ(masked_select(x, x > 9).shape(), (Shape{0}));
  EXPECT_EQ(masked_select(zeros({0}), zeros({0}).to(kBool)).shape(), (Shape{0}));
  EXPECT_EQ(numbers(masked_select(tensor(5.0), mask_of({1}))), (Numbers{5}));
  EXPECT_EQ(error_of<DTypeError>([&] { masked_select(x, x); }), "masked_select: expected a bool mask but got float32");
  // The gradient of an element that is selected twice is the sum.
  Tensor twice = tensor({7, 8}, {.requires_grad = true});
  masked_select(twice, mask_of({0, 1, 1}).unsqueeze(1)).backward(tensor({1.0, 2, 3, 4}));
  EXPECT_EQ(numbers(twice.grad()), (Numbers{4, 6}));
}

TEST(MaskTest, Nonzero) {
  const Tensor x = tensor({{0.0, 2.0, 0.0}, {kNan, 0.0, 6.0}});
  const Tensor y = nonzero(x);
  EXPECT_EQ(y.dtype(), kInt64);
  EXPECT_EQ(y.shape(), (Shape{3, 2}));
  EXPECT_EQ(numbers(y), (Numbers{0, 1, 1, 0, 1, 2}));
  EXPECT_EQ(numbers((x == 0.0).nonzero()), (Numbers{0, 0, 0, 2, 1, 1}));
  EXPECT_EQ(nonzero(tensor(3.0)).shape(), (Shape{1, 0}));
  EXPECT_EQ(nonzero(tensor(0.0)).shape(), (Shape{0, 0}));
  EXPECT_EQ(nonzero(zeros({2, 0, 3})).shape(), (Shape{0, 3}));
}

TEST(MaskTest, ChannelsLastMemory) {
  const Tensor x = random_tensor({2, 3, 2, 2}, kFloat32, 1);
  const Tensor y = x.as_channels_last();
  const Tensor mask = x > 0.0;
  EXPECT_EQ(numbers(masked_select(y, mask)), numbers(masked_select(x, mask)));
  EXPECT_EQ(numbers(nonzero(y > 0.0)), numbers(nonzero(mask)));
  EXPECT_EQ(numbers(all(y, 1)), numbers(all(x, 1)));
  EXPECT_EQ(numbers(y == x), numbers(ones({2, 3, 2, 2})));
}

TEST(LogicTest, Errors) {
  const Tensor x = zeros({3});
  const Tensor mask = mask_of({1, 0, 1});
  EXPECT_EQ(error_of<DTypeError>([&] { mask& x; }),
            "operator&: expected bool tensors but got float32; compare with a number first, or use logical_and(), "
            "logical_or(), logical_xor() or logical_not()");
  EXPECT_EQ(error_of<DTypeError>([&] { ~zeros({3}, {.dtype = kInt64}); }),
            "operator~: expected bool tensors but got int64; compare with a number first, or use logical_and(), "
            "logical_or(), logical_xor() or logical_not()");
  EXPECT_EQ(error_of<ShapeError>([&] {
              mask | mask_of({1, 0});
            }),
            "logical_or: expected shapes that broadcast but got [3] and [2]; axes are compared from the last one on: "
            "add some with unsqueeze()");
  EXPECT_EQ(error_of<IndexError>([&] { all(x, 1); }), "all: expected an axis in [-1, 0] but got 1");
  EXPECT_EQ(error_of<IndexError>([&] { any(x, -2); }), "any: expected an axis in [-1, 0] but got -2");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
