// In-place operations that are recorded: of whole tensors, and through the parts that share their memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/logic/mask.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::gradients_agree;
using tests::numbers;
using tests::random_tensor;

struct Change {
  const char* name;
  std::function<void(Tensor& x, const Tensor& operand)> in_place;
  std::function<Tensor(const Tensor& x, const Tensor& operand)> out_of_place;
};

Tensor some_mask(const Tensor& like) {
  return to(reshape_to(arange(like.numel()) - to(arange(like.numel()) / 2, kInt64) * 2, like.shape()), kBool);
}

std::vector<Change> changes() {
  return {
      {"copy_", [](Tensor& x, const Tensor& y) { x.copy_(y); },
       [](const Tensor& x, const Tensor& y) { return expand_to(to(y, x.dtype()), x.shape()); }},
      {"fill_", [](Tensor& x, const Tensor&) { x.fill_(2.0); },
       [](const Tensor& x, const Tensor&) { return full(x.shape(), 2.0, {.dtype = x.dtype()}) + x * 0.0; }},
      {"add_", [](Tensor& x, const Tensor& y) { x.add_(y); }, [](const Tensor& x, const Tensor& y) { return x + y; }},
      {"add_scaled", [](Tensor& x, const Tensor& y) { x.add_(y, 0.3); },
       [](const Tensor& x, const Tensor& y) { return x + y * 0.3; }},
      {"sub_", [](Tensor& x, const Tensor& y) { x.sub_(y); }, [](const Tensor& x, const Tensor& y) { return x - y; }},
      {"sub_scaled", [](Tensor& x, const Tensor& y) { x.sub_(y, 0.3); },
       [](const Tensor& x, const Tensor& y) { return x - y * 0.3; }},
      {"mul_", [](Tensor& x, const Tensor& y) { x.mul_(y); }, [](const Tensor& x, const Tensor& y) { return x * y; }},
      {"mul_number", [](Tensor& x, const Tensor&) { x.mul_(0.7); },
       [](const Tensor& x, const Tensor&) { return x * 0.7; }},
      {"div_", [](Tensor& x, const Tensor& y) { x.div_(y); }, [](const Tensor& x, const Tensor& y) { return x / y; }},
      {"div_number", [](Tensor& x, const Tensor&) { x.div_(0.7); },
       [](const Tensor& x, const Tensor&) { return x / 0.7; }},
      {"masked_fill_", [](Tensor& x, const Tensor&) { x.masked_fill_(some_mask(x), 3.0); },
       [](const Tensor& x, const Tensor&) { return masked_fill(x, some_mask(x), 3.0); }},
      {"masked_fill_tensor", [](Tensor& x, const Tensor& y) { x.masked_fill_(some_mask(x), y.sum()); },
       [](const Tensor& x, const Tensor& y) { return masked_fill(x, some_mask(x), y.sum()); }},
      {"index_put_", [](Tensor& x, const Tensor& y) { x.index_put_({-1}, y[0].sum()); },
       [](const Tensor& x, const Tensor& y) { return index_put(x, {-1}, y[0].sum()); }},
      {"index_put_added", [](Tensor& x, const Tensor& y) { x.index_put_({-1}, y[0].sum(), true); },
       [](const Tensor& x, const Tensor& y) { return index_put(x, {-1}, y[0].sum(), true); }},
      {"twice", [](Tensor& x, const Tensor& y) { x.mul_(y).add_(y).mul_(y); },
       [](const Tensor& x, const Tensor& y) { return (x * y + y) * y; }},
  };
}

class RecordedInPlaceTest : public testing::TestWithParam<Change> {};

INSTANTIATE_TEST_SUITE_P(All, RecordedInPlaceTest, testing::ValuesIn(changes()),
                         [](const auto& test) { return std::string(test.param.name); });

Tensor inner(const Tensor& x, std::uint32_t seed) { return (x * random_tensor(x.shape(), x.dtype(), seed)).sum(); }

