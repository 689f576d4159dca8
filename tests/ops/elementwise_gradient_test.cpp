#include <gtest/gtest.h>

#include <string>

#include "tests/support/gradients.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using Inputs = std::vector<Tensor>;
using tests::gradients_agree;
using tests::random_tensor;

Tensor input(const Shape& shape, std::uint32_t seed) {
  Tensor x = random_tensor(shape, kFloat64, seed);
  x.requires_grad_();
  return x;
}
Tensor positive_input(const Shape& shape, std::uint32_t seed) {
  Tensor x = abs(random_tensor(shape, kFloat64, seed)) + 0.3;
  x.requires_grad_();
  return x;
}

struct Unary {
  const char* name;
  Tensor (*f)(const Tensor&);
  bool positive = false;
};

class UnaryGradientTest : public testing::TestWithParam<Unary> {};

TEST_P(UnaryGradientTest, AgreesWithDifferences) {
  const Unary& op = GetParam();
  for (const Shape& shape : {Shape{}, Shape{7}, Shape{3, 5}, Shape{2, 1, 9}}) {
    const Tensor x = op.positive ? positive_input(shape, 3) : input(shape, 3);
    EXPECT_TRUE(gradients_agree([&](const Inputs& in) { return op.f(in[0]); }, {x})) << op.name << " " << shape;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, UnaryGradientTest,
    testing::Values(Unary{"neg", neg}, Unary{"abs", abs}, Unary{"exp", exp}, Unary{"log", log, true},
                    Unary{"sqrt", sqrt, true}, Unary{"rsqrt", rsqrt, true}, Unary{"square", square}, Unary{"sin", sin},
                    Unary{"cos", cos}, Unary{"erf", erf}, Unary{"relu", relu},
                    Unary{"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); }},
                    Unary{"elu", [](const Tensor& x) { return elu(x, 1.3); }}, Unary{"selu", selu}, Unary{"gelu", gelu},
                    Unary{"silu", silu}, Unary{"sigmoid", sigmoid}, Unary{"tanh", tanh},
                    Unary{"softplus", [](const Tensor& x) { return softplus(x); }},
                    Unary{"softplus_threshold", [](const Tensor& x) { return softplus(x, 2.5, 1.1); }},
                    Unary{"clamp", [](const Tensor& x) { return clamp(x, -0.6, 0.7); }},
                    Unary{"clamp_low", [](const Tensor& x) { return clamp(x, 0.1, {}); }},
                    Unary{"add_number", [](const Tensor& x) { return 2.5 + x; }},
                    Unary{"sub_number", [](const Tensor& x) { return x - 2.5; }},
                    Unary{"number_sub", [](const Tensor& x) { return 2.5 - x; }},
                    Unary{"mul_number", [](const Tensor& x) { return 2.5 * x; }},
                    Unary{"div_number", [](const Tensor& x) { return x / 2.5; }},
                    Unary{"number_div", [](const Tensor& x) { return 2.5 / x; }, true},
                    Unary{"pow1", [](const Tensor& x) { return pow(x, 1.0); }},
                    Unary{"pow2", [](const Tensor& x) { return pow(x, 2.0); }},
                    Unary{"pow3", [](const Tensor& x) { return pow(x, 3.0); }},
                    Unary{"pow_half", [](const Tensor& x) { return pow(x, 0.5); }, true},
                    Unary{"pow_minus_half", [](const Tensor& x) { return pow(x, -0.5); }, true},
                    Unary{"pow_minus_one", [](const Tensor& x) { return pow(x, -1.0); }, true},
                    Unary{"pow_fraction", [](const Tensor& x) { return pow(x, 1.7); }, true}),
    [](const auto& test) { return std::string(test.param.name); });

struct Binary {
  const char* name;
  Tensor (*f)(const Tensor&, const Tensor&);
  bool positive = false;
};

class BinaryGradientTest : public testing::TestWithParam<Binary> {};

TEST_P(BinaryGradientTest, AgreesWithDifferencesAndBroadcasts) {
  const Binary& op = GetParam();
  const std::vector<std::pair<Shape, Shape>> shapes = {{{5}, {5}},          {{3, 4}, {4}},    {{4}, {3, 4}},
                                                       {{2, 3, 4}, {3, 1}}, {{3, 1}, {1, 2}}, {{}, {2, 2}},
                                                       {{2, 1, 3}, {4, 1}}};
  for (const auto& [sa, sb] : shapes) {
    const Tensor a = op.positive ? positive_input(sa, 5) : input(sa, 5);
    const Tensor b = op.positive ? positive_input(sb, 6) : input(sb, 6);
    EXPECT_TRUE(gradients_agree([&](const Inputs& in) { return op.f(in[0], in[1]); }, {a, b}))
        << op.name << " " << sa << " " << sb;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, BinaryGradientTest,
    testing::Values(Binary{"add", add}, Binary{"sub", sub}, Binary{"mul", mul}, Binary{"div", div, true},
                    Binary{"pow", pow, true}, Binary{"maximum", maximum}, Binary{"minimum", minimum},
                    Binary{"where", [](const Tensor& a,
                                       const Tensor& b) { return where(a.detach() > b.detach() * 0.5, a * a, b); }}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
