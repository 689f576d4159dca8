#include "normgrad/layers/activation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/layers/module/any_module.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using Definition = std::function<double(double)>;

void expect_function(const AnyModule& module, const std::string& repr, const Definition& definition) {
  EXPECT_EQ(to_string(*module), repr);
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = tests::random_tensor({4, 9}, dtype, 5);
    const Tensor y = module(x);
    ASSERT_EQ(y.shape(), x.shape());
    const auto xs = x.to_vector<double>();
    const auto ys = y.to_vector<double>();
    for (std::size_t i = 0; i < xs.size(); ++i) {
      EXPECT_NEAR(ys[i], definition(xs[i]), dtype == kFloat64 ? 1e-14 : 1e-6) << repr << " " << xs[i];
    }
  }
}

TEST(ActivationTest, ModulesPassTheirOptionsOn) {
  expect_function(ReLU(), "ReLU()", [](double x) { return x > 0.0 ? x : 0.0; });
  expect_function(LeakyReLU(), "LeakyReLU(negative_slope=0.01)", [](double x) { return x > 0.0 ? x : 0.01 * x; });
  expect_function(LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)", [](double x) { return x > 0.0 ? x : 0.2 * x; });
  expect_function(ELU(0.5), "ELU(alpha=0.5)", [](double x) { return x > 0.0 ? x : 0.5 * std::expm1(x); });
  expect_function(SELU(), "SELU()", [](double x) {
    return 1.0507009873554804934193349852946 * (x > 0.0 ? x : 1.6732632423543772848170429916717 * std::expm1(x));
  });
  expect_function(GELU(), "GELU()", [](double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); });
  expect_function(SiLU(), "SiLU()", [](double x) { return x / (1.0 + std::exp(-x)); });
  expect_function(Sigmoid(), "Sigmoid()", [](double x) { return 1.0 / (1.0 + std::exp(-x)); });
  expect_function(Tanh(), "Tanh()", [](double x) { return std::tanh(x); });
  expect_function(Softplus(2.0, 3.0), "Softplus(beta=2, threshold=3)",
                  [](double x) { return 2.0 * x > 3.0 ? x : std::log1p(std::exp(2.0 * x)) / 2.0; });
}

TEST(ActivationTest, SoftmaxAlongItsAxis) {
  const Tensor x = tests::random_tensor({3, 4}, kFloat64, 6);
  const auto xs = x.to_vector<double>();
  for (const std::int64_t dim : {0, 1}) {
    const auto soft = Softmax(dim)(x).to_vector<double>();
    const auto log_soft = LogSoftmax(dim)(x).to_vector<double>();
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 4; ++j) {
        double sum = 0.0;
        for (std::size_t k = 0; k < (dim == 0 ? 3U : 4U); ++k) {
          sum += std::exp(dim == 0 ? xs[k * 4 + j] : xs[i * 4 + k]);
        }
        EXPECT_NEAR(soft[i * 4 + j], std::exp(xs[i * 4 + j]) / sum, 1e-15);
        EXPECT_NEAR(log_soft[i * 4 + j], xs[i * 4 + j] - std::log(sum), 1e-14);
      }
    }
  }
  EXPECT_EQ(to_string(Softmax(-1)), "Softmax(dim=-1)");
  EXPECT_EQ(to_string(LogSoftmax(1)), "LogSoftmax(dim=1)");
}

TEST(ActivationTest, Errors) {
  EXPECT_EQ(tests::error_of<ValueError>([] { Softplus(0.0); }), "Softplus: expected beta > 0 but got 0");
  Softmax softmax(2);
  const std::string text = tests::error_of<IndexError>([&] { softmax(tests::random_tensor({3, 4}, kFloat32, 1)); });
  EXPECT_EQ(text.find("Softmax: softmax: "), 0U) << text;
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
