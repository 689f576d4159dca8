#include "normgrad/layers/container/sequential.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/pooling.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

TEST(SequentialTest, TakesValuesPointersAndNames) {
  std::unique_ptr<Module> pointer = std::make_unique<Linear>(4, 5);
  const Linear lvalue(5, 6);
  Sequential net(Linear(3, 4), std::move(pointer), lvalue, NamedModule("act", ReLU()), AnyModule(Tanh()));
  ASSERT_EQ(net.size(), 5);
  EXPECT_EQ(net.named_children()[1].first, "1");
  EXPECT_EQ(net.named_children()[3].first, "act");
  EXPECT_EQ(net[-1].type_name(), "Tanh");
  EXPECT_EQ(net.at<Linear>(1).out_features(), 5);
  EXPECT_THROW(net.at<Linear>(4), ValueError);
  EXPECT_THROW(net[5], IndexError);
  EXPECT_THROW(net[-6], IndexError);
}

TEST(SequentialTest, NamedEntries) {
  Sequential net({{"fc1", Linear(3, 4)}, {"act", ReLU()}});
  net.push_back("fc2", Linear(4, 2)).push_back(ReLU());
  const NamedModules children = net.named_children();
  ASSERT_EQ(children.size(), 4U);
  EXPECT_EQ(children[0].first, "fc1");
  EXPECT_EQ(children[2].first, "fc2");
  EXPECT_EQ(children[3].first, "3");
  EXPECT_EQ(net.state_dict().begin()->first, "fc1.weight");
  EXPECT_THROW(net.push_back("fc1", ReLU()), ValueError);
  EXPECT_THROW(net.push_back("a.b", ReLU()), ValueError);
  EXPECT_THROW(net.push_back("", ReLU()), ValueError);
  EXPECT_THROW(net.push_back(AnyModule()), ValueError);
  EXPECT_EQ(net.size(), 4);
}

TEST(SequentialTest, CopiesShareNothing) {
  Sequential net(Linear(3, 4), Sequential(Linear(4, 4), ReLU()));
  Sequential copy = net;  // not nested
  EXPECT_EQ(copy.size(), 2);
  EXPECT_EQ(net.parameters().size(), 4U);
  EXPECT_FALSE(is_same(copy.parameters()[2], net.parameters()[2]));
  EXPECT_EQ(copy.parameters()[2].to_vector<float>(), net.parameters()[2].to_vector<float>());
  Sequential moved = std::move(copy);
  EXPECT_EQ(moved.size(), 2);
}

TEST(SequentialTest, EmptyGivesItsInput) {
  Sequential net;
  const Tensor x = Tensor::empty({2});
  EXPECT_TRUE(is_same(net(x), x));
}

// ReLU and max pooling may be computed in either order, with the same values and gradients.
TEST(SequentialTest, ReluBeforeMaxPoolingGivesWhatItSays) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    manual_seed(3);
    // Rounded to integers, for ties, zeros and windows without positive elements.
    Tensor values = randn({3, 4, 8, 8}, {.dtype = dtype});
    values = where(gt(values, 0.5), 1.0 + 0.0 * values, where(lt(values, -0.5), values, 0.0 * values));
    for (const std::int64_t padding : {0, 1}) {
      Sequential net(ReLU(), MaxPool2d(2, {.padding = padding}));
      const Tensor x = values.clone().requires_grad_();
      const Tensor plain_x = values.clone().requires_grad_();
      const Tensor y = net(x);
      const Tensor plain = max_pool2d(relu(plain_x), 2, {.padding = padding});
      EXPECT_EQ(y.to_vector<double>(), plain.to_vector<double>());
      const Tensor weights = randn(y.shape(), {.dtype = dtype});
      sum(y * weights).backward();
      sum(plain * weights).backward();
      EXPECT_EQ(x.grad().to_vector<double>(), plain_x.grad().to_vector<double>());
    }
  }
}

