// Operands of in-place operations that broadcast to the tensor.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::numbers;
using tests::random_tensor;

struct Change {
  const char* name;
  std::function<void(Tensor& x, const Tensor& operand)> in_place;
  std::function<Tensor(const Tensor& x, const Tensor& operand)> out_of_place;
};

std::vector<Change> changes() {
  return {
      {"add_", [](Tensor& x, const Tensor& y) { x.add_(y); }, [](const Tensor& x, const Tensor& y) { return x + y; }},
      {"add_ scaled", [](Tensor& x, const Tensor& y) { x.add_(y, 3); },
       [](const Tensor& x, const Tensor& y) { return x + y * 3; }},
      {"sub_", [](Tensor& x, const Tensor& y) { x.sub_(y); }, [](const Tensor& x, const Tensor& y) { return x - y; }},
      {"mul_", [](Tensor& x, const Tensor& y) { x.mul_(y); }, [](const Tensor& x, const Tensor& y) { return x * y; }},
      {"copy_", [](Tensor& x, const Tensor& y) { x.copy_(y); },
       [](const Tensor& x, const Tensor& y) { return expand_to(to(y, x.dtype()), x.shape()); }},
  };
}

// Whole numbers up to 20, which every dtype and every order of operations represents exactly.
Tensor whole(const Shape& shape, DType dtype) {
  return to(reshape_to(arange(shape.numel()), shape) - to(reshape_to(arange(shape.numel()), shape) / 20, kInt64) * 20,
            dtype);
}

class InPlaceBroadcastTest : public testing::TestWithParam<DType> {};

