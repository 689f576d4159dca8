#include "normgrad/layers/init.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "normgrad/layers/linear.hpp"

namespace normgrad {
namespace {

struct Statistics {
  double mean = 0.0;
  double std = 0.0;
  double low = 0.0;
  double high = 0.0;
};

Statistics statistics_of(const Tensor& tensor) {
  const std::vector<double> values = tensor.to_vector<double>();
  const double n = static_cast<double>(values.size());
  Statistics s;
  for (const double v : values) {
    s.mean += v / n;
  }
  for (const double v : values) {
    s.std += (v - s.mean) * (v - s.mean) / n;
  }
  s.std = std::sqrt(s.std);
  s.low = *std::min_element(values.begin(), values.end());
  s.high = *std::max_element(values.begin(), values.end());
  return s;
}

// The values of a sample of n deviate by about 1 / sqrt(n) of the spread; 5 of those are allowed.
void expect_spread(const Tensor& tensor, double mean, double std) {
  const Statistics s = statistics_of(tensor);
  const double unit = 5.0 * std / std::sqrt(static_cast<double>(tensor.numel()));
  EXPECT_NEAR(s.mean, mean, unit);
  EXPECT_NEAR(s.std, std, unit);
}

void expect_uniform(const Tensor& tensor, double limit) {
  expect_spread(tensor, 0.0, limit / std::sqrt(3.0));
  const Statistics s = statistics_of(tensor);
  EXPECT_GE(s.low, -limit);
  EXPECT_LE(s.high, limit);
  EXPECT_GT(s.high, 0.99 * limit);
  EXPECT_LT(s.low, -0.99 * limit);
}

class InitTest : public testing::TestWithParam<DType> {
 protected:
  Tensor weight() const { return Tensor::empty({64, 32, 3, 3}, GetParam()); }  // fan_in 288, fan_out 576
  Generator generator{17};
};

TEST_P(InitTest, Fans) {
  const Fans fans = calculate_fans(weight());
  EXPECT_EQ(fans.in, 288);
  EXPECT_EQ(fans.out, 576);
  EXPECT_THROW(calculate_fans(Tensor::empty({3})), ShapeError);
}

TEST_P(InitTest, Constants) {
  Tensor w = weight();
  w.requires_grad_();
  constant_(w, 3.5);
  EXPECT_EQ(statistics_of(w).low, 3.5);
  EXPECT_EQ(statistics_of(w).high, 3.5);
  ones_(w);
  EXPECT_EQ(statistics_of(w).low, 1.0);
  zeros_(w);
  EXPECT_EQ(statistics_of(w).high, 0.0);
  EXPECT_TRUE(w.is_leaf());
}

TEST_P(InitTest, UniformAndNormal) {
  const Tensor w = weight();
  uniform_(w, -0.25, 0.25, &generator);
  expect_uniform(w, 0.25);
  normal_(w, 3.0, 0.5, &generator);
  expect_spread(w, 3.0, 0.5);
  EXPECT_THROW(uniform_(w, 1.0, 0.0), ValueError);
  EXPECT_THROW(normal_(w, 0.0, -1.0), ValueError);
  EXPECT_THROW(uniform_(Tensor::empty({2}, kInt64)), DTypeError);
}

TEST_P(InitTest, Xavier) {
  const Tensor w = weight();
  xavier_uniform_(w, {.gain = 2.0, .generator = &generator});
  expect_uniform(w, 2.0 * std::sqrt(6.0 / 864.0));
  xavier_normal_(w, {.generator = &generator});
  expect_spread(w, 0.0, std::sqrt(2.0 / 864.0));
}

TEST_P(InitTest, Kaiming) {
  const Tensor w = weight();
  kaiming_uniform_(w, {.generator = &generator});
  expect_uniform(w, std::sqrt(6.0 / 288.0));
  kaiming_uniform_(w, {.a = std::sqrt(5.0), .generator = &generator});
  expect_uniform(w, 1.0 / std::sqrt(288.0));
  kaiming_normal_(w, {.mode = FanMode::fan_out, .nonlinearity = Nonlinearity::relu, .generator = &generator});
  expect_spread(w, 0.0, std::sqrt(2.0 / 576.0));
}

TEST_P(InitTest, LinearStartsAsInPyTorch) {
  const Linear layer(400, 3000, {.dtype = GetParam(), .generator = &generator});
  EXPECT_EQ(layer.weight.dtype(), GetParam());
  expect_uniform(layer.weight, 0.05);
  expect_uniform(layer.bias, 0.05);
}

TEST_P(InitTest, TheSeedDecides) {
  manual_seed(5);
  const Linear a(3, 4, {.dtype = GetParam()});
  const Linear b(3, 4, {.dtype = GetParam()});
  manual_seed(5);
  const Linear c(3, 4, {.dtype = GetParam()});
  Generator own(5);
  const Linear d(3, 4, {.dtype = GetParam(), .generator = &own});
  EXPECT_EQ(a.weight.to_vector<double>(), c.weight.to_vector<double>());
  EXPECT_EQ(a.bias.to_vector<double>(), d.bias.to_vector<double>());
  EXPECT_NE(a.weight.to_vector<double>(), b.weight.to_vector<double>());
}

INSTANTIATE_TEST_SUITE_P(FloatingPoint, InitTest, testing::Values(kFloat32, kFloat64),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST(InitGainTest, IsPyTorchs) {
  EXPECT_EQ(calculate_gain(Nonlinearity::linear), 1.0);
  EXPECT_EQ(calculate_gain(Nonlinearity::sigmoid), 1.0);
  EXPECT_DOUBLE_EQ(calculate_gain(Nonlinearity::tanh), 5.0 / 3.0);
  EXPECT_DOUBLE_EQ(calculate_gain(Nonlinearity::relu), std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(calculate_gain(Nonlinearity::leaky_relu, 0.2), std::sqrt(2.0 / 1.04));
  EXPECT_EQ(calculate_gain(Nonlinearity::selu), 0.75);
}

}  // namespace
}  // namespace normgrad
