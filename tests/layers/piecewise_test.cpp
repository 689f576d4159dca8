// The activations of layers/piecewise.hpp and layers/gated.hpp pass their options on to the functions.
#include "normgrad/layers/piecewise.hpp"
#include "normgrad/layers/module/any_module.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/gated.hpp"
#include "normgrad/core/ops/elementwise/piecewise.hpp"
#include "normgrad/layers/gated.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

void expect_layer(const AnyModule& module, const std::string& repr, const std::function<Tensor(const Tensor&)>& f) {
  EXPECT_EQ(to_string(*module), repr);
  const Tensor x = tests::random_tensor({3, 4}, kFloat32, 5);
  EXPECT_EQ(module(x).to_vector<double>(), f(x).to_vector<double>()) << repr;
}

TEST(PiecewiseLayerTest, OptionsArePassedOn) {
  expect_layer(Hardtanh(), "Hardtanh(min_val=-1, max_val=1)", [](const Tensor& x) { return hardtanh(x); });
  expect_layer(Hardtanh(-0.25, 0.5), "Hardtanh(min_val=-0.25, max_val=0.5)",
               [](const Tensor& x) { return hardtanh(x, -0.25, 0.5); });
  expect_layer(ReLU6(), "ReLU6()", relu6);
  expect_layer(Hardsigmoid(), "Hardsigmoid()", hardsigmoid);
  expect_layer(Hardswish(), "Hardswish()", hardswish);
  expect_layer(Hardshrink(0.75), "Hardshrink(lambd=0.75)", [](const Tensor& x) { return hardshrink(x, 0.75); });
  expect_layer(Softshrink(0.75), "Softshrink(lambd=0.75)", [](const Tensor& x) { return softshrink(x, 0.75); });
  expect_layer(Threshold(0.5, 3), "Threshold(threshold=0.5, value=3)",
               [](const Tensor& x) { return threshold(x, 0.5, 3); });
  expect_layer(PReLU(), "PReLU(num_parameters=1)  [1]  1 parameter",
               [](const Tensor& x) { return prelu(x, tensor({0.25})); });
  expect_layer(PReLU({.num_parameters = 4, .init = 0.5}), "PReLU(num_parameters=4)  [4]  4 parameters",
               [](const Tensor& x) { return prelu(x, full({4}, 0.5)); });
  expect_layer(Mish(), "Mish()", mish);
  expect_layer(CELU(2), "CELU(alpha=2)", [](const Tensor& x) { return celu(x, 2); });
  expect_layer(LogSigmoid(), "LogSigmoid()", logsigmoid);
  expect_layer(Softsign(), "Softsign()", softsign);
  expect_layer(Tanhshrink(), "Tanhshrink()", tanhshrink);
  expect_layer(Softmin(0), "Softmin(dim=0)", [](const Tensor& x) { return softmin(x, 0); });
  expect_layer(GLU(), "GLU(dim=-1)", [](const Tensor& x) { return glu(x); });
}

TEST(PiecewiseLayerTest, PReLUHasAParameter) {
  PReLU layer({.num_parameters = 3, .dtype = kFloat64});
  EXPECT_EQ(layer.parameters().size(), 1U);
  EXPECT_TRUE(layer.state_dict().contains("weight"));
  layer(tests::random_tensor({2, 3, 4}, kFloat64, 1)).sum().backward();
  EXPECT_EQ(layer.weight.grad().shape(), (Shape{3}));
}

TEST(PiecewiseLayerTest, RReLUIsRandomInTrainingOnly) {
  RReLU layer(0.25, 0.75);
  EXPECT_EQ(to_string(layer), "RReLU(lower=0.25, upper=0.75)");
  const Tensor x = full({50}, -1.0);
  const std::vector<double> random = layer(x).to_vector<double>();
  EXPECT_NE(random[0], random[1]);
  layer.eval();
  EXPECT_EQ(layer(x).to_vector<double>(), std::vector<double>(50, -0.5));
}

TEST(PiecewiseLayerTest, Errors) {
  EXPECT_EQ(error_of<ValueError>([] { Hardtanh(1, 0); }), "Hardtanh: expected min_val < max_val but got 1 and 0");
  EXPECT_EQ(error_of<ValueError>([] { Hardshrink(-1); }), "Hardshrink: expected lambd >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([] { Softshrink(-1); }), "Softshrink: expected lambd >= 0 but got -1");
  EXPECT_EQ(error_of<ValueError>([] { PReLU({.num_parameters = 0}); }), "PReLU: expected num_parameters > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { RReLU(1, 0); }), "RReLU: expected lower <= upper but got 1 and 0");
  EXPECT_EQ(error_of<ValueError>([] { CELU(0); }), "CELU: expected alpha other than 0 but got 0");
  EXPECT_EQ(error_of<ShapeError>([] { GLU()(zeros({3})); }), "GLU: glu: expected an even size of axis -1 but got [3]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
