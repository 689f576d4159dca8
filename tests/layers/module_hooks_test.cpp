#include "normgrad/layers/module/hooks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/gradcheck/gradcheck.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

/// y = scale * x.
struct Scale : Module {
  explicit Scale(double value) : scale(full({}, value, {.dtype = kFloat64})) {}
  Parameter scale;
  NORMGRAD_MEMBERS(Scale, scale)
  Tensor forward(const Tensor& x) override { return x * scale; }
};

struct TwoArguments : Module {
  Scale inside{2.0};
  NORMGRAD_MEMBERS(TwoArguments, inside)
  NORMGRAD_CALL_FORWARD()
  Tensor forward(const Tensor& a, const Tensor& b) { return inside(a + b); }
};

Tensor vector(const std::vector<double>& values, bool requires_grad = false) {
  Tensor x = Tensor::empty({static_cast<std::int64_t>(values.size())}, kFloat64);
  std::copy(values.begin(), values.end(), x.mutable_data<double>());
  return x.requires_grad_(requires_grad);
}

TEST(ModuleHookTest, ForwardHooksSeeAndReplace) {
  Scale twice(2.0);
  std::vector<double> seen;
  ModuleHookHandle before = twice.register_forward_pre_hook([&](Module& module, const Tensor& x) {
    EXPECT_EQ(&module, &twice);
    seen.push_back(x[0].item());
    return x + 1.0;
  });
  ModuleHookHandle after = twice.register_forward_hook([&](Module&, const Tensor& x, const Tensor& y) {
    seen.push_back(x[0].item());
    seen.push_back(y[0].item());
    return y * 10.0;
  });
  EXPECT_EQ(twice(vector({1.0}))[0].item(), 40.0);
  EXPECT_THAT(seen, ElementsAre(1.0, 2.0, 4.0));
  before.remove();
  EXPECT_EQ(twice(vector({1.0}))[0].item(), 20.0);
  after.remove();
  after.remove();
  EXPECT_EQ(twice(vector({1.0}))[0].item(), 2.0);
  EXPECT_THAT(seen, ElementsAre(1.0, 2.0, 4.0, 1.0, 2.0));
}

TEST(ModuleHookTest, HooksRunInOrderAndMayRemoveThemselves) {
  Scale twice(2.0);
  std::string order;
  ModuleHookHandle first;
  first = twice.register_forward_hook([&](Module&, const Tensor&, const Tensor&) {
    order += "a";
    first.remove();
    return Tensor();
  });
  twice.register_forward_hook([&](Module&, const Tensor&, const Tensor&) {
    order += "b";
    return Tensor();
  });
  twice(vector({1.0}));
  twice(vector({1.0}));
  EXPECT_EQ(order, "abb");
}

TEST(ModuleHookTest, BackwardHookSeesBothGradientsAndReplacesOne) {
  Scale twice(2.0);
  const Tensor x = vector({1.0, 3.0}, true);
  std::vector<double> seen;
  ModuleHookHandle handle = twice.register_full_backward_hook([&](Module&, const Tensor& gx, const Tensor& gy) {
    seen = {gx[0].item(), gx[1].item(), gy[0].item(), gy[1].item()};
    return gx * 5.0;
  });
  const Tensor w = vector({0.5, -1.5});
  (twice(x) * w).sum().backward();
  EXPECT_THAT(seen, ElementsAre(1.0, -3.0, 0.5, -1.5));
  EXPECT_THAT(x.grad().to_vector<double>(), ElementsAre(5.0, -15.0));
  EXPECT_EQ(twice.scale.grad().item(), 0.5 * 1.0 - 1.5 * 3.0) << "the parameters' gradients are not touched";
  handle.remove();
  seen.clear();
  Tensor again = x;
  again.set_grad({});
  (twice(x) * w).sum().backward();
  EXPECT_TRUE(seen.empty());
  EXPECT_THAT(x.grad().to_vector<double>(), ElementsAre(1.0, -3.0));
}

TEST(ModuleHookTest, BackwardHookGetsTheWholeGradientOfAnArgumentUsedTwice) {
  struct Square : Module {
    NORMGRAD_MEMBERS(Square)
    Tensor forward(const Tensor& x) override { return x * x; }
  } square;
  int calls = 0;
  square.register_full_backward_hook([&](Module&, const Tensor& gx, const Tensor&) {
    ++calls;
    EXPECT_EQ(gx[0].item(), 6.0);
    return Tensor();
  });
  const Tensor x = vector({3.0}, true);
  square(x).sum().backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(x.grad()[0].item(), 6.0);
}

