// Life cycle of graphs: long chains, fan-out, threads, exceptions, modes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>
#include <stdexcept>
#include <thread>

#include "tests/support/raises.hpp"
#include "tests/support/toy_ops.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using tests::error_of;
using tests::leaf;
using tests::numbers;
using tests::values;

constexpr int kLong = 200000;

// Runs `f` on a thread whose stack is too small for recursion over a long chain.
void on_small_stack(const std::function<void()>& f) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, std::size_t{256} << 10), 0);
  pthread_t thread = {};
  const auto run = [](void* context) -> void* {
    (*static_cast<const std::function<void()>*>(context))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, const_cast<std::function<void()>*>(&f)), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

Tensor chain(const Tensor& x, int length) {
  Tensor y = x;
  for (int i = 0; i < length; ++i) {
    y = tests::scale(y, i % 2 == 0 ? 2.0 : 0.5);
  }
  return y;
}

TEST(LongChainTest, RunsAndDies) {
  on_small_stack([] {
    const Tensor x = leaf({3});
    {
      const Tensor y = chain(x, kLong);
      EXPECT_EQ(live_nodes(), kLong);
      y.backward();
    }
    EXPECT_EQ(live_nodes(), 0);
    EXPECT_THAT(numbers(x.grad()), ElementsAre(1));
  });
}

TEST(LongChainTest, DiesWithoutBackward) {
  on_small_stack([] {
    Tensor x = leaf({3});
    Tensor y = chain(x, kLong);
    x = Tensor();
    y = Tensor();
    EXPECT_EQ(live_nodes(), 0);
  });
}

TEST(LongChainTest, DiesWithSavedTensorsBetweenTheNodes) {
  on_small_stack([] {
    Tensor y = leaf({1});
    for (int i = 0; i < kLong; ++i) {
      y = tests::mul(y, y);  // each node holds its input, which holds the previous node
    }
    y = Tensor();
    EXPECT_EQ(live_nodes(), 0);
  });
}

TEST(LongChainTest, GradRecordedAndDifferentiatedAgain) {
  on_small_stack([] {
    const Tensor x = leaf({1});
    Tensor y = x;
    for (int i = 0; i < kLong / 10; ++i) {
      y = tests::mul(y, tests::add(x, tests::scale(x, -1)));  // times 0
      y = tests::add(y, x);
    }
    const Tensor gx = grad({y}, {x}, {}, {.create_graph = true})[0];
    EXPECT_THAT(numbers(gx), ElementsAre(1));
  });
  EXPECT_EQ(live_nodes(), 0);
}

TEST(LongChainTest, MidwayHandleKeepsItsPartAlive) {
  const Tensor x = leaf({3});
  Tensor middle = chain(x, 10);
  {
    const Tensor y = chain(middle, 10);
    EXPECT_EQ(live_nodes(), 20);
  }
  EXPECT_EQ(live_nodes(), 10);
  middle.backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(1));
}

TEST(FanOutTest, ManyConsumersOfOneTensor) {
  const Tensor x = leaf({1, 2});
  const Tensor h = tests::scale(x, 2);
  std::vector<Tensor> parts;
  for (int i = 0; i < 5000; ++i) {
    parts.push_back(tests::scale(h, i));
  }
  const Tensor y = record("wide", values({0, 0}), parts, [](const Tensor& gy, GradSink& into) {
    for (std::size_t i = 0; i < 5000; ++i) {
      into.add(i, gy);
    }
  });
  y.backward(values({1, 1}));
  const double total = 2.0 * 4999.0 * 5000.0 / 2.0;
  EXPECT_THAT(numbers(x.grad()), ElementsAre(total, total));
}

TEST(FanOutTest, ExponentiallyManyPathsAreWalkedOnce) {
  const Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 60; ++i) {
    y = tests::add(y, y);
  }
  y.backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(0x1p60));
}

// --- exceptions during a backward

