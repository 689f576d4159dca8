#include "normgrad/dist/sharded_optimizer.hpp"

#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/optim/adam.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

std::vector<std::vector<float>> values_of(const Module& model) {
  std::vector<std::vector<float>> values;
  for (const Tensor& parameter : model.parameters()) {
    values.push_back(parameter.to_vector<float>());
  }
  return values;
}

/// Gradients that are the same on all ranks; one parameter has none.
void set_gradients(const Module& model, int step) {
  std::uint32_t seed = static_cast<std::uint32_t>(step) * 10;
  const ParameterList parameters = model.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Tensor parameter = parameters[i];
    parameter.set_grad(i == 1 ? Tensor() : random_tensor(parameter.shape(), kFloat32, ++seed));
  }
}

void expect_equal(const StateDict& a, const StateDict& b) {
  EXPECT_EQ(a.size(), b.size());
  for (const auto& [key, value] : a) {
    ASSERT_TRUE(b.contains(key)) << key;
    EXPECT_EQ(value.dtype(), b.at(key).dtype()) << key;
    EXPECT_EQ(value.to_vector<double>(), b.at(key).to_vector<double>()) << key;
  }
}

template <class O, class Options>
void compare_with_unsharded(const Options& options) {
  manual_seed(5);
  Sequential one{Linear(3, 4), Linear(4, 2), Linear(2, 1)};
  Sequential many = one;
  O whole(one.parameters(), options);
  ShardedOptimizer<O> sharded(many.parameters(), options);
  for (int step = 0; step < 4; ++step) {
    if (step == 2) {  // from one kind to the other
      whole.load_state_dict(sharded.state_dict());
      sharded.load_state_dict(whole.state_dict());
      whole.set_lr(0.02);
      sharded.set_lr(0.02);
    }
    set_gradients(one, step);
    set_gradients(many, step);
    whole.step();
    sharded.step();
    EXPECT_EQ(values_of(one), values_of(many)) << "step " << step;
    expect_equal(whole.state_dict(), sharded.state_dict());
  }
  EXPECT_EQ(sharded.lr(), 0.02);
  sharded.zero_grad();
  EXPECT_FALSE(many.parameters()[0].grad().defined());
}

TEST(ShardedOptimizer, StepsLikeTheWholeOne) {
  compare_with_unsharded<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9});
  compare_with_unsharded<AdamW>(AdamWOptions{.lr = 0.01});
}

TEST(ShardedOptimizer, KeepsItsShareOfTheState) {
  const ProcessGroup group = ProcessGroup::world();
  Sequential model{Linear(8, 8), Linear(8, 8), Linear(8, 8)};
  ShardedOptimizer<AdamW> optimizer(model.parameters(), {.lr = 0.01});
  ASSERT_NE(optimizer.own(), nullptr);
  const std::int64_t own = static_cast<std::int64_t>(optimizer.own()->params().size());
  std::int64_t elements = 0;
  for (const Tensor& parameter : optimizer.own()->params()) {
    elements += parameter.numel();
  }
  // Three weights of 64 elements and three biases of 8: 128 and 88 on 2 ranks, 72 on 3, 64, 64, 64 and 24 on 4.
  EXPECT_LE(elements, group.size() == 1 ? 216 : group.size() == 2 ? 128 : 72);
  EXPECT_EQ(group.all_reduce(full({}, own, {.dtype = kInt64})).item(), 6);
}

TEST(ShardedOptimizer, HasRanksWithoutParameters) {
  const ProcessGroup group = ProcessGroup::world();
  Linear model(2, 2, {.bias = false});
  ShardedOptimizer<SGD> optimizer(model.parameters(), {.lr = 1.0});
  EXPECT_EQ(optimizer.own() != nullptr, group.rank() == 0);
  {
    Tensor weight = model.parameters()[0];
    weight.set_data(ones({2, 2}));
    weight.set_grad(ones({2, 2}));
  }
  optimizer.step();
  EXPECT_EQ(model.weight.to_vector<float>(), std::vector<float>(4, 0.0F));
  const StateDict state = optimizer.state_dict();
  optimizer.set_lr(5.0);
  optimizer.load_state_dict(state);
  EXPECT_EQ(optimizer.lr(), 1.0);
  EXPECT_EQ(error_of<ValueError>([] { ShardedOptimizer<SGD> none(ParameterList{}); }),
            "ShardedOptimizer: expected parameters but got an empty list");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
