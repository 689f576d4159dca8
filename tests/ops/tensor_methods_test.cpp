// The methods of Tensor that are shorthand for functions, the operators +=, -=, *= and /=, and shapes as arguments.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::numbers;

// The same dtype, shape and bytes (NaN equals NaN).
bool are_same(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) {
    return false;
  }
  return a.dtype() == kBool || a.dtype() == kInt64
             ? a.to_vector<std::int64_t>() == b.to_vector<std::int64_t>()
             : std::memcmp(a.data<float>(), b.data<float>(), static_cast<std::size_t>(a.numel()) * sizeof(float)) == 0;
}

using Results = std::pair<Tensor, Tensor>;  // of the method and of the function

struct MethodCase {
  const char* name;
  std::function<Results(const Tensor& x)> results;
};

const Tensor& other() {
  static const Tensor y = tests::random_tensor({4, 4}, kFloat32, 2);
  return y;
}

#define NORMGRAD_UNARY(f)                                        \
  {                                                              \
#f, [](const Tensor& x) -> Results { return {x.f(), f(x)}; } \
  }
#define NORMGRAD_BINARY(f)                                                       \
  {                                                                              \
#f, [](const Tensor& x) -> Results { return {x.f(other()), f(x, other())}; } \
  }
#define NORMGRAD_NUMBER(f)                                                           \
  {                                                                                  \
#f " number", [](const Tensor& x) -> Results { return {x.f(0.25), f(x, 0.25)}; } \
  }

