// In-place changes, and the errors that a backward throws because of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <type_traits>
#include <utility>

#include "tests/support/raises.hpp"
#include "tests/support/toy_ops.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::leaf;
using tests::numbers;
using tests::values;

template <class T>
concept Fillable = requires(T x) {
  std::forward<T>(x).fill_(1.0);
};

// A part of a const tensor cannot be changed, nor can what is always a copy: changing it would have no effect.
static_assert(Fillable<Tensor&> && Fillable<decltype(std::declval<Tensor>().detach())> &&
              Fillable<decltype(std::declval<Tensor>().reshape({1}))> &&
              Fillable<decltype(std::declval<Tensor>().grad())>);
static_assert(Fillable<decltype(std::declval<Tensor>()[0])> &&
              Fillable<decltype(std::declval<Tensor&>().narrow(0, 0, 1))> &&
              Fillable<decltype(std::declval<Tensor&>().slice(0))> &&
              Fillable<decltype(std::declval<Tensor&>().select(0, 0))>);
static_assert(!Fillable<decltype(std::declval<const Tensor>()[0])> &&
              !Fillable<decltype(std::declval<const Tensor&>().narrow(0, 0, 1))> &&
              !Fillable<decltype(std::declval<const Tensor&>().slice(0))> &&
              !Fillable<decltype(std::declval<const Tensor&>().select(0, 0))>);
static_assert(!Fillable<decltype(std::declval<Tensor>().t())> &&
              !Fillable<decltype(std::declval<Tensor>().permute({0}))> &&
              !Fillable<decltype(std::declval<Tensor>().transpose(0, 1))> &&
              !Fillable<decltype(std::declval<Tensor>().expand({1}))>);
static_assert(std::is_assignable_v<Tensor&, Tensor> && std::is_assignable_v<Tensor&, const Tensor&> &&
              std::is_assignable_v<Tensor, const Tensor&> && !std::is_assignable_v<Tensor&, double> &&
              !std::is_assignable_v<const Tensor, Tensor> && !std::is_assignable_v<const Tensor&, Tensor>);

TEST(InPlaceTest, ChangingWhatABackwardNeedsIsAnErrorThatNamesIt) {
  const Tensor x = leaf({3, 4});
  Tensor c = values({1, 2});
  const Tensor y = tests::sum(tests::mul(x, c));
  c.mul_(2.0);
  EXPECT_EQ(error_of<GraphError>([&] { y.backward(); }),
            "backward of 'toy_mul': a tensor of shape [2] that it needs was changed in place after the forward; "
            "clone() it before changing it");
}

TEST(InPlaceTest, EvenThroughAnAliasOrRawMemory) {
  const Tensor x = leaf({3, 4});
  Tensor c = values({1, 2});
  Tensor y = tests::sum(tests::mul(x, c));
  c.alias({1, 2}).fill_(0.0);
  EXPECT_THROW(y.backward(), GraphError);
  y = tests::sum(tests::mul(x, c));
  c.mutable_data<double>()[0] = 1.0;
  EXPECT_THROW(y.backward(), GraphError);
}

TEST(InPlaceTest, TheOperationsOwnResult) {
  const Tensor x = leaf({1});
  Tensor y = tests::exp(x);
  y.detach().mul_(2.0);
  EXPECT_THAT(error_of<GraphError>([&] { y.backward(); }), HasSubstr("'toy_exp'"));
}

TEST(InPlaceTest, ChangingWhatNobodyNeedsIsAllowed) {
  const Tensor x = leaf({1});
  Tensor c = values({1});
  const Tensor y = tests::add(x, c);
  c.mul_(2.0);
  EXPECT_NO_THROW(y.backward());
}

TEST(InPlaceTest, ParametersChangeOnlyUnderNoGrad) {
  Tensor x = leaf({1});
  EXPECT_THROW(x.add_(values({1})), GraphError);
  EXPECT_THROW(x.fill_(2), GraphError);
  EXPECT_TRUE(values({1}).add_(x).requires_grad());  // recorded
  const NoGradGuard guard;
  x.add_(values({1}));
  EXPECT_THAT(numbers(x), ElementsAre(2));
}

TEST(InPlaceTest, AParameterChangedBetweenForwardAndBackward) {
  Tensor w = leaf({3});
  const Tensor y = tests::mul(w, w);
  {
    const NoGradGuard guard;
    w.sub_(values({1}));
  }
  EXPECT_THROW(y.backward(), GraphError);
}

TEST(SetDataTest, GivesLeavesOtherElements) {
  Tensor x = leaf({1, 2});
  x.set_grad(values({5, 5}));
  const Tensor same = x;
  x.set_data(values({7, 8}));
  EXPECT_THAT(numbers(same), ElementsAre(7, 8));
  EXPECT_TRUE(x.requires_grad());
  EXPECT_THAT(numbers(x.grad()), ElementsAre(5, 5));
  x.set_data(values({1, 2, 3}));
  EXPECT_FALSE(x.grad().defined());
  tests::sum(tests::mul(x, x)).backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(2, 4, 6));
  EXPECT_THROW(tests::scale(x, 1).set_data(values({1})), GraphError);
  EXPECT_THROW(x.set_data(Tensor::empty({2}, kInt64)), DTypeError);
}

TEST(SetDataTest, CountsAsAChangeOfWhatABackwardNeeds) {
  Tensor w = leaf({3});
  const Tensor y = tests::mul(w, w);
  w.set_data(values({4}));  // as many in-place writes as the previous data
  EXPECT_THROW(y.backward(), GraphError);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
