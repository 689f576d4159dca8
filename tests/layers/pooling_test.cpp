#include "normgrad/layers/pooling.hpp"

#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using Values = std::vector<double>;

Tensor counting(const Shape& shape) {
  return reshape_to(arange(0.0, static_cast<double>(shape.numel()), 1.0, {}), shape);
}

TEST(PoolLayerTest, ValuesByHand) {
  const Tensor image = counting({1, 1, 4, 4});
  EXPECT_EQ(MaxPool2d(2)(image).to_vector<double>(), (Values{5, 7, 13, 15}));
  EXPECT_EQ(MaxPool2d(3, {.stride = 1})(image).to_vector<double>(), (Values{10, 11, 14, 15}));
  EXPECT_EQ(MaxPool2d(2, {.padding = 1})(image).to_vector<double>(), (Values{0, 2, 3, 8, 10, 11, 12, 14, 15}));
  EXPECT_EQ(AvgPool2d({2, 4})(image).to_vector<double>(), (Values{3.5, 11.5}));
  EXPECT_EQ(AvgPool2d(2, {.stride = 3, .padding = 1})(image).to_vector<double>(), (Values{0, 1.25, 5, 12.5}));
  EXPECT_EQ(AdaptiveAvgPool2d(1)(image).to_vector<double>(), (Values{7.5}));
  EXPECT_EQ(AdaptiveAvgPool2d({1, 2})(image).to_vector<double>(), (Values{6.5, 8.5}));

  const Tensor line = counting({1, 1, 5});
  EXPECT_EQ(MaxPool1d(2)(line).to_vector<double>(), (Values{1, 3}));
  EXPECT_EQ(MaxPool1d(2, {.stride = 1, .dilation = 2})(line).to_vector<double>(), (Values{2, 3, 4}));
  EXPECT_EQ(AvgPool1d(2, {.padding = 1})(line).to_vector<double>(), (Values{0, 1.5, 3.5}));
  EXPECT_EQ(AvgPool1d(3, {.padding = 1, .count_include_pad = false})(line).to_vector<double>(), (Values{0.5, 3}));
}

TEST(PoolLayerTest, PrintsAsPyTorchDoes) {
  EXPECT_EQ(to_string(MaxPool2d(2)), "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1)");
  EXPECT_EQ(to_string(MaxPool1d(3, {.stride = 2, .padding = 1})),
            "MaxPool1d(kernel_size=3, stride=2, padding=1, dilation=1)");
  EXPECT_EQ(to_string(AvgPool2d({2, 3}, {.count_include_pad = false})),
            "AvgPool2d(kernel_size=(2, 3), stride=(2, 3), padding=0, count_include_pad=false)");
  EXPECT_EQ(to_string(AvgPool1d(2)), "AvgPool1d(kernel_size=2, stride=2, padding=0)");
  EXPECT_EQ(to_string(AdaptiveAvgPool2d({1, 1})), "AdaptiveAvgPool2d(output_size=(1, 1))");
}

TEST(PoolLayerTest, ConstructorsCheckTheirArguments) {
  EXPECT_EQ(error_of<ValueError>([] { MaxPool2d(0); }), "MaxPool2d: expected kernel_size >= 1 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { MaxPool2d(2, {.stride = 0}); }), "MaxPool2d: expected stride >= 1 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { AvgPool2d(3, {.padding = 2}); }),
            "AvgPool2d: expected padding of at most half of the window but got padding 2 for kernel_size 3");
  EXPECT_EQ(error_of<ValueError>([] { MaxPool1d(2, {.dilation = 0}); }), "MaxPool1d: expected dilation >= 1 but got 0");
  EXPECT_EQ(error_of<ValueError>([] { AdaptiveAvgPool2d(0); }),
            "AdaptiveAvgPool2d: expected output_size >= 1 but got 0");
  EXPECT_EQ(error_of<ShapeError>([] {
              AvgPool1d({2, 2});
            }),
            "AvgPool1d: expected kernel_size to be one number or 1 but got [2, 2]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