// Values, and gradients of first and second order, in place and out of place.
void expect_alike(const std::function<Tensor(const Tensor& a, const Tensor& b)>& in_place,
                  const std::function<Tensor(const Tensor& a, const Tensor& b)>& out_of_place, const Shape& operand) {
  for (const bool a_learned : {true, false}) {
    for (const bool b_learned : {true, false}) {
      if (!a_learned && !b_learned) {
        continue;
      }
      const Tensor a = random_tensor({3, 2}, kFloat64, 1).requires_grad_(a_learned);
      const Tensor b = (random_tensor(operand, kFloat64, 2) + 4.0).detach().requires_grad_(b_learned);
      const std::vector<Tensor> learned =
          a_learned && b_learned ? std::vector<Tensor>{a, b} : std::vector<Tensor>{a_learned ? a : b};
      std::vector<std::vector<double>> found[2];
      for (const bool is_in_place : {true, false}) {
        const Tensor y = is_in_place ? in_place(a, b) : out_of_place(a, b);
        auto& to = found[is_in_place ? 0 : 1];
        to.push_back(numbers(y));
        // Zeros stand for the gradients of what a result does not depend on.
        const auto gradients = [&](const Tensor& of) {
          std::vector<Tensor> all;
          for (const Tensor& x : learned) {
            all.push_back(zeros(x.shape(), {.dtype = kFloat64}));
          }
          if (of.requires_grad()) {
            const auto some = grad({of}, learned, {}, {.create_graph = true, .allow_unused = true});
            for (std::size_t i = 0; i < some.size(); ++i) {
              all[i] = some[i].defined() ? some[i] : all[i];
            }
          }
          return all;
        };
        for (const Tensor& g : gradients(inner(y * y, 3))) {
          to.push_back(numbers(g));
          for (const Tensor& h : gradients(inner(g, 4))) {
            to.push_back(numbers(h));
          }
        }
      }
      ASSERT_EQ(found[0].size(), found[1].size());
      for (std::size_t i = 0; i < found[0].size(); ++i) {
        ASSERT_EQ(found[0][i].size(), found[1][i].size()) << i;
        for (std::size_t j = 0; j < found[0][i].size(); ++j) {
          // Sums of at most 12 products of the same factors in another order.
          EXPECT_NEAR(found[0][i][j], found[1][i][j], 1e-13 * (1.0 + std::abs(found[1][i][j]))) << i << " " << j;
        }
      }
    }
  }
}

TEST_P(RecordedInPlaceTest, AWholeTensor) {
  for (const Shape& operand : {Shape{3, 2}, Shape{2}, Shape{3, 1}, Shape{1, 1}}) {
    expect_alike(
        [](const Tensor& a, const Tensor& b) {
          Tensor x = a * 1.5;
          const Tensor other = x;
          GetParam().in_place(x, b);
          return other * x;
        },
        [](const Tensor& a, const Tensor& b) {
          const Tensor x = GetParam().out_of_place(a * 1.5, b);
          return x * x;
        },
        operand);
  }
}

// A part taken before the change, the whole, and a part taken after it.
TEST_P(RecordedInPlaceTest, APart) {
  for (const Shape& operand : {Shape{2, 2}, Shape{2}, Shape{2, 1}}) {
    expect_alike(
        [](const Tensor& a, const Tensor& b) {
          Tensor x = a * 1.5;
          const Tensor before = x[1];
          const Tensor flat = x.view({6});
          Tensor part = x.narrow(0, 1, 2);
          GetParam().in_place(part, b);
          return cat({x * x, part, before.unsqueeze(0), x[2].unsqueeze(0), flat.view({3, 2})});
        },
        [](const Tensor& a, const Tensor& b) {
          const Tensor x = a * 1.5;
          const Tensor part = GetParam().out_of_place(narrow(x, 0, 1, 2), b);
          const Tensor y = slice_scatter(x, part, 0, 1);
          return cat({y * y, part, y.narrow(0, 1, 1), y.narrow(0, 2, 1), y});
        },
        operand);
  }
}

