// Operations on two dtypes, as PyTorch promotes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/gradcheck/gradcheck.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/rounding.hpp"
#include "normgrad/core/ops/elementwise/special.hpp"
#include "normgrad/core/ops/logic/mask.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;

constexpr std::array<DType, 6> kTypes = {kBool, kUInt8, kInt32, kInt64, kFloat32, kFloat64};

// The initials in the tables below, which are those of kTypes in PyTorch: bool, Byte, Int, Long, Float, Double.
char initial(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return 'b';
    case DType::uint8:
      return 'B';
    case DType::int32:
      return 'I';
    case DType::int64:
      return 'L';
    case DType::float32:
      return 'F';
    case DType::float64:
      break;
  }
  return 'D';
}

using Rows = std::vector<std::string>;

// One row for each dtype, one letter for each `column`.
template <class Columns, class F>
Rows table(const Columns& columns, F f) {
  Rows rows;
  for (const DType a : kTypes) {
    std::string& row = rows.emplace_back();
    for (const auto& b : columns) {
      row += initial(f(a, b));
    }
  }
  return rows;
}

Tensor vector_of(DType dtype) { return ones({3}, {.dtype = dtype}); }
Tensor number_of(DType dtype) { return ones({}, {.dtype = dtype}); }

// torch.promote_types(a, b)
const Rows kPromoted = {"bBILFD", "BBILFD", "IIILFD", "LLLLFD", "FFFFFD", "DDDDDD"};
// torch.result_type(torch.zeros(3, dtype=a), torch.zeros((), dtype=b))
const Rows kBesideZeroDim = {"bBILFD", "BBBBFD", "IIIIFD", "LLLLFD", "FFFFFF", "DDDDDD"};
// torch.result_type(torch.zeros(3, dtype=a), b) for b in (True, 2, 2.0)
const Rows kBesideNumber = {"bLF", "BBF", "IIF", "LLF", "FFF", "DDD"};
// torch.can_cast(a, b)
const Rows kCastable = {"111111", "011111", "011111", "011111", "000011", "000011"};

TEST(PromotionTest, TablesOfPyTorch) {
  EXPECT_EQ(table(kTypes, [](DType a, DType b) { return promote_types(a, b); }), kPromoted);
  EXPECT_EQ(table(kTypes, [](DType a, DType b) { return result_type(vector_of(a), vector_of(b)); }), kPromoted);
  EXPECT_EQ(table(kTypes, [](DType a, DType b) { return result_type(number_of(a), number_of(b)); }), kPromoted);
  EXPECT_EQ(table(kTypes, [](DType a, DType b) { return result_type(vector_of(a), number_of(b)); }), kBesideZeroDim);
  EXPECT_EQ(table(kTypes, [](DType a, DType b) { return result_type(number_of(b), vector_of(a)); }), kBesideZeroDim);
  const std::array<Scalar, 3> numbers = {true, 2, 2.0};
  for (const auto& tensor : {vector_of, number_of}) {
    EXPECT_EQ(table(numbers, [&](DType a, Scalar b) { return result_type(tensor(a), b); }), kBesideNumber);
    EXPECT_EQ(table(numbers, [&](DType a, Scalar b) { return result_type(b, tensor(a)); }), kBesideNumber);
  }
  Rows castable;
  for (const DType from : kTypes) {
    castable.emplace_back();
    for (const DType to : kTypes) castable.back() += can_cast(from, to) ? '1' : '0';
  }
  EXPECT_EQ(castable, kCastable);
}

struct NamedOp {
  const char* name;
  std::function<Tensor(const Tensor&, const Tensor&)> run;
  bool takes_bool = false;  // both operands, or, for sub, one of them
};

