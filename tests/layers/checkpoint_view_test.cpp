// Results that share memory, and changes in place around checkpoint(), hooks and apply_function().
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/checkpoint.hpp"
#include "normgrad/core/autograd/function.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/identity.hpp"
#include "normgrad/layers/norm/power_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::numbers;
using tests::random_tensor;

Tensor parameter(const std::vector<double>& values) {
  return from_vector(values, {static_cast<std::int64_t>(values.size())}).requires_grad_();
}

TEST(CheckpointViewTest, AViewOfAnInputStaysOne) {
  const Tensor w = parameter({1, 2, 3, 4});
  const Tensor u = parameter({5, 7});
  Tensor h = w * 1.0;
  Tensor y = checkpoint([](const Tensor& a) { return a.reshape({2, 2}); }, h);
  y[0].mul_(u);
  y.mul_(2.0);
  EXPECT_THAT(numbers(h), ElementsAre(10, 28, 6, 8));
  h.sum().backward();
  EXPECT_THAT(numbers(w.grad()), ElementsAre(10, 14, 2, 2));
  EXPECT_THAT(numbers(u.grad()), ElementsAre(2, 4));
}

TEST(CheckpointViewTest, TheFunctionMustNotChangeItsInput) {
  const Tensor w = parameter({1, 2});
  const Tensor h = w * 1.0;
  const auto change = [&](const std::vector<Tensor>& in) {
    Tensor a = in[0];
    return a.mul_(w);
  };
  EXPECT_THAT(error_of<GraphError>([&] { checkpoint(change, {h}); }),
              HasSubstr("checkpoint: the function changed input 0 in place"));
  const auto doubled = [](const std::vector<Tensor>& in) {
    Tensor a = in[0];
    return a.mul_(2.0);
  };
  EXPECT_THAT(numbers(checkpoint(doubled, {ones({2})})), ElementsAre(2, 2));  // never called again
}

// A part that was taken before its whole was changed gets its node late.
TEST(CheckpointViewTest, APartThatIsOutOfDate) {
  const Tensor w = parameter({0.1, 0.2, 0.3});
  Tensor h = w * 1.0;
  Tensor q = h.narrow(0, 0, 2);
  h.mul_(2.0);
  int calls = 0;
  q.register_hook([&](const Tensor&) {
    ++calls;
    return Tensor();
  });
  const auto loss = [&] {
    return checkpoint([&](const Tensor& a) { return tanh(a * q); }, q).sum() +
           checkpoint([&](const Tensor& a) { return a * q; }, w.narrow(0, 0, 2)).sum() + (q * q).sum();
  };
  const Tensor plain = tanh(q * q).sum() + (w.narrow(0, 0, 2) * q).sum() + (q * q).sum();
  const std::vector<double> expected = numbers(grad({plain}, {q}, {}, {.retain_graph = true})[0]);
  EXPECT_EQ(numbers(grad({loss()}, {q}, {}, {.retain_graph = true})[0]), expected);
  calls = 0;
  const Tensor y = loss();
  y.backward({}, {.retain_graph = true});
  EXPECT_EQ(calls, 1);
  y.backward();
  EXPECT_EQ(calls, 2);
}

TEST(CheckpointViewTest, AFunctionThatDrawsNothingLeavesTheGenerator) {
  const Tensor w = parameter({1, 2});
  const Tensor y = checkpoint([](const Tensor& a) { return tanh(a); }, w);
  manual_seed(3);
  // In the backward, before the function is called again, and after: nothing rewinds what is drawn meanwhile.
  const Tensor drawing = checkpoint(
      [](const Tensor& a) {
        default_generator()();
        return a * 1.0;
      },
      y);
  const std::uint64_t before = default_generator().position();
  drawing.register_hook([](const Tensor&) {
    default_generator()();
    return Tensor();
  });
  drawing.sum().backward();
  EXPECT_EQ(default_generator().position(), before + 1);
}