// A tensor that is not recorded before, whose part is.
TEST_P(RecordedInPlaceTest, APartOfAPlainTensor) {
  expect_alike(
      [](const Tensor& a, const Tensor& b) {
        Tensor x = ones({4, 3, 2}, {.dtype = kFloat64});
        x[0] = a;
        x[3] = a * 2.0;
        Tensor part = x.view({12, 2}).narrow(0, 1, 2);
        GetParam().in_place(part, b);
        return x;
      },
      [](const Tensor& a, const Tensor& b) {
        const Tensor x =
            cat({a.unsqueeze(0), ones({2, 3, 2}, {.dtype = kFloat64}), (a * 2.0).unsqueeze(0)}).view({12, 2});
        return slice_scatter(x, GetParam().out_of_place(narrow(x, 0, 1, 2), b), 0, 1, 3).view({4, 3, 2});
      },
      {2});
}

// Under NoGradGuard nothing is recorded.
TEST_P(RecordedInPlaceTest, NotUnderNoGrad) {
  const Tensor a = random_tensor({3, 2}, kFloat64, 1).requires_grad_();
  const Tensor b = random_tensor({2}, kFloat64, 2).requires_grad_();
  Tensor x = a + 1.0;
  const NodePtr node = x.node();
  const NoGradGuard no_grad;
  GetParam().in_place(x, b);
  Tensor part = x.narrow(0, 1, 2);
  GetParam().in_place(part, b);
  EXPECT_TRUE(x.node() == node);
}

TEST(InPlaceGradientTest, AgreesWithDifferences) {
  const Tensor x = random_tensor({4, 3}, kFloat64, 1).requires_grad_();
  const Tensor w = (random_tensor({3}, kFloat64, 2) + 3.0).detach().requires_grad_();
  const auto functions = std::vector<TensorFunction>{
      [](const std::vector<Tensor>& in) {
        Tensor rows = zeros({4, 3}, {.dtype = kFloat64});
        for (std::int64_t i = 0; i < 4; ++i) {
          rows[i] = in[0][3 - i] * in[1];
        }
        return rows * rows;
      },
      [](const std::vector<Tensor>& in) {
        Tensor y = in[0] * in[0];
        for (std::int64_t i = 1; i < 4; ++i) {
          y[i].mul_(y[i - 1]);  // a recurrence, each row from the one before
        }
        return y.div_(in[1]);
      },
      [](const std::vector<Tensor>& in) {
        Tensor y = in[0].clone();
        y.mul_(y).sub_(y[0]);
        y.view({12}).narrow(0, 2, 3).add_(in[1], 2.0);
        y.split(1)[3] = in[1];
        y.unbind()[0].mul_(in[1]);
        return exp(y * 0.1);
      },
  };
  for (std::size_t i = 0; i < functions.size(); ++i) {
    EXPECT_TRUE(gradients_agree(functions[i], {x, w})) << i;
  }
}

TEST(InPlaceGradientTest, OfPyTorchsExample) {
  Tensor w = tensor({1, 2, 3}, {.dtype = kFloat64, .requires_grad = true});
  Tensor batch = zeros({2, 3}, {.dtype = kFloat64});
  EXPECT_FALSE(batch.requires_grad());
  batch[0] = w;
  EXPECT_TRUE(batch.requires_grad());
  EXPECT_FALSE(batch.is_leaf());
  EXPECT_TRUE(batch[1].requires_grad());
  EXPECT_STREQ(batch.node()->name(), "copy_slices");
  batch[1] = 4.0;
  batch[0].mul_(tensor({1, 2, 3}, {.dtype = kFloat64}));
  (batch * batch).sum().backward();
  EXPECT_THAT(numbers(batch), ElementsAre(1, 4, 9, 4, 4, 4));
  EXPECT_THAT(numbers(w.grad()), ElementsAre(2, 16, 54));
}

