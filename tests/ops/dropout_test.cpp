#include "normgrad/core/ops/elementwise/dropout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::Each;
using testing::ThrowsMessage;

TEST(DropoutTest, KeepsTheMeanAndMasksTheGradientAlike) {
  Generator g(11);
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = ones({300, 400}, {.dtype = dtype, .requires_grad = true});
    const Tensor y = dropout(x, 0.25, true, &g);
    const auto values = y.to_vector<double>();
    double sum = 0.0;
    for (const double v : values) {
      ASSERT_TRUE(v == 0.0 || std::abs(v - 4.0 / 3.0) < 1e-7) << v;
      sum += v;
    }
    // tol: five standard errors, sqrt(p / (1 - p) / n)
    EXPECT_NEAR(sum / 120000, 1.0, 5 * std::sqrt(0.25 / 0.75 / 120000));
    EXPECT_EQ(grad({y}, {x}, {ones_like(y)})[0].to_vector<double>(), values);
  }
}

TEST(DropoutTest, IsDifferentiableTwice) {
  Generator g(1);
  const Tensor x = randn({50}, {.dtype = kFloat64, .requires_grad = true}, &g);
  const Tensor gy = randn({50}, {.dtype = kFloat64, .requires_grad = true}, &g);
  const Tensor y = dropout(x, 0.5, true, &g);
  const Tensor gx = grad({y}, {x}, {gy}, {.create_graph = true})[0];
  const auto mask = grad({gx}, {gy}, {ones_like(gx)})[0].to_vector<double>();
  const auto from = x.to_vector<double>();
  for (std::size_t i = 0; i < mask.size(); ++i) {
    EXPECT_EQ(mask[i] * from[i], y.to_vector<double>()[i]);
  }
}

TEST(DropoutTest, DropsTheSameElementsWhereverTheyLie) {
  Generator g(2);
  const Tensor x = randn({3, 5, 4, 2}, {.requires_grad = true}, &g);
  const Tensor x2 = x.as_channels_last();
  Generator a(3);
  Generator b(3);
  const Tensor y = dropout(x, 0.5, true, &a);
  const Tensor y2 = dropout(x2, 0.5, true, &b);
  EXPECT_TRUE(y2.is_channels_last());
  EXPECT_EQ(y.to_vector<float>(), y2.to_vector<float>());
  const Tensor gy = ones_like(y).as_channels_last();
  const auto gx = grad({y}, {x}, {gy})[0].to_vector<float>();
  for (std::size_t i = 0; i < gx.size(); ++i) {
    EXPECT_EQ(gx[i] * x.to_vector<float>()[i], y.to_vector<float>()[i]);
  }
}

TEST(DropoutTest, EdgesAndErrors) {
  const Tensor x = ones({10});
  EXPECT_TRUE(is_same(dropout(x, 0.5, false), x));
  EXPECT_TRUE(is_same(dropout(x, 0.0), x));
  EXPECT_THAT(dropout(x, 1.0).to_vector<float>(), Each(0.0F));
  EXPECT_THAT([&] { dropout(x, 1.5); }, ThrowsMessage<ValueError>("dropout: expected p in [0, 1] but got 1.5"));
  EXPECT_THAT([&] { dropout(arange(3)); },
              ThrowsMessage<DTypeError>("dropout: expected a float32 or float64 tensor but got int64"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
