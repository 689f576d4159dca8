#include "normgrad/core/base/dtype.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <type_traits>

#include "tests/support/raises.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

TEST(DTypeTest, NamesAndSizes) {
  EXPECT_STREQ(dtype_name(kFloat32), "float32");
  EXPECT_STREQ(dtype_name(kFloat64), "float64");
  EXPECT_STREQ(dtype_name(kInt64), "int64");
  EXPECT_STREQ(dtype_name(kBool), "bool");
  EXPECT_STREQ(dtype_name(kUInt8), "uint8");
  EXPECT_STREQ(dtype_name(kInt32), "int32");
  EXPECT_EQ(dtype_size(kFloat32), sizeof(float));
  EXPECT_EQ(dtype_size(kFloat64), sizeof(double));
  EXPECT_EQ(dtype_size(kInt64), sizeof(std::int64_t));
  EXPECT_EQ(dtype_size(kBool), sizeof(bool));
  EXPECT_EQ(dtype_size(kUInt8), sizeof(std::uint8_t));
  EXPECT_EQ(dtype_size(kInt32), sizeof(std::int32_t));
  EXPECT_TRUE(is_floating_point(kFloat32) && is_floating_point(kFloat64));
  EXPECT_FALSE(is_floating_point(kInt64) || is_floating_point(kBool));
  EXPECT_FALSE(is_floating_point(kUInt8) || is_floating_point(kInt32));
  EXPECT_TRUE(is_integer(kUInt8) && is_integer(kInt32) && is_integer(kInt64));
  EXPECT_FALSE(is_integer(kBool) || is_integer(kFloat32) || is_integer(kFloat64));
  std::ostringstream out;
  out << kFloat64;
  EXPECT_EQ(out.str(), "float64");
}

TEST(DTypeTest, DispatchesToTheType) {
  const auto size = [](auto zero) { return sizeof(zero); };
  EXPECT_EQ(dispatch_float("f", kFloat32, size), 4U);
  EXPECT_EQ(dispatch_float("f", kFloat64, size), 8U);
  const auto is_right = [](DType dtype) {
    return dispatch_all(dtype, [dtype](auto zero) { return dtype_of<decltype(zero)> == dtype; });
  };
  EXPECT_TRUE(is_right(kFloat32) && is_right(kFloat64) && is_right(kInt64) && is_right(kBool));
  EXPECT_TRUE(is_right(kUInt8) && is_right(kInt32));
  EXPECT_EQ(tests::error_of<DTypeError>([&] { dispatch_float("exp", kInt64, size); }),
            "exp: expected a float32 or float64 tensor but got int64");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
