// The gradient checker throws for functions that it cannot check, and checks orders above the first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/gradcheck_inputs.hpp"
#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/function.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/gradcheck/gradcheck.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::Inputs;
using tests::leaf;
using tests::map;
using tests::random;
using tests::square;
using tests::unary;

// --- incorrect use

TEST(GradCheckTest, RefusesWhatItCannotCheck) {
  const auto f = [](const Inputs& in) { return tests::exp(in[0]); };
  EXPECT_EQ(
      error_of<DTypeError>([&] { gradcheck(f, {Tensor::empty({2}).requires_grad_()}); }),
      "gradcheck: expected float64 inputs but input 0 is float32; finite differences in float32 are too inaccurate");
  EXPECT_EQ(error_of<ValueError>([&] { gradcheck(f, {tests::values({1})}); }),
            "gradcheck: expected at least one input that requires gradients but got none");
  EXPECT_EQ(
      error_of<DTypeError>([&] { gradcheck([](const Inputs&) { return Tensor::empty({1}).fill_(0); }, {leaf({1})}); }),
      "gradcheck: expected a float64 result but result 0 is float32");
  EXPECT_EQ(error_of<GradCheckError>([&] {
              gradcheck([](const Inputs& in) { return map(in[0], [](double) { return NAN; }); }, {leaf({1})});
            }),
            "gradcheck: result 0 of the function is not finite");
  EXPECT_EQ(error_of<ValueError>([&] {
              gradcheck(f, {leaf({1})}, {.grad_outputs = {tests::values({1}), tests::values({1})}});
            }),
            "gradcheck: expected 1 grad_outputs, one for each result, but got 2");
  EXPECT_THROW(gradcheck(f, {leaf({1})}, {.grad_outputs = {tests::values({1, 2})}}), ShapeError);
  EXPECT_THROW(gradcheck_order(f, {leaf({1})}, 0), ValueError);
}

TEST(GradCheckTest, RefusesRandomFunctions) {
  Generator generator(3);
  const auto f = [&](const Inputs& in) { return tests::scale(in[0], generator.uniform()); };
  EXPECT_THAT(error_of<GradCheckError>([&] {
                gradcheck(f, {leaf({1, 2})});
              }),
              HasSubstr("two calls of the function with the same inputs differ"));
  const auto anew = [](const Inputs& in) {
    Generator own(3);
    return tests::scale(in[0], own.uniform());
  };
  EXPECT_TRUE(gradcheck(anew, {leaf({1, 2})}).passed);
}

TEST(GradCheckTest, RefusesFunctionsThatChangeTheirInputs) {
  const auto f = [](const Inputs& in) {
    in[0].detach().mul_(2.0);
    return tests::exp(in[1]);
  };
  EXPECT_EQ(error_of<GradCheckError>([&] {
              gradcheck(f, {tests::values({1}), leaf({1, 2})});
            }),
            "gradcheck: the function changes its inputs in place");
}

TEST(GradCheckTest, RestoresTheInputsAlsoAfterAnError) {
  const Tensor x = leaf({1, 2, 3});
  gradcheck([](const Inputs& in) { return tests::exp(in[0]); }, {x});
  EXPECT_THAT(x.to_vector<double>(), ElementsAre(1, 2, 3));
  EXPECT_FALSE(x.grad().defined());
  int calls = 0;
  const auto f = [&](const Inputs& in) {
    require<ValueError>(++calls < 8, "enough");
    return tests::exp(in[0]);
  };
  EXPECT_THROW(gradcheck(f, {x}), ValueError);
  EXPECT_THAT(x.to_vector<double>(), ElementsAre(1, 2, 3));
}

TEST(GradCheckTest, PerturbsParametersThatTheFunctionReadsOnItsOwn) {
  const Tensor w = random({4});
  const auto f = [&w](const Inputs& in) { return tests::mul(in[0], w); };
  EXPECT_TRUE(gradcheck(f, {random({4}, 0, 1, 2), w}).passed);
}