const std::vector<NamedOp>& arithmetic() {
  static const std::vector<NamedOp> ops = {
      {"add", [](const Tensor& a, const Tensor& b) { return a + b; }},
      {"mul", [](const Tensor& a, const Tensor& b) { return a * b; }},
      {"pow", [](const Tensor& a, const Tensor& b) { return pow(a, b); }},
      {"maximum", [](const Tensor& a, const Tensor& b) { return maximum(a, b); }},
      {"minimum", [](const Tensor& a, const Tensor& b) { return minimum(a, b); }},
      {"fmod", [](const Tensor& a, const Tensor& b) { return fmod(a, b); }},
      {"remainder", [](const Tensor& a, const Tensor& b) { return remainder(a, b); }},
      {"where", [](const Tensor& a, const Tensor& b) { return where(ones({3}, {.dtype = kBool}), a, b); }, true},
  };
  return ops;
}

// The dtype of each operation, and its value against the operation on operands converted by hand.
TEST(PromotionTest, ArithmeticOfAllPairs) {
  for (const NamedOp& op : arithmetic()) {
    for (const DType s : kTypes) {
      for (const DType t : kTypes) {
        if (s == kBool && t == kBool && !op.takes_bool) continue;
        SCOPED_TRACE(detail::concat(op.name, " of ", s, " and ", t));
        const Tensor a = to(tensor({7.0, 1, 3}), s);
        for (const Tensor& b : {to(tensor({2.0, 1, 3}), t), to(tensor(2.0), t)}) {
          const DType type = result_type(a, b);
          const Tensor y = op.run(a, b);
          EXPECT_EQ(y.dtype(), type);
          EXPECT_EQ(y.to_vector<double>(), op.run(a.to(type), b.to(type)).to_vector<double>());
          EXPECT_EQ(op.run(b, a).dtype(), type);
        }
      }
    }
  }
}

TEST(PromotionTest, Differences) {
  for (const DType s : {kUInt8, kInt32, kInt64, kFloat32, kFloat64}) {
    for (const DType t : {kUInt8, kInt32, kInt64, kFloat32, kFloat64}) {
      const Tensor y = to(tensor({7.0, 1}), s) - to(tensor({2.0, 1}), t);
      EXPECT_EQ(y.dtype(), promote_types(s, t));
      EXPECT_THAT(y.to_vector<double>(), ElementsAre(5, 0));
    }
    const Tensor mask = tensor({true, false}, {.dtype = kBool});
    for (const auto& f : std::vector<std::function<Tensor()>>{[&] { return mask - ones({2}, {.dtype = s}); },
                                                              [&] { return ones({2}, {.dtype = s}) - mask; },
                                                              [&] { return mask - 1; }, [&] { return 1 - mask; }}) {
      EXPECT_EQ(error_of<DTypeError>(f), "sub: expected a tensor of numbers but got bool; convert it with to()");
    }
  }
}

TEST(PromotionTest, QuotientsOfIntegersAreFloat32) {
  for (const DType s : kTypes) {
    for (const DType t : kTypes) {
      const Tensor y = to(tensor({1.0, 3}), s) / to(tensor({1.0, 4}), t);
      const DType type = promote_types(s, t);
      EXPECT_EQ(y.dtype(), is_floating_point(type) ? type : kFloat32);
      EXPECT_THAT(y.to_vector<double>(), ElementsAre(1, (s == kBool ? 1.0 : 3.0) / (t == kBool ? 1.0 : 4.0)));
    }
    EXPECT_EQ((ones({2}, {.dtype = s}) / 4).dtype(), s == kFloat64 ? kFloat64 : kFloat32);
    EXPECT_EQ((1 / ones({2}, {.dtype = s})).dtype(), s == kFloat64 ? kFloat64 : kFloat32);
  }
  EXPECT_THAT((tensor({1, 6}, {.dtype = kInt64}) / 4).to_vector<float>(), ElementsAre(0.25F, 1.5F));
  EXPECT_THAT((3 / tensor({2, 4}, {.dtype = kUInt8})).to_vector<float>(), ElementsAre(1.5F, 0.75F));
}

