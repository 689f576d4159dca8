// Optimizer states contain parameter names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/optim/optim_support.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;
using tests::param_of;
using tests::tensor_of;

struct FirstSecond : Module {
  Linear first{2, 2, {.bias = false}};
  Linear second{2, 2, {.bias = false}};
  NORMGRAD_MEMBERS(FirstSecond, first, second)
};
struct SecondFirst : Module {
  Linear second{2, 2, {.bias = false}};
  Linear first{2, 2, {.bias = false}};
  NORMGRAD_MEMBERS(SecondFirst, second, first)
};
template <class Net>
struct Wrapped : Module {
  Net module;
  NORMGRAD_MEMBERS(Wrapped, module)
};

/// Momenta of 1 for `first` and 2 for `second`.
template <class Net>
StateDict trained(Net& net) {
  SGD optimizer(net.parameters(), {.momentum = 0.9});
  net.first.weight.set_grad(full({2, 2}, 1.0));
  net.second.weight.set_grad(full({2, 2}, 2.0));
  optimizer.step();
  return optimizer.state_dict();
}

double momentum_of(const Optimizer& optimizer, std::size_t i) {
  return optimizer.state_dict().at("state." + std::to_string(i) + ".momentum_buffer").to_vector<double>()[0];
}

TEST(OptimizerStateTest, EachParameterGetsTheStateOfItsName) {
  FirstSecond net;
  const StateDict state = trained(net);
  EXPECT_EQ(state.at("param.first.weight").item(), 0.0);
  EXPECT_EQ(state.at("param.second.weight").item(), 1.0);
  SecondFirst other;
  SGD optimizer(other.parameters(), {.momentum = 0.9});
  EXPECT_EQ(optimizer.param_name(0), "second.weight");
  EXPECT_THROW(optimizer.param_name(2), IndexError);
  optimizer.load_state_dict(state);
  EXPECT_EQ(momentum_of(optimizer, 0), 2.0);
  EXPECT_EQ(momentum_of(optimizer, 1), 1.0);
  // Also in groups.
  SGD grouped({{other.second.parameters(), {}}, {other.first.parameters(), {}}});
  EXPECT_EQ(error_of<ValueError>([&] { grouped.load_state_dict(state); }).substr(0, 60),
            "SGD: load_state_dict: the state does not fit; nothing was lo");
  SGD decayed(norm_aware_groups(other, SGDOptions{.momentum = 0.9}));
  decayed.load_state_dict(state);
  EXPECT_EQ(momentum_of(decayed, 0), 2.0);
}

TEST(OptimizerStateTest, NamesThatDoNotFitAreListed) {
  FirstSecond net;
  const StateDict state = trained(net);
  Sequential other(Linear(2, 2, {.bias = false}), Linear(2, 2, {.bias = false}));
  SGD optimizer(other.parameters());
  EXPECT_EQ(error_of<ValueError>([&] { optimizer.load_state_dict(state); }),
            "SGD: load_state_dict: the state does not fit; nothing was loaded\n"
            "  missing: parameter '0.weight'\n"
            "  missing: parameter '1.weight'\n"
            "  unexpected: parameter 'first.weight'\n"
            "  unexpected: parameter 'second.weight'");
  EXPECT_EQ(optimizer.options().momentum, 0.0);
  optimizer.load_state_dict(state, {.key_map = {{"first", "1"}, {"second.weight", "0.weight"}}});
  EXPECT_EQ(momentum_of(optimizer, 0), 2.0);
  EXPECT_EQ(momentum_of(optimizer, 1), 1.0);
  EXPECT_THAT(error_of<ValueError>([&] {
                optimizer.load_state_dict(state, {.key_map = {{"first", "1"}, {"second", "1"}}});
              }),
              HasSubstr("twice: parameter '1.weight'"));
}

