#include "normgrad/train/norm_aware_groups.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/support/raises.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

// A user-defined norm, unknown to the library, with a parameter of two axes.
struct OwnNorm : Module {
  Parameter gain = Parameter(ones({4}));
  Parameter table = Parameter(ones({2, 2}));
  NORMGRAD_MEMBERS(OwnNorm, gain, table)
  Tensor forward(const Tensor& x) override { return x * gain; }
};

struct Net : Module {
  Conv2d conv{3, 4, 3};
  BatchNorm2d norm1{4};
  Sequential body{Linear(4, 4), LayerNorm(Shape{2, 4}), ReLU(), RMSNorm(4), GroupNorm(2, 4)};
  OwnNorm own;
  Linear head{4, 2, {.bias = false}};
  NORMGRAD_MEMBERS(Net, conv, norm1, body, own, head)
};

std::string role_of(const DecaySplit& split, const std::string& name) {
  for (const DecaySplit::Entry& entry : split.entries) {
    if (entry.name == name) {
      return decay_role_name(entry.role);
    }
  }
  return "missing";
}

// The tables of a conditional batch norm are weights and biases of a norm; what computes them elsewhere is a layer.
TEST(NormAwareGroupsTest, RolesOfConditionalNorms) {
  struct Conditional : Module {
    ConditionalBatchNorm2d norm{4, 3};
    SPADE spade{4, 3};
    AdaLN ada{4, 3};
    SwitchableNorm2d switched{4};
    NORMGRAD_MEMBERS(Conditional, norm, spade, ada, switched)
  };
  Conditional net;
  const DecaySplit split = decay_split(net);
  EXPECT_EQ(role_of(split, "norm.weight"), "norm");
  EXPECT_EQ(role_of(split, "norm.bias"), "norm");
  EXPECT_EQ(role_of(split, "spade.mlp_gamma.weight"), "weight");
  EXPECT_EQ(role_of(split, "ada.modulation.weight"), "weight");
  EXPECT_EQ(role_of(split, "switched.mean_weight"), "norm");
}

TEST(NormAwareGroupsTest, RolesOfParameters) {
  Net net;
  const DecaySplit split = decay_split(net);
  EXPECT_EQ(role_of(split, "conv.weight"), "weight");
  EXPECT_EQ(role_of(split, "conv.bias"), "bias");
  EXPECT_EQ(role_of(split, "norm1.weight"), "norm");
  EXPECT_EQ(role_of(split, "norm1.bias"), "norm");
  EXPECT_EQ(role_of(split, "body.0.weight"), "weight");
  EXPECT_EQ(role_of(split, "body.1.weight"), "norm");  // has 2 axes, and still no decay
  EXPECT_EQ(role_of(split, "body.3.weight"), "norm");
  EXPECT_EQ(role_of(split, "body.4.bias"), "norm");
  EXPECT_EQ(role_of(split, "own.gain"), "vector");
  EXPECT_EQ(role_of(split, "own.table"), "weight");
  EXPECT_EQ(role_of(split, "head.weight"), "weight");
  EXPECT_EQ(split.entries.size(), net.parameters().size());
  EXPECT_EQ(split.decayed().size(), 4U);
  EXPECT_EQ(split.spared().size(), split.entries.size() - 4U);
  EXPECT_EQ(split.decayed().name(3), "head.weight");
}

// A norm's gamma with axes of size 1 is a vector; matrices of the library's layers are weights, however narrow.
struct Narrow : Module {
  Parameter gamma = Parameter(ones({1, 6, 1, 1}));
  Parameter scalar = Parameter(ones({1, 1}));
  Parameter table = Parameter(ones({1, 6, 2, 1}));
  Linear to_one{6, 1};
  Conv2d one_by_one{1, 6, 1};
  NORMGRAD_MEMBERS(Narrow, gamma, scalar, table, to_one, one_by_one)
};

