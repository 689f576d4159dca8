#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(HookTest, SeesTheWholeGradientOfALeafOnce) {
  const Tensor x = leaf({3});
  std::vector<double> seen;
  x.register_hook([&](const Tensor& g) {
    seen.push_back(g.item());
    return Tensor();
  });
  tests::add(tests::mul(x, x), tests::scale(x, 10)).backward();
  EXPECT_THAT(seen, ElementsAre(16));
  EXPECT_THAT(numbers(x.grad()), ElementsAre(16));
}

TEST(HookTest, SeesWhatThisBackwardAddsNotWhatIsThere) {
  Tensor x = leaf({3});
  x.set_grad(values({100}));
  double seen = 0.0;
  x.register_hook([&](const Tensor& g) {
    seen = g.item();
    return Tensor();
  });
  tests::scale(x, 2).backward();
  EXPECT_EQ(seen, 2);
  EXPECT_THAT(numbers(x.grad()), ElementsAre(102));
}

TEST(HookTest, ReplacesTheGradientOfAResult) {
  const Tensor x = leaf({3});
  Tensor h = tests::scale(x, 2);
  h.retain_grad();
  h.register_hook([](const Tensor& g) { return tests::scale(g, 10); });
  tests::scale(h, 5).backward();
  EXPECT_THAT(numbers(h.grad()), ElementsAre(50));
  EXPECT_THAT(numbers(x.grad()), ElementsAre(100));
}

TEST(HookTest, RunInTheOrderOfTheirRegistrationAndForGradToo) {
  const Tensor x = leaf({3});
  x.register_hook([](const Tensor& g) { return tests::add(g, values({1})); });
  x.register_hook([](const Tensor& g) { return tests::scale(g, 10); });
  EXPECT_THAT(numbers(grad({tests::scale(x, 2)}, {x})[0]), ElementsAre(30));
}

TEST(HookTest, CanBeTakenOff) {
  const Tensor x = leaf({3});
  int calls = 0;
  HookHandle handle = x.register_hook([&](const Tensor&) {
    ++calls;
    return Tensor();
  });
  tests::scale(x, 2).backward();
  handle.remove();
  handle.remove();
  tests::scale(x, 2).backward();
  EXPECT_EQ(calls, 1);
}

TEST(HookTest, MayTakeItselfOff) {
  const Tensor x = leaf({3});
  int calls = 0;
  HookHandle handle;
  handle = x.register_hook([&](const Tensor&) {
    ++calls;
    handle.remove();
    return Tensor();
  });
  tests::scale(x, 2).backward();
  tests::scale(x, 2).backward();
  EXPECT_EQ(calls, 1);
}

// Hooks added while hooks run count from the next gradient on; removed ones are not called.
TEST(HookTest, MayTakeOthersOffAndPutOthersOn) {
  const Tensor x = leaf({3});
  std::string calls;
  std::vector<HookHandle> handles(4);
  const auto add_hook = [&](std::size_t i, std::function<void()> action) {
    handles[i] = x.register_hook([&calls, i, action = std::move(action)](const Tensor&) {
      calls += static_cast<char>('a' + i);
      action();
      return Tensor();
    });
  };
  add_hook(0, [&] { handles[0].remove(); });
  add_hook(1, [&] {
    handles[0].remove();
    handles[2].remove();
    for (int i = 0; i < 20; ++i) {  // the list grows and is reallocated
      x.register_hook([&calls](const Tensor& g) {
        calls += 'n';
        return tests::scale(g, 1);
      });
    }
  });
  add_hook(2, [] {});
  add_hook(3, [&] { handles[1].remove(); });
  tests::scale(x, 2).backward();
  EXPECT_EQ(calls, "abd");
  calls.clear();
  tests::scale(x, 2).backward();
  EXPECT_EQ(calls, "d" + std::string(20, 'n'));
  EXPECT_THAT(numbers(x.grad()), ElementsAre(4));
}

TEST(HookTest, OneThatTakesItselfOffLivesToItsEnd) {
  const Tensor x = leaf({3});
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> witness = held;
  HookHandle handle;
  handle = x.register_hook([&handle, &witness, held = std::move(held)](const Tensor&) {
    handle.remove();
    EXPECT_FALSE(witness.expired());
    return Tensor();
  });
  tests::scale(x, 2).backward();
  EXPECT_TRUE(witness.expired());
}

TEST(HookTest, AHandleDoesNotKeepTheGraphAlive) {
  HookHandle handle;
  {
    const Tensor x = leaf({3});
    const Tensor h = tests::scale(x, 2);
    handle = h.register_hook([](const Tensor&) { return Tensor(); });
  }
  EXPECT_EQ(live_nodes(), 0);
  handle.remove();
}

TEST(HookTest, IsRecordedUnderCreateGraph) {
  const Tensor x = leaf({3});
  Tensor h = tests::scale(x, 1);
  h.register_hook([](const Tensor& g) { return tests::mul(g, g); });
  const Tensor g = grad({tests::mul(h, h)}, {x}, {}, {.create_graph = true})[0];  // (2x)^2
  EXPECT_THAT(numbers(g), ElementsAre(36));
  EXPECT_TRUE(g.requires_grad());
}

TEST(HookTest, Errors) {
  EXPECT_EQ(error_of<GraphError>([] { values({1}).register_hook([](const Tensor&) { return Tensor(); }); }),
            "register_hook: the tensor requires no gradient");
  const Tensor x = leaf({3});
  HookHandle handle = x.register_hook([](const Tensor&) { return values({1, 2}); });
  EXPECT_EQ(error_of<GraphError>([&] { tests::scale(x, 2).backward(); }),
            "hook on the gradient of 'leaf': expected float64 [1] but got float64 [2]");
  handle.remove();
  x.register_hook([](const Tensor& g) {
    Tensor(g).mul_(2.0);
    return Tensor();
  });
  EXPECT_EQ(error_of<GraphError>([&] { tests::scale(x, 2).backward(); }),
            "hook on the gradient of 'leaf': the gradient was changed in place; return a new tensor instead");
  EXPECT_FALSE(x.grad().defined());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