TEST(PromotionTest, Numbers) {
  const std::vector<std::function<Tensor(const Tensor&, Scalar)>> ops = {
      [](const Tensor& x, Scalar b) { return x + b; },
      [](const Tensor& x, Scalar b) { return b + x; },
      [](const Tensor& x, Scalar b) { return x * b; },
      [](const Tensor& x, Scalar b) { return fmod(x, b); },
      [](const Tensor& x, Scalar b) { return remainder(x, b); },
      [](const Tensor& x, Scalar b) { return pow(x, b); },
      [](const Tensor& x, Scalar b) { return clamp(x, b, {}); },
      [](const Tensor& x, Scalar b) { return clamp(x, {}, b); },
      [](const Tensor& x, Scalar b) { return clamp(x, 0, b); },
      [](const Tensor& x, Scalar b) { return where(ones({3}, {.dtype = kBool}), x, b); },
      [](const Tensor& x, Scalar b) { return where(ones({3}, {.dtype = kBool}), b, x); },
  };
  for (const auto& op : ops) {
    for (const DType type : kTypes) {
      EXPECT_EQ(op(vector_of(type), 2).dtype(), type == kBool ? kInt64 : type) << type;
      EXPECT_EQ(op(vector_of(type), 2.0).dtype(), is_floating_point(type) ? type : kFloat32) << type;
    }
  }
  const Tensor bytes = tensor({1, 250}, {.dtype = kUInt8});
  EXPECT_THAT((bytes + 10).to_vector<std::int64_t>(), ElementsAre(11, 4));  // wraps around
  EXPECT_THAT((bytes - 2).to_vector<std::int64_t>(), ElementsAre(255, 248));
  EXPECT_THAT((5 - bytes).to_vector<std::int64_t>(), ElementsAre(4, 11));
  EXPECT_THAT((bytes * 3).to_vector<std::int64_t>(), ElementsAre(3, 238));
  EXPECT_THAT((bytes * 0.5).to_vector<float>(), ElementsAre(0.5F, 125.0F));
  EXPECT_THAT((bytes + 300).to_vector<std::int64_t>(), ElementsAre(45, 38));
  EXPECT_THAT((tensor({3, -7}, {.dtype = kInt32}) + 0.5).to_vector<float>(), ElementsAre(3.5F, -6.5F));
  EXPECT_THAT(pow(tensor({4, 9}, {.dtype = kInt64}), 0.5).to_vector<float>(), ElementsAre(2.0F, 3.0F));
  EXPECT_THAT(pow(tensor({2, -3}, {.dtype = kInt32}), 3).to_vector<std::int32_t>(), ElementsAre(8, -27));
  const Tensor mask = tensor({true, false}, {.dtype = kBool});
  EXPECT_EQ((mask * 2).dtype(), kInt64);
  EXPECT_THAT((mask * 0.25).to_vector<float>(), ElementsAre(0.25F, 0.0F));
  EXPECT_EQ(where(mask, mask, false).dtype(), kBool);
  EXPECT_EQ(triu(ones({2, 2}, {.dtype = kBool})).dtype(), kBool);
}

TEST(PromotionTest, Comparisons) {
  const std::vector<std::function<Tensor(const Tensor&, const Tensor&)>> ops = {
      [](const Tensor& a, const Tensor& b) { return a == b; }, [](const Tensor& a, const Tensor& b) { return a != b; },
      [](const Tensor& a, const Tensor& b) { return a < b; },  [](const Tensor& a, const Tensor& b) { return a <= b; },
      [](const Tensor& a, const Tensor& b) { return a > b; },  [](const Tensor& a, const Tensor& b) { return a >= b; }};
  const std::vector<std::vector<bool>> expected = {{false, true, false}, {true, false, true},  {true, false, false},
                                                   {true, true, false},  {false, false, true}, {false, true, true}};
  for (const DType s : kTypes) {
    for (const DType t : kTypes) {
      const Tensor a = to(tensor({0.0, 1, 1}), s);
      const Tensor b = to(tensor({1.0, 1, 0}), t);
      for (std::size_t i = 0; i < ops.size(); ++i) {
        EXPECT_EQ(ops[i](a, b).to_vector<bool>(), expected[i]) << s << " " << t << " " << i;
      }
    }
  }
  // Signs and sizes are kept: 200 is no negative number, and -1 not the largest.
  const Tensor bytes = tensor({200, 255}, {.dtype = kUInt8});
  EXPECT_THAT((bytes > tensor({-56, -1}, {.dtype = kInt32})).to_vector<bool>(), ElementsAre(true, true));
  EXPECT_THAT((bytes == 300).to_vector<bool>(), ElementsAre(false, false));
  EXPECT_THAT((bytes < 300).to_vector<bool>(), ElementsAre(true, true));
  EXPECT_THAT((bytes > -1).to_vector<bool>(), ElementsAre(true, true));
  EXPECT_THAT((bytes > 200.5).to_vector<bool>(), ElementsAre(false, true));
  const Tensor ints = tensor({-2147483647 - 1, 2147483647}, {.dtype = kInt32});
  EXPECT_THAT((ints < 2147483648).to_vector<bool>(), ElementsAre(true, true));
  EXPECT_THAT((ints > 2147483646.5).to_vector<bool>(), ElementsAre(false, true));
  EXPECT_THAT((ints == NAN).to_vector<bool>(), ElementsAre(false, false));
}

