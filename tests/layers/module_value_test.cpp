// Modules and parameters as values: the effect of copies and assignments on tensors with other handles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

// Members of all kinds: modules, a vector, a Sequential and a module whose type is chosen at run time.
struct Varied : Module {
  Linear first{2, 3};
  std::vector<Linear> more;
  Sequential rest{{{"norm", BatchNorm1d(3)}, {"act", ReLU()}, {"out", Linear(3, 2)}}};
  AnyModule any = Linear(2, 2);
  std::optional<Linear> maybe;
  NORMGRAD_MEMBERS(Varied, first, more, rest, any, maybe)
  Varied() {
    more.emplace_back(3, 3);
    maybe.emplace(2, 2);
  }
  Tensor forward(const Tensor& x) override { return (*maybe)(any(rest(more[0](first(x))))); }
};

std::vector<std::vector<double>> all_values_of(const Module& module) {
  std::vector<std::vector<double>> values;
  for (const auto& [name, tensor] : module.state_dict()) {
    values.push_back(tensor.to_vector<double>());
  }
  return values;
}

void expect_same_tensors(const std::vector<Tensor>& before, const Module& module) {
  const std::vector<Tensor> now = module.parameters();
  ASSERT_EQ(now.size(), before.size());
  for (std::size_t i = 0; i < now.size(); ++i) {
    EXPECT_TRUE(is_same(now[i], before[i])) << i;
  }
}

TEST(ModuleValueTest, AssignmentCopiesIntoTheTensorsThatAreThere) {
  Varied net;
  const Varied best;
  const std::vector<Tensor> held = net.parameters();
  const std::vector<Tensor> buffers = net.buffers();
  net(ones({4, 2})).sum().backward();
  net = best;
  expect_same_tensors(held, net);
  EXPECT_TRUE(is_same(net.buffers()[0], buffers[0]));
  EXPECT_EQ(all_values_of(net), all_values_of(best));
  EXPECT_TRUE(held[0].grad().defined());
  net.zero_grad();
  EXPECT_FALSE(held[0].grad().defined());
  // Temporaries and moved models also copy.
  net = Varied();
  expect_same_tensors(held, net);
  Varied other;
  const std::vector<std::vector<double>> values = all_values_of(other);
  net = std::move(other);
  expect_same_tensors(held, net);
  EXPECT_EQ(all_values_of(net), values);
}

TEST(ModuleValueTest, AssignedLayersGoOnBeingTrained) {
  Linear layer(2, 1, {.bias = false});
  const Tensor held = layer.weight;
  int calls = 0;
  held.register_hook([&](const Tensor&) {
    ++calls;
    return Tensor();
  });
  layer.weight = Parameter(full({1, 2}, 3.0));
  EXPECT_TRUE(is_same(held, layer.weight));
  EXPECT_EQ(held.to_vector<double>(), (std::vector{3.0, 3.0}));
  layer(ones({1, 2})).sum().backward();
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(held.grad().defined());
}

TEST(ModuleValueTest, AnotherShapeIsSeenByAllWhoHoldTheParameter) {
  Linear layer(2, 1);
  const Tensor held = layer.weight;
  layer(ones({1, 2})).sum().backward();
  layer = Linear(3, 4, {.dtype = kFloat64});
  EXPECT_TRUE(is_same(held, layer.weight));
  EXPECT_EQ(held.shape(), (Shape{4, 3}));
  EXPECT_EQ(held.dtype(), kFloat64);
  EXPECT_FALSE(held.grad().defined());  // it had the old shape
  EXPECT_EQ(layer(ones({1, 3}, {.dtype = kFloat64})).shape(), (Shape{1, 4}));
  // A bias that the source lacks is removed, and one that it has is added.
  layer = Linear(3, 4, {.bias = false});
  EXPECT_FALSE(layer.bias.defined());
  layer = Linear(3, 4);
  EXPECT_TRUE(layer.bias.defined());
  EXPECT_TRUE(layer.bias.requires_grad());
}

TEST(ModuleValueTest, AssignmentSharesNoMemory) {
  Parameter target(zeros({2}));
  Tensor source = ones({2});
  target = Parameter(source);
  const NoGradGuard no_grad;
  source.fill_(5.0);
  EXPECT_EQ(target.to_vector<double>(), (std::vector{1.0, 1.0}));
}

