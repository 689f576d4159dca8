#include <gtest/gtest.h>

#include <numeric>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {
namespace {

Tensor counting(const Shape& shape) {
  Tensor x = Tensor::empty(shape);
  std::iota(x.mutable_data<float>(), x.mutable_data<float>() + x.numel(), 0.0F);
  return x;
}

TEST(TensorLayoutTest, ChannelsLastHoldsTheSameElementsInAnotherOrder) {
  for (const Shape& shape : {Shape{2, 3, 4, 5}, Shape{3, 17, 33}, Shape{1, 40, 7, 3, 2}, Shape{5, 1, 9}}) {
    const Tensor source = counting(shape);
    const std::vector<float> before = source.to_vector<float>();
    const Tensor x = source.as_channels_last();
    ASSERT_FALSE(source.is_channels_last());
    ASSERT_TRUE(x.is_channels_last());
    const std::int64_t c = shape[1];
    const std::int64_t s = x.numel() / shape[0] / c;
    const float* lies = x.physical_data<float>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t n = i / (c * s);
      const std::int64_t channel = i / s % c;
      ASSERT_EQ(lies[n * c * s + i % s * c + channel], before[static_cast<std::size_t>(i)]);
    }
    EXPECT_EQ(x.to_vector<float>(), before);
    EXPECT_FALSE(x.is_channels_last());
  }
}

TEST(TensorLayoutTest, OrderBelongsToTheMemoryNotToTheHandle) {
  const Tensor x = counting({2, 3, 4}).as_channels_last();
  const Tensor y = x.detach();
  EXPECT_TRUE(y.is_channels_last());
  Tensor z = y.alias({24});
  EXPECT_FALSE(x.is_channels_last());
  z.mutable_data<float>()[5] = -1.0F;
  EXPECT_EQ(x.data<float>()[5], -1.0F);
}

TEST(TensorLayoutTest, ChangingTheOrderIsNoChangeInPlace) {
  const Tensor x = counting({2, 3, 4}).as_channels_last();
  const std::uint64_t version = x.version();
  x.to_row_major();
  EXPECT_EQ(x.version(), version);
}

}  // namespace
}  // namespace normgrad