TEST(InPlaceGradientTest, TheWholeMayBeGone) {
  Tensor w = tensor({1, 2}, {.dtype = kFloat64, .requires_grad = true});
  Tensor part = zeros({3, 2}, {.dtype = kFloat64}).view({6});
  Tensor other = part.narrow(0, 1, 4);
  part.narrow(0, 2, 2) = w;
  inner(other, 1).backward();
  EXPECT_EQ(numbers(w.grad()), numbers(random_tensor({4}, kFloat64, 1).narrow(0, 1, 2)));
}

TEST(InPlaceGradientTest, DetachedMemoryIsNotPartOfTheGraph) {
  Tensor w = tensor({1, 2}, {.requires_grad = true});
  Tensor x = zeros({2, 2});
  Tensor detached = x.detach();
  detached[0] = w;
  EXPECT_TRUE(detached.requires_grad());
  EXPECT_FALSE(x.requires_grad());
  EXPECT_THAT(numbers(x), ElementsAre(1, 2, 0, 0));
}

TEST(InPlaceGradientTest, WhatABackwardNeedsMustNotChange) {
  const Tensor w = tensor({{1, 2}, {3, 4}}, {.requires_grad = true});
  const std::string error =
      "backward of 'mul': a tensor of shape [2, 2] that it needs was changed in place after the forward; clone() it "
      "before changing it";
  Tensor x = w * 2.0;
  Tensor y = (x * x).sum();
  x[0] = w[1];
  EXPECT_EQ(error_of<GraphError>([&] { y.backward(); }), error);
  x = w * 2.0;
  y = (x * x).sum();
  x.add_(w);
  EXPECT_EQ(error_of<GraphError>([&] { y.backward(); }), error);
  x = zeros({2, 2});
  y = (w * x).sum();
  x[1].add_(w[0]);
  EXPECT_EQ(error_of<GraphError>([&] { y.backward(); }), error);
  x = exp(w);  // whose gradient needs its result
  x[0].mul_(2.0);
  EXPECT_THAT(error_of<GraphError>([&] { x.sum().backward(); }), HasSubstr("backward of 'exp'"));
}

// The results of operations on a tensor that is changed by these results: no cycles, which the tests' main function
// would report as live operations.
TEST(InPlaceGradientTest, ATensorMayDependOnWhatWasComputedFromIt) {
  const Tensor w = tensor({1, 2}, {.dtype = kFloat64, .requires_grad = true});
  {
    Tensor x = zeros({2}, {.dtype = kFloat64});
    x.add_(w * x);
    Tensor y = w * 1.0;
    y.mul_(exp(y * w));
    Tensor z = zeros({2, 2}, {.dtype = kFloat64});
    const Tensor row = z[1];
    z[0] = matmul(z, w);
    z[1].add_(row * z[0]);
    Tensor square_of = w * w;
    square_of.copy_(square_of * relu(square_of));
  }
  EXPECT_EQ(live_nodes(), 0);
}

TEST(InPlaceGradientTest, AnotherDTypeAndOverlap) {
  Tensor w = tensor({1, 2}, {.dtype = kFloat64, .requires_grad = true});
  Tensor x = zeros({2, 2});
  x[0] = w;
  x.mul_(w + 1.0).add_(tensor(1, {.dtype = kInt64}));
  EXPECT_EQ(x.dtype(), kFloat32);
  EXPECT_THAT(numbers(x), ElementsAre(3, 7, 1, 1));
  x.narrow(0, 0, 1).mul_(x.narrow(0, 1, 1));
  x[0].mul_(x[0]);
  x.sum().backward();
  EXPECT_EQ(w.grad().dtype(), kFloat64);
  // (w (w + 1) + 1)^2 and 1: 2 (w (w + 1) + 1) (2 w + 1)
  EXPECT_THAT(numbers(w.grad()), ElementsAre(18, 70));
  Tensor whole = zeros({2}, {.dtype = kInt64});
  whole.copy_(w);  // has no gradient
  EXPECT_FALSE(whole.requires_grad());
  EXPECT_THROW(whole.add_(w), DTypeError);
}