TEST(ModuleValueTest, ModesStayAsTheyAre) {
  Sequential q(Linear(2, 3), BatchNorm1d(3));
  Sequential target = q;
  target.requires_grad_(false);
  target.eval();
  target.at<BatchNorm1d>(1).freeze();
  target.at<BatchNorm1d>(1).set_updates(false);
  q.at<BatchNorm1d>(1).set_statistics(Statistics::batch);
  target = q;
  EXPECT_FALSE(target.is_training());
  EXPECT_FALSE(target.at<BatchNorm1d>(1).is_training());
  EXPECT_TRUE(target.at<BatchNorm1d>(1).is_frozen());
  EXPECT_FALSE(target.at<BatchNorm1d>(1).updates());
  EXPECT_EQ(target.at<BatchNorm1d>(1).statistics(), Statistics::automatic);
  for (const Tensor& parameter : target.parameters()) {
    EXPECT_FALSE(parameter.requires_grad());
  }
  // A copy keeps them.
  const Sequential copy = target;
  EXPECT_FALSE(copy.is_training());
  EXPECT_TRUE(copy.at<BatchNorm1d>(1).is_frozen());
  // A frozen norm that is assigned one without running statistics cannot normalize with them.
  BatchNorm1d frozen(3);
  frozen.freeze();
  frozen = BatchNorm1d(3, {.track_running_stats = false});
  EXPECT_EQ(frozen(randn({4, 3})).shape(), (Shape{4, 3}));
}

TEST(ModuleValueTest, ModulesOfAnotherTypeAreReplaced) {
  AnyModule any = Linear(2, 2);
  any = AnyModule(ReLU());
  EXPECT_NE(any.as<ReLU>(), nullptr);
  Linear linear(2, 2);
  any = linear;
  EXPECT_NE(any.as<Linear>(), nullptr);
  const Tensor held = any->parameters()[0];
  any = Linear(2, 2);
  EXPECT_TRUE(is_same(held, any->parameters()[0]));
  any = any;  // NOLINT
  EXPECT_TRUE(is_same(held, any->parameters()[0]));
  any = AnyModule();
  EXPECT_FALSE(any);
}

TEST(ModuleValueTest, SwapExchangesTheValues) {
  Varied a;
  Varied b;
  const std::vector<std::vector<double>> of_a = all_values_of(a);
  const std::vector<std::vector<double>> of_b = all_values_of(b);
  std::swap(a, b);
  EXPECT_EQ(all_values_of(a), of_b);
  EXPECT_EQ(all_values_of(b), of_a);
}

// --- classes derived from models and layers

struct PlainBase : Module {
  Linear a{2, 2};
  StateBuffer seen{zeros({1})};
  NORMGRAD_MEMBERS(PlainBase, a, seen)
  Tensor forward(const Tensor& x) override { return a(x); }
};

struct WithHead : PlainBase {
  Linear b{2, 2};
  NORMGRAD_MEMBERS(WithHead, b)
  Tensor forward(const Tensor& x) override { return b(PlainBase::forward(x)); }
};

struct Further : WithHead {
  Linear c{2, 1};
  NORMGRAD_MEMBERS(Further, c, a)  // members of the base may be named again
};

std::vector<std::string> state_keys_of(const Module& module) {
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : module.state_dict()) {
    keys.push_back(key);
  }
  return keys;
}

TEST(DerivedModuleTest, HasTheMembersOfItsBase) {
  EXPECT_THAT(state_keys_of(WithHead()), ElementsAre("a.weight", "a.bias", "seen", "b.weight", "b.bias"));
  EXPECT_THAT(state_keys_of(Further()),
              ElementsAre("a.weight", "a.bias", "seen", "b.weight", "b.bias", "c.weight", "c.bias"));
  WithHead net;
  net.to(kFloat64);
  EXPECT_EQ(net(ones({1, 2}, {.dtype = kFloat64})).dtype(), kFloat64);
  EXPECT_THAT(to_string(net), HasSubstr("(a): Linear"));
  EXPECT_EQ(net.clone()->parameters().size(), 4U);
}

struct SameName : PlainBase {
  Linear a{2, 2};  // NOLINT: hides the base's on purpose
  NORMGRAD_MEMBERS(SameName, a)
};

TEST(DerivedModuleTest, RefusesTwoMembersOfOneName) {
  EXPECT_THAT(error_of<ValueError>([] { SameName().parameters(); }),
              HasSubstr("a class and its base class both have a member named 'a'"));
}

struct Times100 : Linear {  // without its own NORMGRAD_MEMBERS
  using Linear::Linear;
  Tensor forward(const Tensor& x) override { return Linear::forward(x) * 100.0; }
};