TEST_P(InPlaceBroadcastTest, EqualsTheOperationOutOfPlace) {
  const std::vector<Shape> operands = {{}, {1}, {5}, {4, 1}, {3, 1, 1}, {3, 1, 5}, {1, 4, 5}, {2, 1, 1, 1}, {1, 1}};
  for (const Change& change : changes()) {
    for (const Shape& shape : operands) {
      const Tensor y = whole(shape, GetParam());
      Tensor x = whole({2, 3, 4, 5}, GetParam());
      const Tensor expected = change.out_of_place(x, y);
      const std::uint64_t version = x.version();
      const Tensor other = x;
      change.in_place(x, y);
      EXPECT_EQ(numbers(other), numbers(expected)) << change.name << " " << shape;
      EXPECT_EQ(x.shape(), (Shape{2, 3, 4, 5}));
      EXPECT_GT(x.version(), version);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, InPlaceBroadcastTest, testing::Values(kFloat32, kFloat64, kInt64, kInt32, kUInt8),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST(InPlaceBroadcastTest, ChannelsLastMemory) {
  for (const Change& change : changes()) {
    for (const Shape& shape : {Shape{3, 1, 1}, Shape{5}, Shape{2, 1, 4, 5}, Shape{}}) {
      const Tensor y = whole(shape, kFloat32);
      const Tensor plain = whole({2, 3, 4, 5}, kFloat32);
      Tensor x = plain.as_channels_last();
      change.in_place(x, y);
      if (std::string(change.name) == "add_" || std::string(change.name) == "mul_") {
        EXPECT_TRUE(x.is_physically_writable()) << change.name << " " << shape;  // no row-major copy was made
      }
      EXPECT_EQ(numbers(x), numbers(change.out_of_place(plain, y))) << change.name << " " << shape;
    }
  }
}

TEST(InPlaceBroadcastTest, TheOperandMayBePartOfTheTensor) {
  for (const Change& change : changes()) {
    for (const std::int64_t row : {0, 1, 3}) {
      Tensor x = whole({4, 3}, kFloat64);
      const Tensor expected = change.out_of_place(x.clone(), x[row].clone());
      change.in_place(x, x[row]);
      EXPECT_EQ(numbers(x), numbers(expected)) << change.name << " of row " << row;
    }
  }
}

TEST(InPlaceBroadcastTest, PartsAndLargeTensors) {
  Tensor x = zeros({3, 2});
  x[1].add_(tensor(2.0));
  x.narrow(0, 1, 2).add_(tensor({{1.0}, {3}}));
  x[0] = tensor(7.0);
  EXPECT_EQ(numbers(x), (std::vector<double>{7, 7, 3, 3, 3, 3}));
  Tensor mask = zeros({2, 2}, {.dtype = kBool});
  mask.add_(tensor({true, false}, {.dtype = kBool}));
  EXPECT_EQ(numbers(mask), (std::vector<double>{1, 0, 1, 0}));
  mask.mul_(tensor(false, {.dtype = kBool}));
  EXPECT_EQ(numbers(mask), (std::vector<double>{0, 0, 0, 0}));
  Tensor large = random_tensor({700, 300}, kFloat32, 1);  // several threads
  const Tensor column = random_tensor({700, 1}, kFloat32, 2);
  const Tensor expected = large * column;
  EXPECT_EQ(numbers(large.mul_(column)), numbers(expected));
}

TEST(InPlaceBroadcastTest, AnotherDTypeIsPromoted) {
  Tensor x = tensor({{1.0, 2}, {3, 4}});
  x.add_(tensor({10, 20}, {.dtype = kInt64}));
  EXPECT_EQ(numbers(x), (std::vector<double>{11, 22, 13, 24}));
  x.mul_(tensor({{2}, {1}}, {.dtype = kFloat64}));
  EXPECT_EQ(numbers(x), (std::vector<double>{22, 44, 13, 24}));
  x.copy_(tensor(true));
  EXPECT_EQ(numbers(x), (std::vector<double>{1, 1, 1, 1}));
  Tensor whole_numbers = zeros({2, 2}, {.dtype = kInt64});
  whole_numbers.copy_(tensor({1.75, -2.5}));  // converted, as in PyTorch
  EXPECT_EQ(numbers(whole_numbers), (std::vector<double>{1, -2, 1, -2}));
  const std::string cast =
      ": expected an operand whose result can be cast to int64 but got float32, whose result is float32; convert the "
      "tensor with to() first";
  EXPECT_EQ(error_of<DTypeError>([&] { whole_numbers.add_(tensor({1.0, 2.0})); }), "add_" + cast);
  EXPECT_EQ(error_of<DTypeError>([&] { whole_numbers.sub_(tensor(1.0)); }), "sub_" + cast);
  EXPECT_EQ(error_of<DTypeError>([&] { whole_numbers.mul_(tensor({1.0, 2.0})); }), "mul_" + cast);
  EXPECT_EQ(numbers(whole_numbers), (std::vector<double>{1, -2, 1, -2}));
}

TEST(InPlaceBroadcastTest, TheTensorKeepsItsShape) {
  Tensor x = zeros({2, 1});
  const std::string larger =
      ": expected an operand that broadcasts to [2, 1] but got [2, 3], and the result would have the shape [2, 3]";
  EXPECT_EQ(error_of<ShapeError>([&] { x.add_(ones({2, 3})); }), "add_" + larger);
  EXPECT_EQ(error_of<ShapeError>([&] { x.add_(ones({2, 3}), 2); }), "add_" + larger);
  EXPECT_EQ(error_of<ShapeError>([&] { x.sub_(ones({2, 3})); }), "sub_" + larger);
  EXPECT_EQ(error_of<ShapeError>([&] { x.mul_(ones({2, 3})); }), "mul_" + larger);
  EXPECT_EQ(error_of<ShapeError>([&] { x.copy_(ones({2, 3})); }), "copy_" + larger);
  EXPECT_EQ(error_of<ShapeError>([&] { x.add_(ones({2, 3}, {.dtype = kInt64})); }), "add_" + larger);
  EXPECT_EQ(
      error_of<ShapeError>([&] {
        x.add_(ones({1, 2, 1}));
      }),
      "add_: expected an operand that broadcasts to [2, 1] but got [1, 2, 1], and the result would have the shape "
      "[1, 2, 1]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              x.add_(ones({3, 1}));
            }),
            "add_: expected shapes that broadcast but got [3, 1] and [2, 1]; axes are compared from the last one on: "
            "add some with unsqueeze()");
  EXPECT_EQ(x.version(), zeros({2, 1}).version());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