TEST(InPlaceGradientTest, RetainedGradientsAndHooks) {
  Tensor w = tensor({1, 2}, {.dtype = kFloat64, .requires_grad = true});
  Tensor x = w * 3.0;
  x.retain_grad();
  int calls = 0;
  x.register_hook([&](const Tensor& g) {
    ++calls;
    EXPECT_THAT(numbers(g), ElementsAre(10, 10));  // of the value before the change
    return Tensor();
  });
  x.mul_(10.0);
  x.sum().backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(1, 1));  // of the value after it
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(numbers(w.grad()), ElementsAre(30, 30));
  Tensor y = w * 3.0;
  Tensor part = y[1];
  y.retain_grad();
  part.retain_grad();
  part.mul_(5.0);
  (y * y).sum().backward();
  EXPECT_THAT(numbers(y.grad()), ElementsAre(6, 60));
  EXPECT_FALSE(part.grad().defined());  // y does not depend on this part of it
}

TEST(InPlaceGradientTest, LeavesAmongParts) {
  Tensor x = zeros({2, 2});
  Tensor part = x[0];
  part.requires_grad_();  // a leaf of its own
  Tensor w = tensor({1, 2}, {.requires_grad = true});
  x[1] = w;
  EXPECT_TRUE(part.is_leaf());
  EXPECT_THROW(part.add_(w), GraphError);
  Tensor leaf = zeros({2, 2});
  Tensor of_leaf = leaf[0];
  leaf.requires_grad_();
  EXPECT_FALSE(of_leaf.requires_grad());
  EXPECT_THROW(of_leaf.copy_(w), GraphError);
  leaf.requires_grad_(false);
  of_leaf.copy_(w);
  EXPECT_TRUE(leaf.requires_grad());
  // Other data: the parts keep the old memory, and its graph.
  Tensor plain = zeros({2, 2});
  Tensor old_part = plain[0];
  plain.set_data(ones({2, 2}));
  old_part.copy_(w);
  EXPECT_FALSE(plain.requires_grad());
  EXPECT_TRUE(old_part.requires_grad());
}

TEST(InPlaceGradientTest, ChannelsLast) {
  const Tensor w = random_tensor({3, 2, 2}, kFloat64, 1).requires_grad_();
  Tensor x = random_tensor({4, 3, 2, 2}, kFloat64, 2).as_channels_last();
  const Tensor before = x.narrow(0, 1, 2);
  x[1] = w;
  x.narrow(0, 1, 1).mul_(2.0);
  inner(x, 3).backward();
  EXPECT_EQ(numbers(w.grad()), numbers(random_tensor({4, 3, 2, 2}, kFloat64, 3)[1] * 2.0));
  EXPECT_EQ(numbers(before[0]), numbers(w * 2.0));
  EXPECT_TRUE(before.requires_grad());
}

// Parts that are out of date may be read by several threads at the same time.
TEST(InPlaceGradientTest, ThreadsMayReadParts) {
  Tensor w = tensor({1, 2}, {.requires_grad = true});
  for (int repeat = 0; repeat < 50; ++repeat) {
    Tensor x = zeros({3, 2});
    const Tensor part = x[1];
    x[0] = w;
    std::vector<NodePtr> found(4);
    std::vector<std::thread> threads;
    for (NodePtr& node : found) {
      threads.emplace_back([&part, &x, &node] {
        node = part.node();
        EXPECT_TRUE(x.narrow(0, 0, 2).requires_grad());
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const NodePtr& node : found) {
      EXPECT_TRUE(node == found[0]);
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