Tensor failing(const Tensor& x, bool& fails) {
  return record("failing", tests::scale(x.detach(), 1), {x}, [&fails](const Tensor& gy, GradSink& into) {
    if (fails) {
      throw std::runtime_error("no");
    }
    into.add(0, gy);
  });
}

TEST(ExceptionTest, LeavesNoGradientAndNoGraphBehind) {
  bool fails = true;
  const Tensor x = leaf({1});
  const Tensor w = leaf({2});
  {
    const Tensor y = tests::mul(failing(tests::scale(x, 3), fails), w);
    EXPECT_THROW(y.backward({}, {.retain_graph = true}), std::runtime_error);
    EXPECT_FALSE(w.grad().defined());  // leaves come last: an aborted backward changes none
    EXPECT_TRUE(is_grad_enabled());
    fails = false;
    y.backward();
    EXPECT_THAT(numbers(x.grad()), ElementsAre(6));
    EXPECT_THAT(numbers(w.grad()), ElementsAre(3));
  }
  EXPECT_EQ(live_nodes(), 0);
}

TEST(ExceptionTest, WrongGradientsNameTheOperation) {
  const Tensor x = leaf({1, 2});
  const auto with = [&x](auto backward) { return tests::sum(record("wrong", values({0, 0}), {x}, backward)); };
  EXPECT_EQ(error_of<GraphError>([&] {
              with([](const Tensor&, GradSink& into) { into.add(0, values({1, 2, 3})); }).backward();
            }),
            "backward of 'wrong': expected a gradient of float64 [2] for input 0 but got float64 [3]");
  EXPECT_EQ(error_of<GraphError>(
                [&] { with([](const Tensor&, GradSink& into) { into.add(0, Tensor::empty({2})); }).backward(); }),
            "backward of 'wrong': expected a gradient of float64 [2] for input 0 but got float32 [2]");
  EXPECT_EQ(
      error_of<GraphError>([&] { with([](const Tensor&, GradSink& into) { into.add(0, Tensor()); }).backward(); }),
      "backward of 'wrong': expected a gradient for input 0 but got an undefined tensor");
  EXPECT_EQ(error_of<GraphError>([&] { with([](const Tensor& gy, GradSink& into) { into.add(1, gy); }).backward(); }),
            "backward of 'wrong': expected gradients for 1 inputs but got one for input 1");
  EXPECT_FALSE(x.grad().defined());
}

TEST(ExceptionTest, UndefinedInputsAreNeverWanted) {
  const Tensor x = leaf({1});
  const Tensor none;
  const Tensor y = record("optional", values({1}), {x, none}, [](const Tensor& gy, GradSink& into) {
    EXPECT_FALSE(into.wants(1));
    into.add(0, gy);
    into.add(1, Tensor());
  });
  y.backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(1));
}

// --- modes

TEST(GradModeTest, NothingIsRecordedUnderTheGuard) {
  const Tensor x = leaf({1});
  {
    const NoGradGuard guard;
    EXPECT_FALSE(is_grad_enabled());
    const Tensor y = tests::mul(x, x);
    EXPECT_FALSE(y.requires_grad());
    EXPECT_TRUE(y.is_leaf());
    EXPECT_EQ(live_nodes(), 0);
    {
      const GradModeGuard on(true);
      EXPECT_TRUE(tests::mul(x, x).requires_grad());
    }
    EXPECT_FALSE(is_grad_enabled());
  }
  EXPECT_TRUE(is_grad_enabled());
}

TEST(GradModeTest, TheGuardConcernsItsThreadOnly) {
  const NoGradGuard guard;
  bool enabled = false;
  std::thread([&] { enabled = is_grad_enabled(); }).join();
  EXPECT_TRUE(enabled);
}

TEST(GradModeTest, NoNodesWithoutInputsThatRequireGradients) {
  const Tensor y = tests::mul(values({1}), values({2}));
  EXPECT_FALSE(y.requires_grad());
  EXPECT_EQ(live_nodes(), 0);
}