TEST(PromotionTest, JoinedTensors) {
  for (const DType s : kTypes) {
    for (const DType t : kTypes) {
      const DType type = promote_types(s, t);
      const Tensor a = to(tensor({1.0, 0}), s);
      const Tensor b = to(tensor({0.0, 1}), t);
      for (const Tensor& y :
           {cat({a, b}), stack({a, b}), hstack({a, b}), vstack({a, b}), cat({a, a, b}).narrow(0, 2, 4)}) {
        EXPECT_EQ(y.dtype(), type);
      }
      EXPECT_THAT(cat({a, b}).to_vector<double>(), ElementsAre(1, 0, 0, 1));
    }
  }
  Tensor a = tensor({1, 2}, {.requires_grad = true});
  Tensor b = tensor({3}, {.dtype = kFloat64, .requires_grad = true});
  const Tensor weight = tensor({1, 2, 3}, {.dtype = kFloat64});
  (cat({a, tensor({4}, {.dtype = kInt32}), b}) * cat({weight, ones({1})})).sum().backward();
  EXPECT_EQ(a.grad().dtype(), kFloat32);
  EXPECT_THAT(a.grad().to_vector<float>(), ElementsAre(1, 2));
  EXPECT_THAT(b.grad().to_vector<double>(), ElementsAre(1));
}

// A float32 operand of a float64 result: the gradient is that of the operand converted by hand, in float32.
TEST(PromotionTest, GradientsHaveTheDtypesOfTheOperands) {
  std::vector<NamedOp> ops = arithmetic();
  ops.push_back({"sub", [](const Tensor& a, const Tensor& b) { return a - b; }});
  ops.push_back({"div", [](const Tensor& a, const Tensor& b) { return a / b; }});
  ops.push_back({"atan2", [](const Tensor& a, const Tensor& b) { return atan2(a, b); }});
  ops.push_back({"hypot", [](const Tensor& a, const Tensor& b) { return hypot(a, b); }});
  ops.push_back({"addcmul", [](const Tensor& a, const Tensor& b) { return addcmul(a, b, tensor({0.1, 3, 7}), 2); }});
  ops.push_back({"addcdiv", [](const Tensor& a, const Tensor& b) { return addcdiv(a, tensor({1.0, 3, 7}), b); }});
  ops.push_back({"cat", [](const Tensor& a, const Tensor& b) { return cat({a, b.reshape({-1})}); }});
  const std::vector<double> x = {0.5, 1.5, 2.25};
  for (const NamedOp& op : ops) {
    SCOPED_TRACE(op.name);
    for (const bool swapped : {false, true}) {
      const auto run = [&](const Tensor& narrow, const Tensor& wide) {
        const Tensor y = swapped ? op.run(wide, narrow) : op.run(narrow, wide);
        EXPECT_EQ(y.dtype(), kFloat64);
        return grad({(y * arange(1, y.numel() + 1)).sum()}, {narrow, wide});
      };
      const Tensor wide = from_vector(std::vector<double>{1.25, 0.75, 3.5}, {3}).requires_grad_();
      const Tensor narrow = from_vector(x, {3}).to(kFloat32).requires_grad_();
      const Tensor as_wide = from_vector(x, {3}).requires_grad_();
      const std::vector<Tensor> mixed = run(narrow, wide);
      const std::vector<Tensor> same = run(as_wide, wide);
      EXPECT_EQ(mixed[0].dtype(), kFloat32);
      EXPECT_EQ(mixed[1].dtype(), kFloat64);
      EXPECT_EQ(mixed[0].to_vector<float>(), same[0].to_vector<float>());
      EXPECT_EQ(mixed[1].to_vector<double>(), same[1].to_vector<double>());
    }
    // Beside a tensor with axes, one without does not decide between two floating-point types.
    const Tensor row = from_vector(x, {3}).to(kFloat32).requires_grad_();
    const Tensor number = tensor(1.25, {.dtype = kFloat64, .requires_grad = true});
    if (std::string(op.name) == "cat") continue;
    const Tensor y = op.run(row, number);
    EXPECT_EQ(y.dtype(), kFloat32);
    const std::vector<Tensor> gradients = grad({y.sum()}, {row, number}, {}, {.allow_unused = true});
    EXPECT_EQ(gradients[0].dtype(), kFloat32);
    EXPECT_EQ(gradients[1].dtype(), kFloat64);
  }
}