TEST(ModuleHookTest, BackwardHookWithoutAGradientOfTheArgument) {
  Scale twice(2.0);
  int calls = 0;
  twice.register_full_backward_hook([&](Module&, const Tensor& gx, const Tensor& gy) {
    ++calls;
    EXPECT_FALSE(gx.defined());
    EXPECT_EQ(gy[0].item(), 1.0);
    return gy * 100.0;
  });
  twice(vector({3.0})).sum().backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(twice.scale.grad().item(), 3.0);
}

TEST(ModuleHookTest, GradientsOfAllOrdersGoThroughBackwardHooks) {
  Scale twice(1.5);
  twice.register_full_backward_hook([](Module&, const Tensor&, const Tensor&) { return Tensor(); });
  const Tensor x = vector({0.3, -0.7}, true);
  const auto f = [&](const std::vector<Tensor>& in) { return twice(in[0] * in[0] * in[0]); };
  check_gradients(f, {x});
  // Only the parameter's gradient is requested, and recorded: there must be no reference cycle.
  const Tensor y = twice(x).square().sum();
  grad({y}, {twice.scale}, {}, {.create_graph = true});
}

TEST(ModuleHookTest, WrongGradientFromABackwardHookIsRefused) {
  Scale twice(2.0);
  twice.register_full_backward_hook([](Module&, const Tensor& gx, const Tensor&) { return gx.sum(); });
  const Tensor x = vector({1.0, 2.0}, true);
  EXPECT_EQ(error_of<GraphError>([&] { twice(x).sum().backward(); }),
            "full backward hook on Scale: expected a gradient of float64 [2] but got float64 []");
  EXPECT_THAT(error_of<ValueError>([&] { twice.register_forward_hook({}); }), HasSubstr("empty std::function"));
}

TEST(ModuleHookTest, OneThatTakesItselfOffLivesToItsEnd) {
  Scale twice(2.0);
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> witness = held;
  ModuleHookHandle handle;
  handle =
      twice.register_forward_hook([&handle, &witness, held = std::move(held)](Module&, const Tensor&, const Tensor&) {
        handle.remove();
        EXPECT_FALSE(witness.expired());
        return Tensor();
      });
  twice(vector({1.0}));
  EXPECT_TRUE(witness.expired());
}

TEST(ModuleHookTest, HooksMayTakeOthersOffAndPutOthersOn) {
  Scale twice(2.0);
  std::string calls;
  ModuleHookHandle first;
  ModuleHookHandle second;
  first = twice.register_full_backward_hook([&](Module& module, const Tensor&, const Tensor&) {
    calls += 'a';
    first.remove();
    second.remove();
    for (int i = 0; i < 20; ++i) {  // the list grows and is reallocated
      module.register_full_backward_hook([&calls](Module&, const Tensor&, const Tensor&) {
        calls += 'n';
        return Tensor();
      });
    }
    return Tensor();
  });
  second = twice.register_full_backward_hook([&](Module&, const Tensor&, const Tensor&) {
    calls += 'b';
    return Tensor();
  });
  const Tensor x = vector({1.0, 2.0}, true);
  twice(x).sum().backward();
  EXPECT_EQ(calls, "a");  // added hooks count from the next call on, removed ones are not called
  calls.clear();
  twice(x).sum().backward();
  EXPECT_EQ(calls, std::string(20, 'n'));
  ModuleHookHandle before;
  before = twice.register_forward_pre_hook([&](Module&, const Tensor&) {
    before.remove();
    return Tensor();
  });
  ModuleHookHandle after;
  after = twice.register_forward_hook([&](Module& module, const Tensor&, const Tensor&) {
    after.remove();
    for (int i = 0; i < 20; ++i) {
      module.register_forward_hook([](Module&, const Tensor&, const Tensor&) { return Tensor(); });
    }
    return Tensor();
  });
  EXPECT_EQ(twice(x)[1].item(), 4.0);
}

TEST(ModuleHookTest, CopiesHaveNoHooksAndMovesTakeThemAlong) {
  int calls = 0;
  const Module* seen = nullptr;
  const auto count = [&](Module& module, const Tensor&, const Tensor&) {
    ++calls;
    seen = &module;
    return Tensor();
  };
  auto original = std::make_unique<Scale>(2.0);
  ModuleHookHandle handle = original->register_forward_hook(count);
  original->register_full_backward_hook(count);
  Scale copy = *original;
  copy(vector({1.0}));
  EXPECT_EQ(calls, 0);
  const Tensor x = vector({1.0}, true);
  const Tensor y = (*original)(x).sum();
  EXPECT_EQ(calls, 1);
  Scale moved = std::move(*original);
  original.reset();
  y.backward();  // the module has moved since its forward
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(seen, &moved);
  handle.remove();
  moved(vector({1.0}));
  EXPECT_EQ(calls, 2);
}

