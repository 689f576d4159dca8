#include "normgrad/optim/clip.hpp"
#include "tests/support/values.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/optim/optim_support.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::kInf;
using tests::param_of;
using tests::tensor_of;

std::vector<Tensor> params_with_gradients(DType dtype) {
  std::vector<Tensor> params = {param_of({0.0, 0.0, 0.0}, dtype), param_of({9.0}, dtype), param_of({0.0, 0.0}, dtype)};
  params[0].set_grad(tensor_of({3.0, -4.0, 1.0}, dtype));
  params[2].set_grad(tensor_of({0.5, -12.0}, dtype));
  return params;
}

std::vector<Tensor> params_with_several_nans() {
  const double nan = std::nan("");
  std::vector<Tensor> params = {param_of({0.0, 0.0, 0.0}), param_of({0.0, 0.0})};
  params[0].set_grad(tensor_of({1.0, nan, nan}));
  params[1].set_grad(tensor_of({nan, kInf}));
  return params;
}

struct Case {
  double norm_type;
  double norm;
  std::vector<double> first;  // clipped gradients of the first parameter in PyTorch, max_norm 2.5
};

TEST(ClipGradNormTest, AsInPyTorch) {
  const std::vector<Case> cases = {
      {2.0, 13.047988350699889, {0.5748012048766504, -0.7664016065022006, 0.19160040162555014}},
      {1.0, 20.5, {0.36585364069006626, -0.4878048542534217, 0.12195121356335542}},
      {3.0, 12.209571007815725, {0.6142721460833368, -0.8190295281111157, 0.20475738202777893}},
      {kInf, 12.0, {0.624999947916671, -0.8333332638888947, 0.20833331597222368}}};
  for (const Case& c : cases) {
    for (const DType dtype : {kFloat64, kFloat32}) {
      const double tolerance = dtype == kFloat64 ? 1e-15 : 1e-7;
      const std::vector<Tensor> params = params_with_gradients(dtype);
      EXPECT_NEAR(clip_grad_norm_(params, 2.5, {.norm_type = c.norm_type}), c.norm, 20.0 * 1e-15);
      for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_NEAR(params[0].grad().to_vector<double>()[i], c.first[i], tolerance) << c.norm_type << " " << i;
      }
      EXPECT_FALSE(params[1].grad().defined());
    }
  }
}

TEST(ClipGradNormTest, AParameterThatIsThereTwiceCountsOnce) {
  const std::vector<Tensor> once = params_with_gradients(kFloat64);
  const std::vector<Tensor> params = params_with_gradients(kFloat64);
  const std::vector<Tensor> twice = {params[0], params[1], params[2], params[0], params[2]};
  EXPECT_EQ(clip_grad_norm_(twice, 2.5), clip_grad_norm_(once, 2.5));
  EXPECT_EQ(params[0].grad().to_vector<double>(), once[0].grad().to_vector<double>());
  // So do two parameters that share a gradient.
  Tensor a = param_of({0.0});
  Tensor b = param_of({0.0});
  a.set_grad(tensor_of({8.0}));
  b.set_grad(a.grad());
  EXPECT_EQ(clip_grad_norm_({a, b}, 4.0), 8.0);
  EXPECT_NEAR(a.grad().item(), 4.0, 1e-5);
  clip_grad_value_({a, a}, 1.0);
  EXPECT_EQ(b.grad().item(), 1.0);
}

TEST(ClipGradNormTest, SmallGradientsStay) {
  const std::vector<Tensor> params = params_with_gradients(kFloat64);
  clip_grad_norm_(params, 100.0);
  EXPECT_EQ(params[2].grad().to_vector<double>(), (std::vector{0.5, -12.0}));
  EXPECT_EQ(clip_grad_norm_({param_of({1.0})}, 1.0), 0.0);
}

TEST(ClipGradNormTest, NotFiniteAndWrongArguments) {
  std::vector<Tensor> params = params_with_gradients(kFloat32);
  params[2].set_grad(tensor_of({std::nan(""), 1.0}, kFloat32));
  for (const double type : {1.0, 2.0, kInf}) {
    EXPECT_THROW(clip_grad_norm_(params, 1.0, {.norm_type = type, .error_if_nonfinite = true}), ValueError) << type;
  }
  EXPECT_EQ(params[0].grad().to_vector<double>(), (std::vector{3.0, -4.0, 1.0}));
  params[0].set_grad(tensor_of({std::nan(""), 2.0, std::nan("")}, kFloat32));  // several at once
  for (const double type : {1.0, 2.0, kInf}) {
    EXPECT_TRUE(std::isnan(clip_grad_norm_(params_with_several_nans(), 1.0, {.norm_type = type}))) << type;
  }
  EXPECT_TRUE(std::isnan(clip_grad_norm_(params, 1.0)));
  EXPECT_THROW(clip_grad_norm_(params, -1.0), ValueError);
  EXPECT_THROW(clip_grad_norm_(params, 1.0, {.norm_type = 0.0}), ValueError);
  EXPECT_THROW(clip_grad_value_(params, -1.0), ValueError);
}

TEST(ClipGradValueTest, LimitsEachElement) {
  for (const DType dtype : {kFloat64, kFloat32}) {
    const std::vector<Tensor> params = params_with_gradients(dtype);
    clip_grad_value_(params, 2.5);
    EXPECT_EQ(params[0].grad().to_vector<double>(), (std::vector{2.5, -2.5, 1.0}));
    EXPECT_EQ(params[2].grad().to_vector<double>(), (std::vector{0.5, -2.5}));
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