const MethodCase kMethods[] = {
    NORMGRAD_UNARY(neg),
    NORMGRAD_UNARY(abs),
    NORMGRAD_UNARY(exp),
    NORMGRAD_UNARY(log),
    NORMGRAD_UNARY(sqrt),
    NORMGRAD_UNARY(rsqrt),
    NORMGRAD_UNARY(square),
    NORMGRAD_UNARY(relu),
    NORMGRAD_UNARY(sigmoid),
    NORMGRAD_UNARY(tanh),
    NORMGRAD_UNARY(floor),
    NORMGRAD_UNARY(ceil),
    NORMGRAD_UNARY(round),
    NORMGRAD_UNARY(trunc),
    NORMGRAD_UNARY(log1p),
    NORMGRAD_UNARY(expm1),
    NORMGRAD_UNARY(sin),
    NORMGRAD_UNARY(cos),
    NORMGRAD_UNARY(reciprocal),
    NORMGRAD_UNARY(sign),
    NORMGRAD_UNARY(tan),
    NORMGRAD_UNARY(sinh),
    NORMGRAD_UNARY(cosh),
    NORMGRAD_UNARY(asin),
    NORMGRAD_UNARY(acos),
    NORMGRAD_UNARY(atan),
    NORMGRAD_UNARY(asinh),
    NORMGRAD_UNARY(acosh),
    NORMGRAD_UNARY(atanh),
    NORMGRAD_UNARY(log2),
    NORMGRAD_UNARY(log10),
    NORMGRAD_UNARY(exp2),
    NORMGRAD_UNARY(erf),
    NORMGRAD_UNARY(lgamma),
    NORMGRAD_UNARY(digamma),
    NORMGRAD_UNARY(frac),
    NORMGRAD_UNARY(gelu),
    NORMGRAD_UNARY(silu),
    NORMGRAD_UNARY(isnan),
    NORMGRAD_UNARY(isinf),
    NORMGRAD_UNARY(isfinite),
    NORMGRAD_UNARY(logical_not),
    NORMGRAD_UNARY(hardshrink),
    {"prelu",
     [](const Tensor& x) -> Results {
       return {x.prelu(tensor({0.25})), prelu(x, tensor({0.25}))};
     }},
    NORMGRAD_UNARY(diag),
    NORMGRAD_UNARY(diagonal),
    NORMGRAD_UNARY(tril),
    NORMGRAD_UNARY(triu),
    NORMGRAD_BINARY(add),
    NORMGRAD_BINARY(sub),
    NORMGRAD_BINARY(mul),
    NORMGRAD_BINARY(div),
    NORMGRAD_BINARY(fmod),
    NORMGRAD_BINARY(remainder),
    NORMGRAD_BINARY(eq),
    NORMGRAD_BINARY(ne),
    NORMGRAD_BINARY(lt),
    NORMGRAD_BINARY(le),
    NORMGRAD_BINARY(gt),
    NORMGRAD_BINARY(ge),
    NORMGRAD_BINARY(pow),
    NORMGRAD_BINARY(maximum),
    NORMGRAD_BINARY(minimum),
    NORMGRAD_BINARY(atan2),
    NORMGRAD_BINARY(hypot),
    NORMGRAD_BINARY(mm),
    NORMGRAD_BINARY(matmul),
    NORMGRAD_NUMBER(add),
    NORMGRAD_NUMBER(sub),
    NORMGRAD_NUMBER(mul),
    NORMGRAD_NUMBER(div),
    NORMGRAD_NUMBER(fmod),
    NORMGRAD_NUMBER(remainder),
    NORMGRAD_NUMBER(eq),
    NORMGRAD_NUMBER(ne),
    NORMGRAD_NUMBER(lt),
    NORMGRAD_NUMBER(le),
    NORMGRAD_NUMBER(gt),
    NORMGRAD_NUMBER(ge),
    NORMGRAD_NUMBER(pow),
    {"logical_and",
     [](const Tensor& x) -> Results {
       return {(x > 0).logical_and(x < 1), logical_and(x > 0, x < 1)};
     }},
    {"logical_or",
     [](const Tensor& x) -> Results {
       return {(x > 1).logical_or(x < 0), logical_or(x > 1, x < 0)};
     }},
    {"logical_xor",
     [](const Tensor& x) -> Results {
       return {(x > 0).logical_xor(x < 1), logical_xor(x > 0, x < 1)};
     }},
    {"lerp",
     [](const Tensor& x) -> Results {
       return {x.lerp(other(), 0.25), lerp(x, other(), 0.25)};
     }},
    {"lerp tensor",
     [](const Tensor& x) -> Results {
       return {x.lerp(other(), x), lerp(x, other(), x)};
     }},
    {"addcmul",
     [](const Tensor& x) -> Results {
       return {x.addcmul(other(), x, 2), addcmul(x, other(), x, 2)};
     }},
    {"addcdiv",
     [](const Tensor& x) -> Results {
       return {x.addcdiv(other(), x, 2), addcdiv(x, other(), x, 2)};
     }},
    {"where",
     [](const Tensor& x) -> Results {
       return {x.where(x > 0, other()), where(x > 0, x, other())};
     }},
    {"where number",
     [](const Tensor& x) -> Results {
       return {x.where(x > 0, -1), where(x > 0, x, -1)};
     }},
    {"clamp",
     [](const Tensor& x) -> Results {
       return {x.clamp(-0.5, 0.5), clamp(x, -0.5, 0.5)};
     }},
    {"polygamma",
     [](const Tensor& x) -> Results {
       return {x.polygamma(1), polygamma(1, x)};
     }},
    {"mv",
     [](const Tensor& x) -> Results {
       return {x.mv(other()[1]), mv(x, other()[1])};
     }},
    {"dot",
     [](const Tensor& x) -> Results {
       return {x[0].dot(other()[1]), dot(x[0], other()[1])};
     }},
    {"outer",
     [](const Tensor& x) -> Results {
       return {x[0].outer(other()[1]), outer(x[0], other()[1])};
     }},
    {"bmm",
     [](const Tensor& x) -> Results {
       const Tensor a = x.reshape({2, 2, 4});
       const Tensor b = other().reshape({2, 4, 2});
       return {a.bmm(b), bmm(a, b)};
     }},
    {"cross",
     [](const Tensor& x) -> Results {
       const Tensor a = x.narrow(1, 0, 3);
       const Tensor b = other().narrow(1, 0, 3);
       return {a.cross(b), cross(a, b)};
     }},
    {"addmm",
     [](const Tensor& x) -> Results {
       return {x.addmm(x, other(), 0.5, 2), addmm(x, x, other(), 0.5, 2)};
     }},
    {"baddbmm",
     [](const Tensor& x) -> Results {
       const Tensor a = x.unsqueeze(0);
       const Tensor b = other().unsqueeze(0);
       return {a.baddbmm(a, b, 0.5, 2), baddbmm(a, a, b, 0.5, 2)};
     }},
    {"sum",
     [](const Tensor& x) -> Results {
       return {x.sum(1, true), sum(x, 1, true)};
     }},
    {"mean",
     [](const Tensor& x) -> Results {
       return {x.mean(0), mean(x, 0)};
     }},
    {"var",
     [](const Tensor& x) -> Results {
       return {x.var(0, false), var(x, 0, false)};
     }},
    {"std",
     [](const Tensor& x) -> Results {
       return {x.std(0, false, true), std(x, 0, false, true)};
     }},
    {"max",
     [](const Tensor& x) -> Results {
       return {x.max(0), max(x, 0)};
     }},
    {"min",
     [](const Tensor& x) -> Results {
       return {x.min(1), min(x, 1)};
     }},
    {"prod",
     [](const Tensor& x) -> Results {
       return {x.prod(1), prod(x, 1)};
     }},
    {"argmax",
     [](const Tensor& x) -> Results {
       return {x.argmax(1), argmax(x, 1)};
     }},
    {"argmin",
     [](const Tensor& x) -> Results {
       return {x.argmin(1), argmin(x, 1)};
     }},
    {"logsumexp",
     [](const Tensor& x) -> Results {
       return {x.logsumexp(1), logsumexp(x, 1)};
     }},
    {"norm",
     [](const Tensor& x) -> Results {
       return {x.norm(1.0, 1), norm(x, 1.0, 1)};
     }},
    {"all",
     [](const Tensor& x) -> Results {
       return {(x > 0).all(1), all(x > 0, 1)};
     }},
    {"any",
     [](const Tensor& x) -> Results {
       return {(x > 0).any(1), any(x > 0, 1)};
     }},
    {"softmax",
     [](const Tensor& x) -> Results {
       return {x.softmax(1), softmax(x, 1)};
     }},
    {"log_softmax",
     [](const Tensor& x) -> Results {
       return {x.log_softmax(0), log_softmax(x, 0)};
     }},
    {"cumsum",
     [](const Tensor& x) -> Results {
       return {x.cumsum(1), cumsum(x, 1)};
     }},
    {"cumprod",
     [](const Tensor& x) -> Results {
       return {x.cumprod(1), cumprod(x, 1)};
     }},
    {"logcumsumexp",
     [](const Tensor& x) -> Results {
       return {x.logcumsumexp(1), logcumsumexp(x, 1)};
     }},
    {"cummax",
     [](const Tensor& x) -> Results {
       return {x.cummax(1).values, cummax(x, 1).values};
     }},
    {"cummin",
     [](const Tensor& x) -> Results {
       return {x.cummin(1).indices, cummin(x, 1).indices};
     }},
    {"sort",
     [](const Tensor& x) -> Results {
       return {x.sort(1).values, sort(x, 1).values};
     }},
    {"topk",
     [](const Tensor& x) -> Results {
       return {x.topk(2).values, topk(x, 2).values};
     }},
    {"median",
     [](const Tensor& x) -> Results {
       return {x.median(), median(x)};
     }},
    {"flip",
     [](const Tensor& x) -> Results {
       return {x.flip(1), flip(x, 1)};
     }},
    {"roll",
     [](const Tensor& x) -> Results {
       return {x.roll({1}, {0}), roll(x, {1}, {0})};
     }},
    {"repeat",
     [](const Tensor& x) -> Results {
       return {x.repeat({2, 1}), repeat(x, {2, 1})};
     }},
    {"select_scatter",
     [](const Tensor& x) -> Results {
       return {x.select_scatter(other()[0], 1, 2), select_scatter(x, other()[0], 1, 2)};
     }},
    {"slice_scatter",
     [](const Tensor& x) -> Results {
       const Tensor part = other().narrow(0, 0, 2);
       return {x.slice_scatter(part, 0, 1, 3), slice_scatter(x, part, 0, 1, 3)};
     }},
    {"masked_fill",
     [](const Tensor& x) -> Results {
       return {x.masked_fill(x > 0, 1), masked_fill(x, x > 0, 1)};
     }},
    {"masked_select",
     [](const Tensor& x) -> Results {
       return {x.masked_select(x > 0), masked_select(x, x > 0)};
     }},
    {"nonzero",
     [](const Tensor& x) -> Results {
       return {(x > 0).nonzero(), nonzero(x > 0)};
     }},
};