// The operand in float64 is checked through a float32 operand that holds exact numbers.
TEST(PromotionTest, DerivativesOfAnyOrder) {
  const Tensor narrow = tensor({0.5, 1.25, 2.0});
  const Tensor counts = tensor({1, 2, 3}, {.dtype = kInt32});
  const Tensor x = tensor({{1.5, 0.75, 2.5}, {0.25, 3.0, 1.0}}, {.dtype = kFloat64, .requires_grad = true});
  for (const Tensor& other : {narrow, counts}) {
    for (const auto& f : std::vector<std::function<Tensor(const Tensor&)>>{
             [&](const Tensor& v) { return v * other + other; }, [&](const Tensor& v) { return other / v - other; },
             [&](const Tensor& v) { return pow(v, other); }, [&](const Tensor& v) { return pow(other, v); },
             [&](const Tensor& v) { return where(v > other, v * v, other); }}) {
      EXPECT_NO_THROW(check_gradients([&](const std::vector<Tensor>& in) { return f(in[0]); }, {x}));
    }
  }
}

TEST(PromotionTest, InPlace) {
  const NoGradGuard no_grad;
  const Tensor wide = tensor({0.1, 1e9}, {.dtype = kFloat64});
  Tensor x = tensor({1.0, 1});
  EXPECT_EQ(x.add_(wide).dtype(), kFloat32);
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(1.1F, 1000000001.0F));
  // Computed in float64, rounded once: in float32, 1e8 + 4.5 - 1e8 would be 8.
  x = tensor({1e8});
  EXPECT_EQ(x.sub_(tensor({99999995.5}, {.dtype = kFloat64})).item(), 4.5);
  EXPECT_EQ(x.mul_(tensor({2}, {.dtype = kInt64})).item(), 9.0);
  EXPECT_EQ(x.mul_(tensor({true}, {.dtype = kBool})).item(), 9.0);
  EXPECT_EQ(x.add_(tensor({2}, {.dtype = kUInt8}), 0.5).item(), 10.0);
  Tensor bytes = tensor({250, 3}, {.dtype = kUInt8});
  EXPECT_THAT(bytes.add_(tensor({10, -4}, {.dtype = kInt64})).to_vector<std::int64_t>(), ElementsAre(4, 255));
  EXPECT_EQ(bytes.dtype(), kUInt8);
  EXPECT_THAT(bytes.add_(tensor({1, 1}, {.dtype = kBool}), 3).to_vector<std::int64_t>(), ElementsAre(7, 2));
  EXPECT_THAT(bytes.copy_(tensor({1.5, 2.5})).to_vector<std::int64_t>(), ElementsAre(1, 2));

  Tensor whole = tensor({1, 2}, {.dtype = kInt64});
  EXPECT_EQ(error_of<DTypeError>([&] {
              whole.add_(tensor({1.0, 2}));
            }),
            "add_: expected an operand whose result can be cast to int64 but got float32, whose result is float32; "
            "convert the tensor with to() first");
  Tensor mask = tensor({true, false}, {.dtype = kBool});
  EXPECT_EQ(error_of<DTypeError>([&] { mask.mul_(whole); }),
            "mul_: expected an operand whose result can be cast to bool but got int64, whose result is int64; convert "
            "the tensor with to() first");
  EXPECT_THROW(whole.sub_(tensor({1, 2}, {.dtype = kFloat64})), DTypeError);
  EXPECT_EQ(error_of<DTypeError>([&] { whole.sub_(mask); }),
            "sub_: expected a tensor of numbers but got bool; convert it with to()");
  EXPECT_EQ(error_of<DTypeError>([&] { mask.sub_(mask); }),
            "sub_: expected a tensor of numbers but got bool; convert it with to()");
  EXPECT_EQ(error_of<DTypeError>([&] { mask.mul_(3); }),
            "mul_: expected a tensor of numbers but got bool; convert it with to()");
  EXPECT_THAT(mask.mul_(true).to_vector<bool>(), ElementsAre(true, false));
  EXPECT_THROW(whole.add_(ones({3}, {.dtype = kUInt8})), ShapeError);
  EXPECT_THROW(whole.add_(ones({2}, {.dtype = kUInt8}), 0.5), ValueError);
  EXPECT_THAT(whole.to_vector<std::int64_t>(), ElementsAre(1, 2));
  EXPECT_THAT(mask.to_vector<bool>(), ElementsAre(true, false));
}

