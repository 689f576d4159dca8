#include "normgrad/core/autograd/anomaly.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include <limits>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/watch.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;

struct Root : Module {
  NORMGRAD_MEMBERS(Root)
  Tensor forward(const Tensor& x) override { return sqrt(x); }
};

struct Net : Module {
  Sequential stem{Linear(2, 3, {.dtype = kFloat64}), Root()};
  Linear head{3, 1, {.dtype = kFloat64}};
  NORMGRAD_MEMBERS(Net, stem, head)
  Tensor forward(const Tensor& x) override { return head(stem(x)); }
};

/// stem.0 outputs zeros, where the square root has no finite derivative.
Net net_at_zero() {
  Net net;
  const NoGradGuard no_grad;
  for (Tensor parameter : net.stem.parameters()) {
    parameter.zero_();
  }
  net.head.weight.fill_(1.0);
  return net;
}

Tensor vector(const std::vector<double>& values) {
  Tensor x = Tensor::empty({static_cast<std::int64_t>(values.size())}, kFloat64);
  std::copy(values.begin(), values.end(), x.mutable_data<double>());
  return x.requires_grad_();
}

TEST(AnomalyTest, NamesOperationLayerAndElementOfTheFirstBadGradient) {
  Net net = net_at_zero();
  const Tensor x = ones({4, 2}, {.dtype = kFloat64});
  net(x).sum().backward();  // no error without the guard
  EXPECT_FALSE(is_anomaly_enabled());
  const DetectAnomalyGuard guard;
  EXPECT_TRUE(is_anomaly_enabled());
  EXPECT_EQ(
      error_of<GraphError>([&] { net(x).sum().backward(); }),
      "anomaly: backward of 'sqrt' in Root 'stem.1': the gradient of its input 0 (float64 [4, 3]) is inf at [0, 0] "
      "but the gradient of its result is finite");
}

TEST(AnomalyTest, IsSilentWhenAllIsFinite) {
  Net net;
  const DetectAnomalyGuard guard({.check_values = true});
  const Tensor x = ones({4, 2}, {.dtype = kFloat64});
  net.head(net.stem.at<Linear>(0)(x).square() + 1.0).sum().backward();
  EXPECT_TRUE(net.head.weight.grad().defined());
}

TEST(AnomalyTest, NamesTheOperationWhoseValueIsBad) {
  Net net;
  {
    const NoGradGuard no_grad;
    net.stem.at<Linear>(0).weight.zero_();
    net.stem.at<Linear>(0).bias.fill_(-1.0);
  }
  const Tensor x = ones({4, 2}, {.dtype = kFloat64});
  net(x);
  const DetectAnomalyGuard guard({.check_values = true});
  EXPECT_THAT(
      error_of<GraphError>([&] { net(x); }),
      HasSubstr(
          "anomaly: 'sqrt' in Root 'stem.1': its result (float64 [4, 3]) is nan at [0, 0] but its inputs are finite"));
  const NoGradGuard no_grad;
  EXPECT_THAT(error_of<GraphError>([&] { net(x); }), HasSubstr("'sqrt'")) << "also when nothing is recorded";
}

TEST(AnomalyTest, TellsBadDataFromBadOperations) {
  const DetectAnomalyGuard guard({.check_values = true});
  const Tensor x = vector({1.0, std::numeric_limits<double>::quiet_NaN()});
  EXPECT_THAT(error_of<GraphError>([&] { exp(x); }),
              HasSubstr("anomaly: 'exp': input 0 of 1 (float64 [2]) is nan at [1] and is not the "
                        "result of an operation; check the data"));
}

TEST(AnomalyTest, FindsSumsThatOverflowAndGradientsThatWereGiven) {
  const DetectAnomalyGuard guard;
  const double big = 1e308;
  const Tensor x = vector({1.0});
  const Tensor y = x * 1.0;
  EXPECT_THAT(error_of<GraphError>([&] { (y * big + y * big).sum().backward(); }),
              HasSubstr("the gradient of the result of 'mul' (float64 [1]) is inf at [0] but the gradients that it is "
                        "the sum of are finite"));
  Tensor bad = full({1}, std::numeric_limits<double>::infinity(), {.dtype = kFloat64});
  EXPECT_THAT(error_of<GraphError>([&] { exp(x).backward(bad); }), HasSubstr("or come from the call of backward()"));
}

TEST(AnomalyTest, KnowsTheLayerInRecordedBackwards) {
  Sequential net{Root()};
  const DetectAnomalyGuard guard;
  const Tensor x = vector({0.0});
  Tensor z = x * 1e-200;
  z = z + 1e-320;  // the first derivative is finite, the second is not
  const std::string text = error_of<GraphError>([&] {
    const Tensor y = net(z);
    const Tensor g = grad({y.sum()}, {z}, {}, {.create_graph = true})[0];
    g.sum().backward();
  });
  EXPECT_THAT(text, HasSubstr("in Root '0'"));
}

TEST(AnomalyTest, NestsAndEnds) {
  {
    const DetectAnomalyGuard outer;
    { const DetectAnomalyGuard inner({.check_values = true}); }
    EXPECT_TRUE(is_anomaly_enabled());
    exp(vector({1e9}));  // infinite, but values are no longer checked
  }
  EXPECT_FALSE(is_anomaly_enabled());
  EXPECT_FALSE(detail::is_watched());
  EXPECT_TRUE(detail::module_places().empty());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
