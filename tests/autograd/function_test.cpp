#include "normgrad/core/autograd/function.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/toy_ops.hpp"
#include "normgrad/core/autograd/backward.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing_support::error_of;
using testing_support::gradients_agree;
using toy::leaf;
using toy::values;

std::vector<double> list(const Tensor& x) { return x.to_vector<double>(); }

Tensor my_mul(const Tensor& a, const Tensor& b) {
  return apply_function(
      "my_mul", {a, b}, [](auto& in) { return toy::mul(in[0], in[1]); },
      [](auto& in, auto&, auto& gy) {
        return std::vector{toy::mul(gy, in[1]), toy::mul(gy, in[0])};
      });
}

// Its backward uses the result: d exp = exp.
Tensor my_exp(const Tensor& x) {
  return apply_function(
      "my_exp", {x}, [](auto& in) { return toy::exp(in[0]); },
      [](auto&, auto& y, auto& gy) { return std::vector{toy::mul(gy, y)}; });
}

TEST(FunctionTest, GradientsOfAnyOrder) {
  EXPECT_TRUE(gradients_agree([](auto& in) { return my_mul(in[0], my_exp(in[1])); },
                              {leaf({1.5, -0.3}), leaf({0.2, -0.7})}, 4));
}

TEST(FunctionTest, IsOneNode) {
  const Tensor y = my_exp(leaf({1}));
  EXPECT_EQ(live_nodes(), 1);
  EXPECT_STREQ(y.node()->name(), "my_exp");
}

TEST(FunctionTest, ForwardMayReturnItsInput) {
  const Tensor x = leaf({1, 2});
  const Tensor y = apply_function(
      "reverse", {x}, [](auto& in) { return in[0]; },
      [](auto&, auto&, auto& gy) { return std::vector{toy::scale(gy, -1)}; });
  toy::sum(y).backward();
  EXPECT_TRUE(x.is_leaf());
  EXPECT_THAT(list(x.grad()), ElementsAre(-1, -1));
}

TEST(FunctionTest, UndefinedGradientsCountAsNone) {
  const Tensor a = leaf({1});
  const Tensor b = leaf({2});
  const auto first = [](const Tensor& p, const Tensor& q) {
    return apply_function(
        "first", {p, q}, [](auto& in) { return in[0]; },
        [](auto&, auto&, auto& gy) {
          return std::vector{gy, Tensor()};
        });
  };
  first(a, b).backward();
  EXPECT_THAT(list(a.grad()), ElementsAre(1));
  EXPECT_FALSE(b.grad().defined());
  EXPECT_THROW(grad({first(a, b)}, {b}), GraphError);
}

TEST(FunctionTest, Errors) {
  const Tensor x = leaf({1, 2});
  const auto with = [&x](auto backward) {
    toy::sum(apply_function(
                 "mine", {x}, [](auto& in) { return toy::scale(in[0], 1); }, backward))
        .backward();
  };
  EXPECT_EQ(error_of<GraphError>([&] { with([](auto&, auto&, auto&) { return std::vector<Tensor>{}; }); }),
            "backward of 'mine': expected 1 gradients, one for each input, but got 0");
  EXPECT_EQ(error_of<GraphError>([&] { with([](auto&, auto&, auto&) { return std::vector{values({1})}; }); }),
            "backward of 'mine': expected a gradient of float64 [2] for input 0 but got float64 [1]");
  EXPECT_EQ(error_of<ValueError>([&] {
              apply_function(
                  "mine", {x}, [](auto&) { return Tensor(); }, [](auto&, auto&, auto& gy) { return std::vector{gy}; });
            }),
            "function 'mine': the forward returned an undefined tensor");
}

TEST(FunctionTest, AnInputChangedSinceIsFound) {
  const Tensor x = leaf({1, 2});
  Tensor c = values({3, 4});
  const Tensor y = toy::sum(my_mul(x, c));
  c.zero_();
  EXPECT_THAT(error_of<GraphError>([&] { y.backward(); }), testing::HasSubstr("backward of 'my_mul'"));
}

TEST(FunctionTest, NothingIsRecordedWithoutNeed) {
  EXPECT_FALSE(my_exp(values({1})).requires_grad());
  const NoGradGuard guard;
  EXPECT_FALSE(my_exp(leaf({1})).requires_grad());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