TEST(OptimizerStateTest, PrefixesOfWrappers) {
  FirstSecond net;
  const StateDict state = trained(net);
  Wrapped<SecondFirst> wrapped;
  SGD of_wrapped(wrapped.parameters());
  of_wrapped.load_state_dict(state);
  EXPECT_EQ(momentum_of(of_wrapped, 0), 2.0);
  const StateDict state_of_wrapped = of_wrapped.state_dict();
  EXPECT_TRUE(state_of_wrapped.contains("param.module.first.weight"));
  SGD bare(net.parameters());
  bare.load_state_dict(state_of_wrapped);
  EXPECT_EQ(momentum_of(bare, 0), 1.0);
  SGD again(wrapped.parameters());
  again.load_state_dict(state_of_wrapped);
  EXPECT_EQ(momentum_of(again, 0), 2.0);
  SGD named(net.parameters());
  named.load_state_dict(state_of_wrapped, {.prefix = "module.", .key_map = {{"first", "second"}, {"second", "first"}}});
  EXPECT_EQ(momentum_of(named, 0), 2.0);
}

TEST(OptimizerStateTest, StatesWithoutNamesLoadByTheirOrder) {
  FirstSecond net;
  StateDict state = trained(net);
  state.erase("param.first.weight");
  state.erase("param.second.weight");
  SGD optimizer(net.parameters());
  optimizer.load_state_dict(state);
  EXPECT_EQ(momentum_of(optimizer, 1), 2.0);
  EXPECT_EQ(error_of<ValueError>([&] { optimizer.load_state_dict(state, {.prefix = "module."}); }),
            "SGD: load_state_dict: expected a state with parameter names for prefix and key_map but got one without");
  // An optimizer of a plain vector has no names.
  SGD unnamed(std::vector<Tensor>{net.first.weight, net.second.weight});
  EXPECT_EQ(unnamed.param_name(0), "");
  unnamed.load_state_dict(trained(net));
  EXPECT_EQ(momentum_of(unnamed, 1), 2.0);
}

TEST(OptimizerStateTest, NamesBelongToTheTensors) {
  FirstSecond net;
  ParameterList list = net.parameters();
  list.erase(list.begin());
  list.push_back(param_of({1.0}));
  EXPECT_EQ(list.name(0), "second.weight");
  EXPECT_EQ(list.name(1), "");
  std::swap(list[0], list[1]);
  EXPECT_EQ(list.name(1), "second.weight");
  EXPECT_THROW(list.name(2), std::out_of_range);
  // A name shared by two parameters is not stored.
  Linear a(2, 2, {.bias = false});
  Linear b(2, 2, {.bias = false});
  SGD optimizer({{a.parameters(), {}}, {b.parameters(), {}}});
  EXPECT_EQ(optimizer.param_name(0, 1), "weight");
  EXPECT_FALSE(optimizer.state_dict().contains("param.weight"));
}

TEST(OptimizerStateTest, NumbersOutOfRangeLoadNothing) {
  const Tensor param = param_of({1.0});
  Adam optimizer({param}, {.lr = 0.5});
  const auto error_with = [&](const char* key, double value) {
    StateDict state = optimizer.state_dict();
    state[key].fill_(value);
    return error_of<ValueError>([&] { optimizer.load_state_dict(state); });
  };
  EXPECT_EQ(error_with("group.0.lr", -1.0),
            "Adam: load_state_dict: the state does not fit; nothing was loaded\n  Adam: expected lr >= 0 but got -1");
  EXPECT_THAT(error_with("state.0.step", -1.0),
              HasSubstr("out of range: state.0.step: expected a whole number of at least 0 but got -1"));
  EXPECT_EQ(optimizer.lr(), 0.5);
}

TEST(OptimizerStateTest, TheInitialRateGoesAlong) {
  SGD first({param_of({1.0})}, {.lr = 0.5});
  EXPECT_FALSE(first.state_dict().contains("group.0.initial_lr"));
  ExponentialLR schedule(first, 0.5);
  schedule.step();
  SGD second({param_of({1.0})}, {.lr = 9.0});
  second.load_state_dict(first.state_dict());
  EXPECT_EQ(second.lr(), 0.25);
  EXPECT_EQ(second.initial_lr(), 0.5);
  const StepLR fresh(second, 3);  // a schedule made after loading starts from there
  EXPECT_EQ(second.lr(), 0.5);
}

TEST(OptimizerStateTest, SlotsTakeTheParametersDType) {
  const Tensor wide = param_of({1.0});
  SGD first({wide}, {.momentum = 0.5});
  Tensor(wide).set_grad(tensor_of({1.0}));
  first.step();
  SGD second({param_of({1.0}, kFloat32)});
  second.load_state_dict(first.state_dict());
  EXPECT_EQ(second.state_dict().at("state.0.momentum_buffer").dtype(), kFloat32);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