TEST(CheckpointViewTest, PowerNormLearnsItsGradientStatistics) {
  const auto train = [](bool checkpointed) {
    manual_seed(5);
    PowerNorm norm(2);
    std::vector<double> all;
    for (int i = 0; i < 3; ++i) {
      Tensor x = random_tensor({6, 2}, kFloat32, 40 + static_cast<std::uint32_t>(i)).requires_grad_();
      const Tensor y = checkpointed ? checkpoint([&](const Tensor& a) { return norm(a); }, x) : norm(x);
      (y * y * y).sum().backward();
      const std::vector<double> gradient = numbers(x.grad());
      all.insert(all.end(), gradient.begin(), gradient.end());
    }
    const std::vector<double> state = numbers(norm.ema_gz);
    all.insert(all.end(), state.begin(), state.end());
    return all;
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(AliasTest, AHookDoesNotHideAChangeInPlace) {
  Identity module;
  module.register_full_backward_hook([](Module&, const Tensor&, const Tensor&) { return Tensor(); });
  Tensor w = parameter({1, 1});
  Tensor h = w * 3.0;
  Tensor y = module(h);
  y.mul_(2.0);
  h.sum().backward();
  EXPECT_THAT(numbers(w.grad()), ElementsAre(6, 6));
  Tensor of_leaf = module(w);
  EXPECT_THAT(error_of<GraphError>([&] { of_leaf.mul_(2.0); }), HasSubstr("a part of a leaf that requires gradients"));
  EXPECT_THAT(numbers(w), ElementsAre(1, 1));
}

TEST(AliasTest, AFunctionThatReturnsItsInputReturnsACopy) {
  const Tensor w = parameter({1, 2});
  const auto reversed = [&] {
    return apply_function(
        "reverse", {w}, [](const auto& in) { return in[0]; },
        [](const auto&, const Tensor&, const Tensor& gy) { return std::vector<Tensor>{-gy}; });
  };
  reversed().sum().backward();
  EXPECT_THAT(numbers(w.grad()), ElementsAre(-1, -1));
  Tensor y = reversed();
  y.mul_(2.0);
  EXPECT_THAT(numbers(w), ElementsAre(1, 2));
  // The backward is given the result.
  EXPECT_THAT(error_of<GraphError>([&] { y.sum().backward(); }), HasSubstr("'reverse': a tensor of shape [2]"));
}

TEST(AliasTest, APartOfWhatBecameALeaf) {
  Tensor x = from_vector<double>({1, 2, 3}, {3});
  Tensor part = x.narrow(0, 0, 2);
  x.requires_grad_();
  EXPECT_THAT(error_of<GraphError>([&] { part.mul_(2.0); }), HasSubstr("a part of a leaf that requires gradients"));
  EXPECT_THAT(numbers(x), ElementsAre(1, 2, 3));
}

TEST(AliasTest, RefusedDataLeavesALeafAndItsPartsAsTheyWere) {
  Tensor w = parameter({1, 2});
  Tensor part = w.narrow(0, 0, 1);
  EXPECT_THROW(w.set_data(zeros({2}, {.dtype = kInt64})), DTypeError);
  EXPECT_THAT(error_of<GraphError>([&] { part.mul_(2.0); }), HasSubstr("a part of a leaf that requires gradients"));
  w.requires_grad_(false);
  part.mul_(2.0);  // still knows w
  EXPECT_THAT(numbers(w), ElementsAre(2, 2));
}

TEST(AliasTest, ARetainedGradientOfAPartIsThatOfItsLastValue) {
  const Tensor w = parameter({1, 2, 3});
  Tensor h = w * 1.0;
  Tensor part = h.narrow(0, 0, 2);
  part.retain_grad();
  h.mul_(2.0);
  (part * part).sum().backward();
  ASSERT_TRUE(part.grad().defined());
  EXPECT_THAT(numbers(part.grad()), ElementsAre(4, 8));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
