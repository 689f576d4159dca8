// The gradient checker in typical uses: sums that cancel, and gradient penalties.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/values.hpp"
#include "tests/support/wrong_backwards.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/function.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using Inputs = std::vector<Tensor>;
using tests::faulty_norm;
using tests::gradients_agree;
using tests::NormFault;
using tests::random_tensor;

Tensor leaf_of(const Shape& shape, std::uint32_t seed) { return random_tensor(shape, kFloat64, seed).requires_grad_(); }

// Passes x through, with an error of the given size in its gradient.
Tensor off_by(const Tensor& x, double error) {
  return apply_function(
      "off_by", {x}, [](auto& in) { return in[0].clone(); },
      [error](auto&, auto&, auto& gy) { return Inputs{gy + error}; });
}

// Zero up to rounding for every x: only the noise of f remains.
TEST(GradCheckUseTest, SumsThatCancelPass) {
  for (const Shape& shape : {Shape{4, 8}, Shape{2, 3, 5}, Shape{2, 100}}) {
    for (const double level : {0.0, 10.0, 1e4}) {
      const Tensor x = (random_tensor(shape, kFloat64, 1) + level).requires_grad_();
      const auto normalized = [&shape](const Inputs& in) { return sum(layer_norm(in[0], Shape{shape.back()})); };
      EXPECT_TRUE(gradients_agree(normalized, {x})) << shape << level;
      const auto by_batch = [](const Inputs& in) { return sum(batch_norm_training(in[0]).y); };
      EXPECT_TRUE(gradients_agree(by_batch, {x})) << shape << level;
      const auto probabilities = [](const Inputs& in) { return sum(softmax(in[0], 1), 1); };
      EXPECT_TRUE(gradients_agree(probabilities, {x})) << shape << level;
      const auto centered = [](const Inputs& in) { return sum(in[0] - mean(in[0])); };
      EXPECT_TRUE(gradients_agree(centered, {x})) << shape << level;
    }
  }
}

TEST(GradCheckUseTest, ASumThatCancelsIsReportedAsConstant) {
  const auto f = [](const Inputs& in) { return sum(layer_norm(in[0], Shape{8})); };
  const GradCheckReport report = gradcheck(f, {leaf_of({4, 8}, 2)});
  EXPECT_TRUE(report.passed) << report;
  EXPECT_TRUE(report.inputs[0].constant);
  EXPECT_GT(report.inputs[0].noise, 0.0);
  EXPECT_LT(report.inputs[0].noise, 1e-13);
  EXPECT_EQ(report.max_rel_error(), 0.0);
}

// Allowing for the noise of f must not hide errors, even if f is nothing but noise.
TEST(GradCheckUseTest, WrongGradientsOfSumsThatCancelAreFound) {
  const Tensor x = leaf_of({4, 8}, 3);
  for (const double error : {1.0, 1e-3, 1e-6, 1e-9}) {
    const auto f = [error](const Inputs& in) { return sum(layer_norm(off_by(in[0], error), Shape{8})); };
    EXPECT_FALSE(gradcheck(f, {x}).passed) << error;
  }
  const auto no_mean = [](const Inputs& in) { return sum(faulty_norm(in[0], NormFault::no_mean_term)); };
  EXPECT_FALSE(gradcheck(no_mean, {x}).passed);
}

TEST(GradCheckUseTest, SumsThatCancelBesideOtherTerms) {
  const Tensor x = leaf_of({4, 8}, 4);
  for (const double share : {1.0, 1e-3, 1e-6}) {
    const auto f = [share](const Inputs& in) { return sum(layer_norm(in[0], Shape{8})) + sum(sin(in[0])) * share; };
    EXPECT_TRUE(gradients_agree(f, {x})) << share;
    const auto wrong = [share](const Inputs& in) {
      return sum(layer_norm(in[0], Shape{8})) + sum(sin(off_by(in[0], 1e-3))) * share;
    };
    EXPECT_FALSE(gradcheck(wrong, {x}).passed) << share;
  }
}

TEST(GradCheckUseTest, NoiseOfFloat32IsNotExcused) {
  const auto f = [](const Inputs& in) {
    return apply_function(
        "in_float32", in, [](auto& x) { return sum(layer_norm(x[0].to(kFloat32), Shape{8})).to(kFloat64); },
        [](auto& x, auto&, auto&) { return Inputs{zeros_like(x[0])}; });
  };
  EXPECT_FALSE(gradcheck(f, {leaf_of({4, 8}, 5)}).passed);
}

// A step at the point itself is not noise.
TEST(GradCheckUseTest, StepsAreNotExcused) {
  const auto f = [](const Inputs& in) {
    return apply_function(
        "steps", in, [](auto& x) { return to(gt(x[0], 0.5), kFloat64); },
        [](auto& x, auto&, auto&) { return Inputs{zeros_like(x[0])}; });
  };
  EXPECT_FALSE(gradcheck(f, {tensor({0.5, 2}, {.dtype = kFloat64}).requires_grad_()}).passed);
}

// --- functions that request gradients themselves

Tensor critic(const Inputs& in) { return matmul(tanh(matmul(in[0], in[1])), in[2]); }

// The penalty of WGAN-GP (Gulrajani et al., "Improved Training of Wasserstein GANs", 2017).
Tensor gradient_penalty(const Inputs& in) {
  const Tensor gx = grad({sum(critic(in))}, {in[0]}, {}, {.create_graph = true})[0];
  return mean(square(sqrt(sum(square(gx), 1) + 1e-12) - 1.0));
}

TEST(GradCheckUseTest, AGradientPenaltyIsChecked) {
  const Inputs in = {leaf_of({3, 4}, 6), leaf_of({4, 5}, 7), leaf_of({5, 1}, 8)};
  EXPECT_TRUE(gradients_agree(gradient_penalty, in));
  const auto whole_loss = [](const Inputs& x) { return mean(critic(x)) + gradient_penalty(x) * 10.0; };
  EXPECT_TRUE(gradients_agree(whole_loss, in));
}

TEST(GradCheckUseTest, AGradientPenaltyWithoutItsGraphIsFound) {
  const auto cut = [](const Inputs& in) {
    const Tensor gx = grad({sum(critic(in))}, {in[0]})[0];
    return mean(square(sqrt(sum(square(gx), 1) + 1e-12) - 1.0)) + sum(in[1]) * 1e-3;
  };
  EXPECT_FALSE(gradcheck(cut, {leaf_of({3, 4}, 6), leaf_of({4, 5}, 7), leaf_of({5, 1}, 8)}).passed);
}

TEST(GradCheckUseTest, TheCallersModeIsLeftAlone) {
  const NoGradGuard no_grad;
  EXPECT_TRUE(gradcheck([](const Inputs& in) { return in[0] * in[0]; }, {leaf_of({3}, 9)}).passed);
  EXPECT_FALSE(is_grad_enabled());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
