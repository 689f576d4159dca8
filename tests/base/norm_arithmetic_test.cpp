#include "normgrad/core/base/norm_arithmetic.hpp"

#include <gtest/gtest.h>

#include "tests/support/norm_arithmetic.hpp"
#include "tests/support/raises.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

TEST(NormArithmeticTest, IsFloat32UntilItIsSet) {
  EXPECT_EQ(norm_arithmetic(), kFloat32);
  {
    const tests::UsedNormArithmetic used(kFloat64);
    EXPECT_EQ(norm_arithmetic(), kFloat64);
  }
  EXPECT_EQ(norm_arithmetic(), kFloat32);
}

TEST(NormArithmeticTest, OtherDtypesAreErrorsAndChangeNothing) {
  const tests::UsedNormArithmetic used(kFloat64);
  EXPECT_EQ(tests::error_of<ValueError>([] { set_norm_arithmetic(kInt64); }),
            "set_norm_arithmetic: expected float32 or float64 but got int64");
  EXPECT_EQ(tests::error_of<ValueError>([] { set_norm_arithmetic(kBool); }),
            "set_norm_arithmetic: expected float32 or float64 but got bool");
  EXPECT_EQ(norm_arithmetic(), kFloat64);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
