#include "normgrad/core/autograd/tensor.hpp"

#include <gtest/gtest.h>

#include "tests/support/raises.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

TEST(TensorTest, UndefinedTensorSaysSo) {
  const Tensor x;
  EXPECT_FALSE(x.defined());
  EXPECT_THROW(x.shape(), ValueError);
}

TEST(TensorTest, AliasSharesMemoryAndVersion) {
  Tensor x = Tensor::empty({2, 3});
  const Tensor y = x.alias({6});
  x.mutable_data<float>()[4] = 7.0F;
  EXPECT_EQ(y.data<float>()[4], 7.0F);
  EXPECT_EQ(y.version(), x.version());
}

TEST(TensorTest, SizesThatOverflowAreRefused) {
  EXPECT_EQ(tests::error_of<ShapeError>([] {
              Tensor::empty({1 << 30, 1 << 30, 8});
            }),
            "tensor: float32 [1073741824, 1073741824, 8] is too large for any memory");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
