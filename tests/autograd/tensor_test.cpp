#include "normgrad/core/autograd/tensor.hpp"

#include <gtest/gtest.h>

namespace normgrad {
namespace {

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

}  // namespace
}  // namespace normgrad