TEST(TensorMethodsTest, AreTheFunctions) {
  const Tensor x = tests::random_tensor({4, 4}, kFloat32, 1);
  for (const MethodCase& method : kMethods) {
    const auto [of_method, of_function] = method.results(x);
    EXPECT_TRUE(are_same(of_method, of_function)) << method.name << "\n" << of_method << "\n" << of_function;
  }
}

TEST(TensorMethodsTest, AShapeIsAnArgument) {
  Tensor x = arange(6);
  const Tensor y = zeros({2, 3});
  Tensor seen = x.view(y.shape());
  EXPECT_EQ(seen.shape(), y.shape());
  seen.fill_(7);  // shares memory
  EXPECT_THAT(numbers(x), ElementsAre(7, 7, 7, 7, 7, 7));
  EXPECT_EQ(x.reshape(y.shape()).shape(), y.shape());
  EXPECT_EQ((x + 1).reshape(y.shape()).shape(), y.shape());
  EXPECT_EQ((x + 1).view(y.shape()).shape(), y.shape());
  EXPECT_EQ(zeros({1, 3}).expand(y.shape()).shape(), y.shape());
  EXPECT_EQ(reshape(x, y.shape()).shape(), y.shape());
  EXPECT_EQ(expand(zeros({1, 3}), y.shape()).shape(), y.shape());
  EXPECT_EQ(y.sum(std::size_t{1}).shape(), Shape({2}));
  EXPECT_THAT(error_of<ShapeError>([&] { x.view(zeros({4}).shape()); }), HasSubstr("[4]"));
}

