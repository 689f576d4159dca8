// A model converted between backward and step keeps its gradients.
#include <gtest/gtest.h>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/linear.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

TEST(ConvertedGradientTest, GradientsAreConvertedWithTheirParameters) {
  Linear layer(2, 1);
  layer(ones({1, 2})).backward(ones({1, 1}));
  layer.to(kFloat64);
  for (const Tensor& parameter : layer.parameters()) {
    ASSERT_TRUE(parameter.grad().defined());
    EXPECT_EQ(parameter.grad().dtype(), kFloat64);
    EXPECT_EQ(parameter.grad().to_vector<double>(),
              std::vector<double>(static_cast<std::size_t>(parameter.numel()), 1.0));
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
