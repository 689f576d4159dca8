#include "normgrad/core/autograd/function.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/toy_ops.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::gradients_agree;
using tests::leaf;
using tests::numbers;
using tests::values;

Tensor my_mul(const Tensor& a, const Tensor& b) {
  return apply_function(
      "my_mul", {a, b}, [](auto& in) { return tests::mul(in[0], in[1]); },
      [](auto& in, auto&, auto& gy) {
        return std::vector{tests::mul(gy, in[1]), tests::mul(gy, in[0])};
      });
}

// Its backward uses the result: d exp = exp.
Tensor my_exp(const Tensor& x) {
  return apply_function(
      "my_exp", {x}, [](auto& in) { return tests::exp(in[0]); },
      [](auto&, auto& y, auto& gy) { return std::vector{tests::mul(gy, y)}; });
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

TEST(FunctionTest, TheForwardIsNotRecorded) {
  bool recorded = true;
  apply_function(
      "asks", {leaf({1})},
      [&recorded](auto& in) {
        recorded = is_grad_enabled();
        return tests::scale(in[0], 2);
      },
      [](auto&, auto&, auto& gy) { return std::vector{gy}; });
  EXPECT_FALSE(recorded);
}

TEST(FunctionTest, ForwardMayReturnItsInput) {
  const Tensor x = leaf({1, 2});
  const Tensor y = apply_function(
      "reverse", {x}, [](auto& in) { return in[0]; },
      [](auto&, auto&, auto& gy) { return std::vector{tests::scale(gy, -1)}; });
  tests::sum(y).backward();
  EXPECT_TRUE(x.is_leaf());
  EXPECT_THAT(numbers(x.grad()), ElementsAre(-1, -1));
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
  EXPECT_THAT(numbers(a.grad()), ElementsAre(1));
  EXPECT_FALSE(b.grad().defined());
  EXPECT_THROW(grad({first(a, b)}, {b}), GraphError);
}

TEST(FunctionTest, Errors) {
  const Tensor x = leaf({1, 2});
  const auto with = [&x](auto backward) {
    tests::sum(apply_function(
                   "mine", {x}, [](auto& in) { return tests::scale(in[0], 1); }, backward))
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
  const Tensor y = tests::sum(my_mul(x, c));
  c.zero_();
  EXPECT_THAT(error_of<GraphError>([&] { y.backward(); }), testing::HasSubstr("backward of 'my_mul'"));
}

// A function's arguments are shared: with a second consumer of a gradient, or with the user's own tensors.
TEST(FunctionTest, ChangesInPlaceAreRefused) {
  const auto doubling = [](const Tensor& x, const Tensor& c, int which) {
    return apply_function(
        "doubling", {x, c}, [](auto& in) { return tests::mul(in[0], in[1]); },
        [which](auto& in, auto& y, auto& gy) {
          Tensor changed = which == 0 ? gy : which == 1 ? y : in[1];
          changed.mul_(2.0);
          return std::vector{changed, Tensor()};
        });
  };
  const char* const what[] = {"the gradient was", "the result was", "an input was"};
  for (int which = 0; which < 3; ++which) {
    const Tensor x = leaf({3});
    const Tensor c = values({5});
    const Tensor h = doubling(x, c, which);
    EXPECT_EQ(error_of<GraphError>([&] { tests::add(h, tests::scale(h, 1)).backward(); }),
              detail::concat("backward of 'doubling': ", what[which],
                             " changed in place, although other tensors share it; compute with a clone() of it"));
    EXPECT_FALSE(x.grad().defined());
  }
  const Tensor x = leaf({3});
  EXPECT_EQ(error_of<GraphError>([&] {
              apply_function(
                  "triple", {x}, [](auto& in) { return Tensor(in[0]).mul_(3.0); },
                  [](auto&, auto&, auto& gy) { return std::vector{gy}; });
            }),
            "function 'triple': the forward changed input 0 in place; compute with a clone() of it");
}

TEST(FunctionTest, GradientsOfOthersStayWhatTheyAre) {
  const Tensor a = leaf({2});
  const Tensor b = leaf({3});
  const Tensor halves = apply_function(
      "halves", {a}, [](auto& in) { return tests::scale(in[0], 0.5); },
      [](auto&, auto&, auto& gy) { return std::vector{gy.detach().fill_(0.5)}; });
  const Tensor y = tests::add(halves, b);  // both get the gradient of the sum
  EXPECT_THROW(y.backward(), GraphError);
  EXPECT_FALSE(b.grad().defined() && b.grad().item() != 1.0);
}

TEST(FunctionTest, NothingIsRecordedWithoutNeed) {
  EXPECT_FALSE(my_exp(values({1})).requires_grad());
  const NoGradGuard guard;
  EXPECT_FALSE(my_exp(leaf({1})).requires_grad());
}

// The product and the double of the first, with a mask that only the functions know.
std::vector<Tensor> product_and_double(const Tensor& a, const Tensor& b) {
  auto saved = std::make_shared<Tensor>();
  return apply_function_multi(
      "product_and_double", {a, b},
      [saved](auto& in) {
        *saved = in[0].detach().clone();
        return std::vector{tests::mul(in[0], in[1]), tests::scale(in[0], 2)};
      },
      [saved](auto& in, auto& results, auto& g) {
        EXPECT_EQ(numbers(results[1])[0], 2 * numbers(*saved)[0]);
        return std::vector{tests::add(tests::mul(g[0], in[1]), tests::scale(g[1], 2)), tests::mul(g[0], in[0])};
      });
}

TEST(FunctionTest, SeveralResultsHaveGradientsOfAnyOrder) {
  EXPECT_TRUE(gradients_agree(
      [](auto& in) {
        const std::vector<Tensor> y = product_and_double(in[0], in[1]);
        return tests::mul(y[0], tests::exp(y[1]));
      },
      {leaf({0.5, -0.3}), leaf({0.2, -0.7})}, 3));
  const Tensor a = leaf({1, 2});
  const Tensor b = leaf({3, 4});
  const std::vector<Tensor> y = product_and_double(a, b);
  EXPECT_THAT(numbers(y[0]), ElementsAre(3, 8));
  EXPECT_THAT(numbers(y[1]), ElementsAre(2, 4));
  tests::sum(y[0]).backward();  // the other result is not used
  EXPECT_THAT(numbers(a.grad()), ElementsAre(3, 4));
  EXPECT_THAT(numbers(b.grad()), ElementsAre(1, 2));
}

TEST(FunctionTest, ResultsOfOtherShapesAndDtypes) {
  const Tensor x = leaf({3, 1, 2});
  const std::vector<Tensor> y = apply_function_multi(
      "with_count", {x},
      [](auto& in) {
        Tensor count = Tensor::empty({}, kInt64);
        *count.mutable_data<std::int64_t>() = in[0].numel();
        return std::vector{tests::sum(in[0]), count, tests::scale(in[0], 1).reshape({3, 1})};
      },
      [](auto& in, auto& results, auto& g) {
        EXPECT_EQ(results[1].item(), 3.0);
        EXPECT_FALSE(g[1].defined());
        EXPECT_EQ(g[0].shape(), Shape{});
        EXPECT_EQ(numbers(g[0])[0], 0.0) << "not used";
        return std::vector{g[2].reshape({in[0].numel()})};
      });
  EXPECT_EQ(y[0].shape(), Shape{});
  EXPECT_EQ(y[0].item(), 6.0);
  EXPECT_EQ(y[1].item<std::int64_t>(), 3);
  EXPECT_FALSE(y[1].requires_grad());
  EXPECT_EQ(y[2].shape(), (Shape{3, 1}));
  tests::sum(y[2]).backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(1, 1, 1));
}

TEST(FunctionTest, SeveralResultsThatDoNotFit) {
  const auto with = [](const std::vector<Tensor>& results) {
    return error_of<ValueError>([&] {
      apply_function_multi(
          "mine", {leaf({1})}, [&](auto&) { return results; }, [](auto&, auto&, auto& g) { return g; });
    });
  };
  EXPECT_EQ(with({values({1}), Tensor()}), "function 'mine': the forward returned an undefined tensor");
  EXPECT_EQ(with({}), "function 'mine': expected a floating-point result but got none");
  EXPECT_EQ(with({values({1}), Tensor::empty({1}, kFloat32)}),
            "function 'mine': expected results of one floating-point dtype but got float64 and float32");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
