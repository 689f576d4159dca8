#include "normgrad/core/xtensor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <xtensor/xmath.hpp>
#include <xtensor/xstrided_view.hpp>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::ThrowsMessage;

TEST(XtensorTest, CopiesExpressions) {
  const xt::xarray<double> a = {{1, 2, 3}, {4, 5, 6}};
  const Tensor x = from_xtensor(a);
  EXPECT_EQ(x.dtype(), kFloat64);
  EXPECT_EQ(x.shape(), Shape({2, 3}));
  EXPECT_THAT(x.to_vector<double>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(from_xtensor(2.0 * xt::transpose(a)).to_vector<double>(), ElementsAre(2, 8, 4, 10, 6, 12));
  EXPECT_EQ(from_xtensor(xt::xarray<int>{1, 2}).dtype(), kInt32);
  EXPECT_EQ(from_xtensor(xt::xarray<std::uint8_t>{1, 2}).dtype(), kUInt8);
  EXPECT_EQ(from_xtensor(xt::xarray<std::int16_t>{1, 2}).dtype(), kInt64);
  EXPECT_EQ(from_xtensor(a > 2.0).dtype(), kBool);
  EXPECT_EQ(from_xtensor(xt::xtensor<float, 3>({2, 1, 4})).shape(), Shape({2, 1, 4}));
}

TEST(XtensorTest, ConvertsOtherLayouts) {
  const xt::xarray<float, xt::layout_type::column_major> a = {{1, 2, 3}, {4, 5, 6}};
  EXPECT_THAT(from_xtensor(a).to_vector<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  auto b = a;
  EXPECT_THAT(from_xtensor(std::move(b)).to_vector<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(XtensorTest, TakesMovedMemoryOver) {
  xt::xarray<float> a = {{1, 2, 3}, {4, 5, 6}};
  const float* memory = a.data();
  Tensor x = from_xtensor(std::move(a));
  EXPECT_EQ(x.data<float>(), memory);
  EXPECT_EQ(x.shape(), Shape({2, 3}));
  const Tensor y = x.reshape({6});
  x = Tensor();
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  xt::xtensor<std::int64_t, 1> b = {7, 8};
  const std::int64_t* b_memory = b.data();
  EXPECT_EQ(from_xtensor(std::move(b)).data<std::int64_t>(), b_memory);
}

TEST(XtensorTest, ViewsShareAndKeepTheMemory) {
  Tensor x = tensor({{1.0, 2, 3}, {4, 5, 6}});
  const auto view = as_xtensor<float>(x);
  EXPECT_EQ(view.data(), x.data<float>());
  EXPECT_EQ(view(1, 2), 6.0F);
  x.fill_(3);
  EXPECT_EQ(view(1, 2), 3.0F);
  x = Tensor();
  EXPECT_EQ(xt::sum(view)(), 18.0F);
  EXPECT_THAT(
      [] { as_xtensor<double>(zeros({2})); },
      ThrowsMessage<DTypeError>("tensor: cannot read float32 elements as float64; convert the tensor with to(), or "
                                "read its own dtype"));
}

TEST(XtensorTest, MutableViewsWriteThroughAndCountAsAChange) {
  Tensor x = zeros({2, 2});
  const auto version = x.version();
  auto view = as_mutable_xtensor<float>(x);
  view = xt::ones<float>({2, 2}) * 2.0F;
  view(0, 1) = 5;
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(2, 5, 2, 2));
  EXPECT_GT(x.version(), version);
}

TEST(XtensorTest, CopiesOut) {
  const Tensor x = arange(6).reshape({2, 3});
  const auto a = to_xarray<float>(x);
  EXPECT_EQ(a.dimension(), 2U);
  EXPECT_EQ(a(1, 0), 3.0F);
  const Tensor y = arange(0, 12, 1, {.dtype = kFloat32}).reshape({1, 3, 2, 2}).as_channels_last();
  EXPECT_EQ(to_xarray<double>(y)(0, 2, 0, 1), 9.0);
  EXPECT_EQ(to_xarray<float>(full({}, 4.0))(), 4.0F);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