TEST(TensorMethodsTest, SizesInAStructuredBinding) {
  const auto [n, c] = zeros({2, 3}).sizes<2>();
  EXPECT_EQ(n, 2);
  EXPECT_EQ(c, 3);
  EXPECT_TRUE(zeros({}).sizes<0>().empty());
  EXPECT_EQ(error_of<ShapeError>([] { zeros({2, 3}).sizes<3>(); }), "sizes: expected 3 axes but got [2, 3]");
  EXPECT_EQ(error_of<ShapeError>([] { zeros({2, 3}).sizes<1>(); }), "sizes: expected 1 axis but got [2, 3]");
}

TEST(CompoundAssignmentTest, ChangesInPlace) {
  Tensor x = tensor({1.0, 2.0});
  const Tensor same = x;
  x += tensor({10.0, 20.0});
  x -= 1;
  x *= 2;
  x /= tensor({4.0, 2.0});
  EXPECT_THAT(numbers(x), ElementsAre(5, 21));
  EXPECT_THAT(numbers(same), ElementsAre(5, 21));
  (x += 1) *= 2;
  EXPECT_THAT(numbers(x), ElementsAre(12, 44));
  Tensor rows = zeros({2, 2});
  rows[0] += x;
  rows[1] -= 3;
  rows[1] *= 2;
  rows[0] /= 4;
  EXPECT_THAT(numbers(rows), ElementsAre(3, 11, -6, -6));
}

TEST(CompoundAssignmentTest, IsRecorded) {
  Tensor w = tensor({1.0, 2.0}, {.requires_grad = true});
  Tensor y = w * 3;
  y += 1;
  y *= w;
  y -= tensor({5.0, 5.0});
  y /= 2;
  y.sum().backward();  // (3 w^2 + w - 5) / 2
  EXPECT_THAT(numbers(w.grad()), ElementsAre(3.5, 6.5));
  Tensor loss = zeros({});
  for (int i = 0; i < 3; ++i) {
    loss += square(w).sum();
  }
  w.set_grad({});
  loss.backward();
  EXPECT_THAT(numbers(w.grad()), ElementsAre(6, 12));
}

TEST(CompoundAssignmentTest, Errors) {
  Tensor leaf = tensor({1.0}, {.requires_grad = true});
  EXPECT_THAT(error_of<GraphError>([&] { leaf += 1; }), HasSubstr("add_"));
  EXPECT_THAT(error_of<ValueError>([&] { zeros({2, 2}).narrow(1, 0, 1) += 1; }), HasSubstr("+="));
  Tensor whole = tensor({1, 2});
  EXPECT_THAT(error_of<ValueError>([&] { whole += 0.5; }), HasSubstr("add_: expected a whole number"));
  EXPECT_THAT(error_of<ValueError>([&] { whole -= 0.5; }), HasSubstr("sub_: expected a whole number"));
  Tensor mask = tensor({true});
  EXPECT_THAT(error_of<DTypeError>([&] { mask += 1; }), HasSubstr("add_: expected a tensor of numbers"));
  EXPECT_THAT(error_of<DTypeError>([&] { mask -= 1; }), HasSubstr("sub_: expected a tensor of numbers"));
  Tensor bytes = tensor({250, 3}, {.dtype = kUInt8});
  bytes += 10;  // wraps around, as in PyTorch
  bytes -= 5;
  EXPECT_THAT(numbers(bytes), ElementsAre(255, 8));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