TEST(GradCheckTest, MayCheckSomeElementsOnly) {
  int calls = 0;
  const auto f = [&](const Inputs& in) {
    ++calls;
    return tests::exp(in[0]);
  };
  EXPECT_TRUE(gradcheck(f, {random({1000})}, {.max_elements = 10}).passed);
  EXPECT_LE(calls, 3 + 10 * 8);
}

TEST(GradCheckTest, SeveralResults) {
  const TensorsFunction f = [](const Inputs& in) {
    return Inputs{tests::exp(in[0]), Tensor(), tests::mul(in[0], in[1])};
  };
  EXPECT_TRUE(gradcheck(f, {random({3}), random({3}, 0, 1, 2)}).passed);
}

// --- higher orders

TEST(GradGradCheckTest, RightSecondOrderPasses) {
  const auto f = [](const Inputs& in) { return tests::mul(tests::exp(in[0]), tests::mul(in[1], in[1])); };
  const GradCheckReport report = gradgradcheck(f, {random({4}), random({4}, 0, 1, 2)});
  EXPECT_TRUE(report.passed) << report;
  EXPECT_EQ(report.order, 2);
  ASSERT_EQ(report.inputs.size(), 3U);
  EXPECT_EQ(report.inputs[2].name, "gy");
  EXPECT_LT(report.max_rel_error(), 1e-9) << report;
}

TEST(GradGradCheckTest, OrdersUpToFour) {
  const auto f = [](const Inputs& in) { return tests::mul(tests::exp(in[0]), tests::mul(in[0], in[1])); };
  for (int order = 1; order <= 4; ++order) {
    const GradCheckReport report = gradcheck_order(f, {random({3}), random({3}, 0, 1, 2)}, order);
    EXPECT_TRUE(report.passed) << report;
    EXPECT_LT(report.max_rel_error(), 1e-8) << report;
  }
}

TEST(GradGradCheckTest, ABackwardThatCannotBeDifferentiatedIsFound) {
  // Correct to first order, but the backward is computed outside the graph.
  const auto f = [](const Inputs& in) {
    return unary(
        in[0], [](double v) { return v * v * v; }, [](double v) { return 3 * v * v; });
  };
  EXPECT_TRUE(gradcheck(f, {random({4})}).passed);
  EXPECT_FALSE(gradgradcheck(f, {random({4})}).passed);
}

TEST(GradGradCheckTest, ARecordedBackwardThatDiffersFromTheOrdinaryOneIsFound) {
  const auto f = [](const Inputs& inputs) {
    return apply_function("two_faced", inputs, square, [](auto& in, auto&, auto& gy) {
      // Linear in x and gy in both cases, so that each is consistent in itself.
      return Inputs{tests::scale(tests::mul(in[0], gy), is_grad_enabled() ? 2.001 : 2.0)};
    });
  };
  EXPECT_TRUE(gradcheck(f, {random({4})}).passed);
  const GradCheckReport report = gradgradcheck(f, {random({4})});
  EXPECT_FALSE(report.passed);
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_THAT(report.problems[0], HasSubstr("gradient 0 [4] of order 1 by the ordinary and by the recorded backward"));
}

TEST(GradGradCheckTest, WrongSecondOrderWithRightFirstIsFound) {
  // exp whose recorded backward ignores that its result depends on x.
  const auto f = [](const Inputs& inputs) {
    return apply_function(
        "exp", inputs, [](auto& in) { return tests::exp(in[0]); },
        [](auto&, auto& y, auto& gy) { return Inputs{tests::mul(gy, y.detach())}; });
  };
  EXPECT_TRUE(gradcheck(f, {random({4})}).passed);
  const GradCheckReport report = gradgradcheck(f, {random({4})});
  EXPECT_FALSE(report.inputs[0].passed);
  EXPECT_TRUE(report.inputs[1].passed);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
