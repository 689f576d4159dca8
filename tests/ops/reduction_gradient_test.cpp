#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using Inputs = std::vector<Tensor>;
using tests::gradients_agree;
using tests::random_tensor;

struct Reduction {
  const char* name;
  Tensor (*f)(const Tensor&, const Axes&, ReduceFlag keepdim);
};

class ReductionGradientTest : public testing::TestWithParam<Reduction> {};

TEST_P(ReductionGradientTest, AgreesWithDifferences) {
  const Reduction& op = GetParam();
  const std::vector<std::pair<Shape, Axes>> cases = {{{5}, {}},
                                                     {{3, 4}, {}},
                                                     {{3, 4}, 0},
                                                     {{3, 4}, 1},
                                                     {{2, 3, 4}, {0, 2}},
                                                     {{2, 3, 4}, {1}},
                                                     {{2, 3, 2, 2}, {-3, -1}}};
  for (const auto& [shape, axes] : cases) {
    for (const bool keepdim : {false, true}) {
      Tensor x = random_tensor(shape, kFloat64, 11);
      x.requires_grad_();
      EXPECT_TRUE(gradients_agree([&, &axes = axes](const Inputs& in) { return op.f(in[0], axes, keepdim); }, {x}))
          << op.name << " " << shape;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ReductionGradientTest,
                         testing::Values(Reduction{"sum", sum}, Reduction{"mean", mean}, Reduction{"max", max},
                                         Reduction{"min", min}, Reduction{"prod", prod},
                                         Reduction{"logsumexp", logsumexp},
                                         Reduction{"var", [](const Tensor& x, const Axes& axes,
                                                             ReduceFlag k) { return var(x, axes, true, k); }},
                                         Reduction{"var_biased", [](const Tensor& x, const Axes& axes,
                                                                    ReduceFlag k) { return var(x, axes, false, k); }}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(SoftmaxGradientTest, AgreesWithDifferences) {
  for (const auto& [shape, axis] : std::vector<std::pair<Shape, int>>{
           {{5}, 0}, {{3, 4}, 1}, {{3, 4}, 0}, {{2, 3, 4}, 1}, {{2, 3, 4}, -1}, {{2, 19}, 1}}) {
    Tensor x = random_tensor(shape, kFloat64, 12);
    x.requires_grad_();
    EXPECT_TRUE(gradients_agree([a = axis](const Inputs& in) { return softmax(in[0], a); }, {x})) << shape;
    EXPECT_TRUE(gradients_agree([a = axis](const Inputs& in) { return log_softmax(in[0], a); }, {x})) << shape;
  }
}

TEST(SumToGradientTest, AgreesWithDifferences) {
  Tensor x = random_tensor({2, 3, 4}, kFloat64, 13);
  x.requires_grad_();
  for (const Shape& shape : {Shape{}, Shape{4}, Shape{3, 1}, Shape{2, 1, 4}, Shape{2, 3, 4}}) {
    EXPECT_TRUE(gradients_agree([&](const Inputs& in) { return sum_to(in[0] * in[0], shape); }, {x})) << shape;
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