TEST(NormAwareGroupsTest, AxesLongerThanOneAreCounted) {
  Narrow net;
  const DecaySplit split = decay_split(net);
  EXPECT_EQ(role_of(split, "gamma"), "vector");
  EXPECT_EQ(role_of(split, "scalar"), "vector");
  EXPECT_EQ(role_of(split, "table"), "weight");
  EXPECT_EQ(role_of(split, "to_one.weight"), "weight");
  EXPECT_EQ(role_of(split, "one_by_one.weight"), "weight");
  Linear alone(6, 1);
  EXPECT_EQ(role_of(decay_split(alone), "weight"), "weight");
}

TEST(NormAwareGroupsTest, MoreMayBeSpared) {
  Net net;
  const DecaySplit split = decay_split(net, {"own", "head.weight"});
  EXPECT_EQ(role_of(split, "own.table"), "named");
  EXPECT_EQ(role_of(split, "own.gain"), "named");
  EXPECT_EQ(role_of(split, "head.weight"), "named");
  EXPECT_EQ(role_of(split, "conv.weight"), "weight");
  EXPECT_EQ(error_of<ValueError>([&] { decay_split(net, {"hea"}); }),
            "decay_split: expected names of parameters or modules but got 'hea', which is neither");
}

TEST(NormAwareGroupsTest, ANormAlone) {
  BatchNorm1d norm(3);
  EXPECT_EQ(role_of(decay_split(norm), "weight"), "norm");
  const auto groups = norm_aware_groups(norm, SGDOptions{.weight_decay = 0.5});
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].options.weight_decay, 0.0);
}

TEST(NormAwareGroupsTest, Prints) {
  Sequential net(Linear(784, 100), BatchNorm1d(100), ReLU(), Linear(100, 10));
  std::ostringstream out;
  out << decay_split(net, {"3.weight"});
  EXPECT_EQ(out.str(),
            "weight decay: 1 parameters (78,400 values) of 6\n"
            "  weight      78,400 values  0.weight\n"
            "without: 5 parameters (1,310 values)\n"
            "  norm           200 values  1.weight, 1.bias\n"
            "  bias           110 values  0.bias, 3.bias\n"
            "  named        1,000 values  3.weight\n");
}

// With zero gradients, only the decay changes a parameter.
template <class O, class Options>
void expect_only_weights_move(Options options) {
  options.lr = 0.125;
  options.weight_decay = 0.5;
  Sequential net(Linear(3, 4), BatchNorm1d(4));
  for (Tensor& parameter : net.parameters()) {
    const NoGradGuard no_grad;
    parameter.fill_(1.0);
    parameter.set_grad(zeros(parameter.shape()));
  }
  O optimizer(norm_aware_groups(net, options));
  EXPECT_EQ(optimizer.num_groups(), 2U);
  optimizer.step();
  for (const auto& [name, parameter] : net.named_parameters()) {
    const Tensor& first = parameter;
    const double value = first.to_vector<double>()[0];
    if (name == "0.weight") {
      EXPECT_LT(value, 1.0) << optimizer.type_name();
    } else {
      EXPECT_EQ(value, 1.0) << optimizer.type_name() << " " << name;
    }
  }
}

TEST(NormAwareGroupsTest, ForEveryOptimizer) {
  expect_only_weights_move<SGD>(SGDOptions{});
  expect_only_weights_move<Adam>(AdamOptions{});
  expect_only_weights_move<AdamW>(AdamWOptions{});
  expect_only_weights_move<NAdam>(NAdamOptions{});
  expect_only_weights_move<RAdam>(RAdamOptions{});
  expect_only_weights_move<RMSprop>(RMSpropOptions{});
  expect_only_weights_move<Adagrad>(AdagradOptions{});
  expect_only_weights_move<Adadelta>(AdadeltaOptions{});
  expect_only_weights_move<Adamax>(AdamaxOptions{});
  expect_only_weights_move<Lion>(LionOptions{});
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