TEST(ModuleHookTest, BackwardHookIsSilentOnceItsModuleIsGone) {
  auto gone = std::make_unique<Scale>(2.0);
  int calls = 0;
  ModuleHookHandle handle = gone->register_full_backward_hook([&](Module&, const Tensor&, const Tensor&) {
    ++calls;
    return Tensor();
  });
  const Tensor x = vector({1.0}, true);
  const Tensor y = (*gone)(x).sum();
  gone.reset();
  y.backward();
  handle.remove();
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(x.grad()[0].item(), 2.0);
}

TEST(ModuleHookTest, ModulesWithOtherForwardsRefuseHooks) {
  TwoArguments model;
  const Tensor a = vector({1.0});
  EXPECT_EQ(model(a, a)[0].item(), 4.0);
  ModuleHookHandle handle = model.register_forward_pre_hook([](Module&, const Tensor&) { return Tensor(); });
  EXPECT_THAT(error_of<Error>([&] { model(a, a); }), HasSubstr("register them on the modules inside"));
  handle.remove();
  EXPECT_EQ(model(a, a)[0].item(), 4.0);
}

TEST(ModuleNamesTest, PartsAreFrozenAndFoundByName) {
  Sequential net({{"stem", Sequential(Linear(3, 3), ReLU(), Linear(3, 3))}, {"stem2", Linear(3, 3)}});
  EXPECT_EQ(net.requires_grad_({"stem.0", "stem2.bias"}, false), 3);
  std::vector<std::string> learned;
  for (const auto& [name, parameter] : net.named_parameters()) {
    if (parameter.requires_grad()) {
      learned.push_back(name);
    }
  }
  EXPECT_THAT(learned, ElementsAre("stem.2.weight", "stem.2.bias", "stem2.weight"));
  EXPECT_EQ(net.requires_grad_({"stem"}, true), 4);
  EXPECT_THAT(error_of<ValueError>([&] {
                net.requires_grad_({"stem2", "ste"}, false);
              }),
              HasSubstr("but got 'ste'; there are: 'stem.0.weight', 'stem.0.bias'"));
  EXPECT_TRUE(net.get_parameter("stem2.weight").requires_grad()) << "nothing was changed";
  EXPECT_EQ(net.get_submodule("stem.1").type_name(), "ReLU");
  EXPECT_EQ(&net.get_submodule(""), &net);
  EXPECT_THAT(error_of<ValueError>([&] { net.get_submodule("stem.7"); }),
              HasSubstr("there is no module named 'stem.7'"));
  EXPECT_TRUE(is_same(net.get_parameter("stem2.bias"), net.at<Linear>(1).bias));
  EXPECT_THAT(error_of<ValueError>([&] { net.get_parameter("bias"); }),
              HasSubstr("there is no parameter named 'bias'"));
}

TEST(ModuleHookTest, AHookThatAnotherOneRemovesIsNotCalled) {
  Scale scale(2.0);
  std::string calls;
  ModuleHookHandle second;
  ModuleHookHandle third;
  scale.register_forward_pre_hook([&](Module&, const Tensor&) {
    calls += '1';
    second.remove();
    return Tensor();
  });
  second = scale.register_forward_pre_hook([&](Module&, const Tensor&) {
    calls += '2';
    return Tensor();
  });
  third = scale.register_forward_pre_hook([&](Module&, const Tensor&) {
    calls += '3';
    third.remove();
    return Tensor();
  });
  scale(vector({1.0}));
  scale(vector({1.0}));
  EXPECT_EQ(calls, "131");
  EXPECT_TRUE(scale.has_hooks());
}

TEST(ModuleHookTest, WithoutItsLastHookAModuleHasNone) {
  Scale scale(2.0);
  EXPECT_FALSE(scale.has_hooks());
  ModuleHookHandle handle = scale.register_forward_hook([](Module&, const Tensor&, const Tensor&) { return Tensor(); });
  EXPECT_TRUE(scale.has_hooks());
  handle.remove();
  EXPECT_FALSE(scale.has_hooks());
}

TEST(ModuleHookTest, ABackwardHookMustNotChangeGradientsInPlace) {
  for (const bool of_argument : {true, false}) {
    Scale scale(2.0);
    scale.register_full_backward_hook([&](Module&, const Tensor& gx, const Tensor& gy) {
      const NoGradGuard no_grad;
      Tensor(of_argument ? gx : gy).mul_(2.0);
      return Tensor();
    });
    Tensor x = vector({1.0, 2.0});
    x.requires_grad_();
    const Tensor y = scale(x);
    EXPECT_THROW(y.backward(vector({1.0, 1.0})), GraphError) << of_argument;
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