struct OwnNorm : BatchNorm2d {
  using BatchNorm2d::BatchNorm2d;
  Tensor forward(const Tensor& x) override { return BatchNorm2d::forward(x) * 2.0; }
};

TEST(DerivedModuleTest, CopiesKeepTheirType) {
  manual_seed(1);
  Sequential net(Times100(2, 2), ReLU());
  Sequential copy = net;
  const Tensor x = ones({1, 2});
  EXPECT_EQ(copy(x).to_vector<double>(), net(x).to_vector<double>());
  Sequential assigned(Times100(2, 2), ReLU());
  const Tensor held = assigned.parameters()[0];
  assigned = net;
  EXPECT_TRUE(is_same(held, assigned.parameters()[0]));
  EXPECT_EQ(assigned(x).to_vector<double>(), net(x).to_vector<double>());
  // If the type cannot be known, copying throws.
  const AnyModule hidden(std::unique_ptr<Module>(new Times100(2, 2)));
  EXPECT_EQ(
      error_of<Error>([&] { const AnyModule cut = hidden; }),
      "Linear: clone: expected a class with its own NORMGRAD_MEMBERS but got one derived from Linear without it, "
      "whose copy would be a Linear; write NORMGRAD_MEMBERS(Class, members...) in it, with the members that it adds");
}

TEST(DerivedModuleTest, CallsTheForwardOfItsBaseByName) {
  OwnNorm own(2);
  BatchNorm2d plain(2);
  const Tensor x = randn({3, 2, 2, 2});
  EXPECT_EQ(own(x).to_vector<double>(), (plain(x) * 2.0).to_vector<double>());
}

struct HoldsPointer : Module {
  std::unique_ptr<Linear> inner = std::make_unique<Linear>(2, 2);
  std::vector<std::unique_ptr<Linear>> more;
  NORMGRAD_MEMBERS(HoldsPointer, inner, more)
  Tensor forward(const Tensor& x) override { return (*inner)(x); }
};

TEST(ModuleValueTest, ModulesWithPointersAreNotCopied) {
  HoldsPointer net;
  EXPECT_EQ(net.parameters().size(), 2U);
  EXPECT_EQ(net(ones({1, 2})).shape(), (Shape{1, 2}));
  EXPECT_EQ(error_of<Error>([&] { net.clone(); }),
            "HoldsPointer: clone: expected members that can be copied; hold modules in an AnyModule instead of a "
            "std::unique_ptr");
}

// --- layers missing from NORMGRAD_MEMBERS

struct Forgets : Module {
  Linear named{2, 2};
  Linear forgotten{2, 3};
  NORMGRAD_MEMBERS(Forgets, named)
  Tensor forward(const Tensor& x) override { return forgotten(named(x)); }
};

TEST(ForgottenMemberTest, IsToldInTheFirstCall) {
  Sequential net(Forgets{});
  const std::string text = error_of<ValueError>([&] { net(ones({1, 2})); });
  EXPECT_THAT(text, HasSubstr("Forgets '0': expected all layers in NORMGRAD_MEMBERS but the member "
                              "Linear(in_features=2, out_features=3, bias=true)"));
  EXPECT_EQ(error_of<ValueError>([&] { net(ones({1, 2})); }), text);  // on every call, not only the first
}

TEST(ForgottenMemberTest, WhatDoesNotLearnMayBeUnnamed) {
  Forgets net;
  net.forgotten.requires_grad_(false);
  EXPECT_EQ(net(ones({1, 2})).shape(), (Shape{1, 3}));
  Forgets alone;
  EXPECT_EQ(alone.forgotten(ones({1, 2})).shape(), (Shape{1, 3}));  // called separately
}

struct CallsAnother : Module {
  Module* other = nullptr;
  Linear own{2, 2};
  NORMGRAD_MEMBERS(CallsAnother, own)
  Tensor forward(const Tensor& x) override { return (*other)(own(x)); }
};

TEST(ForgottenMemberTest, AModuleFromElsewhereIsWarnedOf) {
  Linear shared(2, 2);
  CallsAnother net;
  net.other = &shared;
  testing::internal::CaptureStderr();
  net(ones({1, 2}));
  net(ones({1, 2}));
  const std::string text = testing::internal::GetCapturedStderr();
  const std::size_t at = text.find("calls a module that is not one of its members");
  EXPECT_NE(at, std::string::npos) << text;
  EXPECT_EQ(text.find("calls a module", at + 1), std::string::npos) << text;  // once
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
