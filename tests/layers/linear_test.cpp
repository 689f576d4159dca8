#include "normgrad/layers/linear.hpp"

#include <gtest/gtest.h>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/gradcheck/gradcheck.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::random_tensor;

TEST(LinearTest, IsAWeightedSum) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const bool with_bias : {true, false}) {
      Linear layer(5, 3, {.bias = with_bias, .dtype = dtype});
      const Tensor x = random_tensor({2, 4, 5}, dtype, 1);
      const Tensor y = layer(x);
      ASSERT_EQ(y.shape(), Shape({2, 4, 3}));
      const auto xs = x.to_vector<double>();
      const auto ws = layer.weight.to_vector<double>();
      const auto ys = y.to_vector<double>();
      for (std::size_t row = 0; row < 8; ++row) {
        for (std::size_t o = 0; o < 3; ++o) {
          double sum = with_bias ? layer.bias.to_vector<double>()[o] : 0.0;
          for (std::size_t i = 0; i < 5; ++i) {
            sum += xs[row * 5 + i] * ws[o * 5 + i];
          }
          EXPECT_NEAR(ys[row * 3 + o], sum, dtype == kFloat64 ? 1e-14 : 1e-6);
        }
      }
    }
  }
}

TEST(LinearTest, GradientsReachInputWeightAndBias) {
  Linear layer(4, 3, {.dtype = kFloat64});
  Tensor x = random_tensor({5, 4}, kFloat64, 2);
  x.requires_grad_();
  EXPECT_TRUE(gradients_agree([&](const std::vector<Tensor>& in) { return layer(in[0]).tanh(); },
                              {x, layer.weight, layer.bias}));
}

TEST(LinearTest, ErrorsNameTheLayer) {
  EXPECT_EQ(error_of<ValueError>([] { Linear(0, 3); }), "Linear: expected in_features > 0 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { Linear(3, -1); }), "Linear: expected out_features > 0 but got -1");
  EXPECT_THROW(Linear(3, 3, {.dtype = kInt64}), DTypeError);

  Sequential model({{"fc1", Linear(784, 100)}, {"act", ReLU()}, {"fc2", Linear(10, 10)}});
  const std::string text = error_of<ShapeError>([&] { model(Tensor::empty({60, 784}).zero_()); });
  EXPECT_EQ(text.find("Linear 'fc2': linear: expected "), 0U) << text;
  EXPECT_NE(text.find("[60, 100]"), std::string::npos) << text;
}

TEST(LinearTest, ToConvertsAndKeepsTheHandles) {
  Linear layer(4, 3);
  const Tensor handle = layer.weight;
  const std::vector<double> before = layer.weight.to_vector<double>();
  layer(random_tensor({2, 4}, kFloat32, 3)).backward(random_tensor({2, 3}, kFloat32, 4));
  const std::vector<double> gradient = layer.weight.grad().to_vector<double>();
  layer.to(kFloat64);
  EXPECT_TRUE(is_same(handle, layer.weight));
  EXPECT_EQ(handle.dtype(), kFloat64);
  EXPECT_TRUE(handle.requires_grad());
  EXPECT_EQ(handle.to_vector<double>(), before);
  EXPECT_EQ(handle.grad().dtype(), kFloat64);
  EXPECT_EQ(handle.grad().to_vector<double>(), gradient);
  EXPECT_EQ(layer(random_tensor({2, 4}, kFloat64, 3)).dtype(), kFloat64);
  EXPECT_THROW(layer.to(kInt64), DTypeError);
}

TEST(LinearTest, StateOfAnotherDtypeIsConverted) {
  Linear from(4, 3, {.dtype = kFloat64});
  Linear into(4, 3);
  into.load_state_dict(from.state_dict());
  EXPECT_EQ(into.weight.dtype(), kFloat32);
  EXPECT_EQ(into.bias.to_vector<float>(), from.bias.to_vector<float>());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