TEST(GradModeTest, DetachCuts) {
  const Tensor x = leaf({3});
  const Tensor y = tests::mul(x, x);
  EXPECT_FALSE(y.detach().requires_grad());
  tests::mul(x, y.detach()).backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(9));
}

// --- requires_grad of results

TEST(RequiresGradTest, Switches) {
  Tensor x = values({1});
  EXPECT_FALSE(x.requires_grad());
  EXPECT_TRUE(x.is_leaf());
  x.requires_grad_();
  EXPECT_TRUE(x.requires_grad());
  EXPECT_TRUE(x.is_leaf());
  Tensor y = tests::scale(x, 2);
  EXPECT_FALSE(y.is_leaf());
  EXPECT_NO_THROW(y.requires_grad_());
  EXPECT_EQ(
      error_of<GraphError>([&] { y.requires_grad_(false); }),
      "requires_grad_: the tensor is the result of 'toy_scale'; only leaves can be switched off; detach() it instead");
  x.requires_grad_(false);
  EXPECT_FALSE(x.requires_grad());
  EXPECT_EQ(error_of<DTypeError>([] { Tensor::empty({2}, kInt64).requires_grad_(); }),
            "requires_grad_: expected a float32 or float64 tensor but got int64; convert it with "
            "to(kFloat32) first");
}

TEST(RequiresGradTest, SetGradChecks) {
  Tensor x = leaf({1, 2});
  EXPECT_EQ(error_of<GraphError>([&] { x.set_grad(values({1})); }),
            "set_grad: expected a gradient of float64 [2] but got float64 [1]");
  EXPECT_THROW(values({1}).set_grad(values({1})), GraphError);
  x.set_grad(values({1, 1}));
  x.set_grad({});
  EXPECT_FALSE(x.grad().defined());
}

TEST(RequiresGradTest, RetainGrad) {
  const Tensor x = leaf({3});
  Tensor h = tests::mul(x, x);
  const Tensor other = tests::scale(h, 1);
  h.retain_grad();
  tests::scale(h, 5).backward({}, {.retain_graph = true});
  EXPECT_THAT(numbers(h.grad()), ElementsAre(5));
  EXPECT_THROW(values({1}).retain_grad(), GraphError);
}

// --- threads

TEST(ThreadsTest, IndependentGraphsRunAtTheSameTime) {
  const auto work = [](double start, double& result) {
    for (int i = 0; i < 200; ++i) {
      const Tensor x = leaf({start});
      Tensor y = x;
      for (int k = 0; k < 50; ++k) {
        y = tests::add(tests::mul(y, tests::exp(tests::scale(y, -1))), x);
      }
      result = grad({y}, {x})[0].item();
    }
  };
  double expected = 0.0;
  double first = 0.0;
  double second = 0.0;
  work(0.25, expected);
  std::thread a([&] { work(0.25, first); });
  std::thread b([&] { work(0.25, second); });
  a.join();
  b.join();
  EXPECT_EQ(first, expected);
  EXPECT_EQ(second, expected);
  EXPECT_EQ(live_nodes(), 0);
}

TEST(ThreadsTest, AGraphMayDieOnAnotherThread) {
  const Tensor x = leaf({1});
  Tensor y = chain(x, 1000);
  std::thread([y = std::move(y)]() mutable { y = Tensor(); }).join();
  EXPECT_EQ(live_nodes(), 0);
}

TEST(NestedTest, ABackwardWithinABackward) {
  const Tensor x = leaf({3});
  const Tensor y = record("nested", values({9}), {x}, [x = Saved(x)](const Tensor& gy, GradSink& into) {
    const GradModeGuard recorded(true);
    const Tensor inner = x.get().detach().requires_grad_();
    into.add(0, tests::mul(gy, grad({tests::mul(inner, inner)}, {inner})[0]).detach());
  });
  y.backward();
  EXPECT_THAT(numbers(x.grad()), ElementsAre(6));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