TEST(PromotionTest, InPlaceOperandsThatRequireGradients) {
  Tensor x = zeros({2});
  const Tensor wide = ones({2}, {.dtype = kFloat64, .requires_grad = true});
  x.add_(wide);
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(1, 1));
  EXPECT_EQ(grad({x.sum()}, {wide})[0].dtype(), kFloat64);
  const NoGradGuard no_grad;
  EXPECT_THAT(x.add_(wide).to_vector<float>(), ElementsAre(2, 2));
}

TEST(PromotionTest, MaskedFillKeepsTheDtype) {
  const Tensor mask = tensor({true, false}, {.dtype = kBool});
  const Tensor whole = tensor({1, 2}, {.dtype = kInt64});
  EXPECT_EQ(masked_fill(whole, mask, 7.0).dtype(), kInt64);
  EXPECT_EQ(error_of<ValueError>([&] { masked_fill(whole, mask, 0.5); }),
            "masked_fill: expected a whole number for an int64 tensor but got 0.5");
  EXPECT_EQ(masked_fill(tensor({1.0, 2}), mask, tensor(3, {.dtype = kInt32})).dtype(), kFloat32);
  EXPECT_EQ(masked_fill(tensor({1.0, 2}), mask, tensor(3, {.dtype = kFloat64})).dtype(), kFloat32);
  EXPECT_EQ(error_of<DTypeError>([&] { masked_fill(whole, mask, tensor(0.5)); }),
            "masked_fill: expected a value that can be cast to int64 but got float32");
}

// As in PyTorch, products of matrices and the like do not convert.
TEST(PromotionTest, WhatStaysRefused) {
  const Tensor wide = ones({3, 3}, {.dtype = kFloat64});
  EXPECT_EQ(error_of<DTypeError>([&] {
              matmul(ones({3, 3}), wide);
            }),
            "matmul: expected operands of the same dtype but got float32 and float64; convert one of them with to()");
  EXPECT_EQ(error_of<DTypeError>([&] {
              lerp(ones({3, 3}), wide, 0.5);
            }),
            "lerp: expected operands of the same dtype but got float32 and float64; convert one of them with to()");
  EXPECT_EQ(error_of<DTypeError>([&] { atan2(ones({2}, {.dtype = kUInt8}), ones({2}, {.dtype = kInt32})); }),
            "atan2: expected a float32 or float64 tensor but got int32");
  EXPECT_EQ(
      error_of<DTypeError>([&] { addcdiv(ones({2}), ones({2}, {.dtype = kUInt8}), ones({2}, {.dtype = kInt32})); }),
      "addcdiv: expected a float32 or float64 dividend or divisor but got uint8 and int32");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
