#include "normgrad/core/ops/functional.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::ElementsAreArray;
using tests::error_of;
using tests::normal;
using tests::Numbers;
using tests::numbers;

// y = (a^2 b, 5 a + sin b), whose derivatives are known.
Tensor two(const Tensor& x) { return stack({x[0] * x[0] * x[1], x[0] * 5.0 + sin(x[1])}); }

Tensor point() { return tensor({2.0, 0.5}, {.dtype = kFloat64}); }
const Numbers kJacobian = {2.0, 4.0, 5.0, std::cos(0.5)};

TEST(FunctionalTest, JacobianIsTheMatrixOfDerivatives) {
  const Tensor matrix = jacobian(two, point());
  EXPECT_EQ(matrix.shape(), Shape({2, 2}));
  EXPECT_THAT(numbers(matrix), ElementsAreArray(kJacobian));
  EXPECT_FALSE(matrix.requires_grad());
  // The shapes of result and argument follow each other.
  const Tensor a = normal({3, 4}, 1);
  const Tensor of_product = jacobian([&](const Tensor& x) { return matmul(a, x); }, normal({4, 2}, 2));
  ASSERT_EQ(of_product.shape(), Shape({3, 2, 4, 2}));
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 2; ++j) {
      for (std::int64_t k = 0; k < 4; ++k) {
        for (std::int64_t l = 0; l < 2; ++l) {
          EXPECT_EQ(of_product[i][j][k][l].item(), j == l ? a[i][k].item() : 0.0);
        }
      }
    }
  }
}

TEST(FunctionalTest, ProductsAreThoseWithTheJacobian) {
  const Tensor v = tensor({3.0, -1.0}, {.dtype = kFloat64});
  const auto [y, left] = vjp(two, point(), v);
  EXPECT_THAT(numbers(y), ElementsAre(2.0, 10.0 + std::sin(0.5)));
  EXPECT_THAT(numbers(left), ElementsAre(3.0 * 2.0 - 5.0, 3.0 * 4.0 - std::cos(0.5)));
  const auto [again, right] = jvp(two, point(), v);
  EXPECT_EQ(numbers(again), numbers(y));
  EXPECT_THAT(numbers(right), ElementsAre(2.0 * 3.0 - 4.0, 5.0 * 3.0 - std::cos(0.5)));
}

TEST(FunctionalTest, HessianHoldsTheSecondDerivatives) {
  // a^2 b: second derivatives 2 b, 2 a, 2 a, 0.
  const auto f = [](const Tensor& x) { return x[0] * x[0] * x[1]; };
  EXPECT_THAT(numbers(hessian(f, point())), ElementsAre(1.0, 4.0, 4.0, 0.0));
  EXPECT_EQ(hessian([](const Tensor& x) { return x.square().sum(); }, normal({2, 3}, 1)).shape(), Shape({2, 3, 2, 3}));
}

TEST(FunctionalTest, ConstantsHaveZeroDerivatives) {
  const Tensor c = normal({2}, 1);
  const auto constant = [&](const Tensor&) { return c; };
  EXPECT_THAT(numbers(jacobian(constant, point())), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(numbers(vjp(constant, point(), c).product), ElementsAre(0, 0));
  EXPECT_THAT(numbers(jvp(constant, point(), c).product), ElementsAre(0, 0));
  const auto linear = [&](const Tensor& x) { return (x * c).sum(); };
  EXPECT_THAT(numbers(hessian(linear, point())), ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(jacobian([](const Tensor&) { return zeros({0}); }, point()).shape(), Shape({0, 2}));
}

TEST(FunctionalTest, LeavesGradientsAndTheModeAlone) {
  Tensor w = normal({2}, 1).requires_grad_();
  const Tensor x = point().requires_grad_();
  const NoGradGuard no_grad;
  EXPECT_EQ(numbers(jacobian([&](const Tensor& z) { return z * w; }, x)),
            Numbers({numbers(w)[0], 0, 0, numbers(w)[1]}));
  EXPECT_FALSE(is_grad_enabled());
  EXPECT_FALSE(w.grad().defined());
  EXPECT_FALSE(x.grad().defined());
}

TEST(FunctionalTest, ResultsAreDifferentiableByRequest) {
  const FunctionalOptions recorded = {.create_graph = true};
  const Tensor v = normal({2}, 1);
  const auto cases = std::vector<std::function<Tensor(const Tensor&)>>{
      [&](const Tensor& x) { return jacobian(two, x, recorded); },
      [&](const Tensor& x) { return vjp(two, x, v, recorded).product; },
      [&](const Tensor& x) { return jvp(two, x, v, recorded).product; },
      [&](const Tensor& x) { return hessian([](const Tensor& z) { return two(z).sum(); }, x, recorded); }};
  for (const auto& f : cases) {
    EXPECT_TRUE(
        tests::gradients_agree([&](const std::vector<Tensor>& in) { return f(in[0]); }, {point().requires_grad_()}));
  }
  EXPECT_FALSE(jacobian(two, point()).requires_grad());
}

TEST(FunctionalTest, SaysWhatDoesNotFit) {
  EXPECT_EQ(error_of<DTypeError>([] { jacobian(two, zeros({2}, {.dtype = kInt64})); }),
            "jacobian: expected a float32 or float64 tensor but got int64");
  EXPECT_EQ(error_of<ShapeError>([] { vjp(two, point()); }), "vjp: expected a v of the shape [2] of f(x) but got none");
  EXPECT_EQ(error_of<ShapeError>([] { jvp(two, point(), zeros({3}, {.dtype = kFloat64})); }),
            "jvp: expected a v of the shape [2] of x but got [3]");
  EXPECT_EQ(error_of<ShapeError>([] { hessian(two, point()); }),
            "hessian: expected a function with one result but got [2]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