TEST(SequentialTest, HooksSeeTheOrderThatIsWritten) {
  Sequential net(ReLU(), MaxPool2d(2));
  std::vector<Shape> seen;
  net[0].register_forward_hook([&](Module&, const Tensor&, const Tensor& y) {
    seen.push_back(y.shape());
    return Tensor();
  });
  net(Tensor::empty({2, 3, 4, 4}).fill_(1.0));
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0], (Shape{2, 3, 4, 4}));
}

// The following linear layer may compute an activation, with the same values and gradients.
TEST(SequentialTest, ActivationBeforeLinearGivesWhatItSays) {
  const AnyModule activations[] = {Sigmoid(), Tanh(), ReLU()};
  for (const AnyModule& activation : activations) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      manual_seed(3);
      const Tensor values = randn({60, 30}, {.dtype = dtype});
      Linear first(30, 100, {.dtype = dtype});
      Linear second(100, 10, {.dtype = dtype});
      Sequential net(first, activation, second);
      const Tensor x = values.clone().requires_grad_();
      const Tensor plain_x = values.clone().requires_grad_();
      const Tensor y = net(x);
      const Tensor plain = second(activation(first(plain_x)));
      EXPECT_EQ(y.to_vector<double>(), plain.to_vector<double>());
      const Tensor weights = randn(y.shape(), {.dtype = dtype});
      sum(y * weights).backward();
      sum(plain * weights).backward();
      EXPECT_EQ(x.grad().to_vector<double>(), plain_x.grad().to_vector<double>());
      const Tensor of_net[] = {net.parameters()[0], net.parameters()[1], net.parameters()[2], net.parameters()[3]};
      const Tensor of_layers[] = {first.weight, first.bias, second.weight, second.bias};
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(of_net[i].grad().to_vector<double>(), of_layers[i].grad().to_vector<double>()) << i;
      }
    }
  }
}

TEST(SequentialTest, HooksSeeTheActivationBeforeALinear) {
  for (const std::int64_t hooked : {0, 1}) {
    Sequential net(Sigmoid(), Linear(3, 2));
    std::vector<double> seen;
    net[hooked].register_forward_hook([&](Module&, const Tensor& x, const Tensor& y) {
      seen = (hooked == 0 ? y : x).to_vector<double>();
      return Tensor();
    });
    net(Tensor::empty({1, 3}).fill_(0.0));
    EXPECT_EQ(seen, (std::vector<double>{0.5, 0.5, 0.5}));
  }
}

class Twice : public Sigmoid {
 public:
  NORMGRAD_MEMBERS(Twice)
  Tensor forward(const Tensor& x) override { return Sigmoid::forward(x) * 2.0; }
};

TEST(SequentialTest, DerivedActivationsDoWhatTheySay) {
  Linear linear(3, 2);
  Sequential net(Twice(), linear);
  const Tensor x = Tensor::empty({1, 3}).fill_(0.0);
  EXPECT_EQ(net(x).to_vector<double>(), linear(Tensor::empty({1, 3}).fill_(1.0)).to_vector<double>());
}

TEST(SequentialTest, ErrorsOfALinearBehindAnActivationNameIt) {
  const auto message_of = [](Sequential& net, const Tensor& x) -> std::string {
    try {
      net(x);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  Sequential net({{"act", Sigmoid()}, {"fc", Linear(3, 2)}});
  Sequential apart({{"act", Sigmoid()}, {"fc", Linear(3, 2)}});
  apart[0].register_forward_hook([](Module&, const Tensor&, const Tensor&) { return Tensor(); });
  for (const Tensor& x : {Tensor::empty({1, 4}), Tensor::empty({1, 3}, kInt64), Tensor::empty({1, 3}, kFloat64)}) {
    const std::string message = message_of(net, x);
    EXPECT_NE(message, "no error");
    EXPECT_EQ(message, message_of(apart, x));
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
