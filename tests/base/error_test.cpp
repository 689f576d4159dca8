#include "normgrad/core/base/error.hpp"

#include <gtest/gtest.h>

#include "tests/support/raises.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

TEST(ErrorTest, PartsAreStreamedOnlyOnFailure) {
  EXPECT_NO_THROW(require<ShapeError>(true, "no"));
  EXPECT_EQ(error_of<ShapeError>([] { require<ShapeError>(false, "linear: expected ", 3, " but got ", 2.5); }),
            "linear: expected 3 but got 2.5");
}

TEST(ErrorTest, AllAreErrors) {
  EXPECT_THROW(fail<ShapeError>("x"), Error);
  EXPECT_THROW(fail<ValueError>("x"), Error);
  EXPECT_THROW(fail<DTypeError>("x"), Error);
  EXPECT_THROW(fail<IndexError>("x"), Error);
  EXPECT_THROW(fail<GraphError>("x"), Error);
  EXPECT_THROW(fail<GradCheckError>("x"), Error);
  EXPECT_THROW(fail<IoError>("x"), std::runtime_error);
}

TEST(ErrorTest, ModulesOnTheWayAddTheirPath) {
  ShapeError error("linear: expected 3");
  const int inner = 0;
  const int outer = 0;
  error.pass_module(&inner, "Linear", "");
  EXPECT_STREQ(error.what(), "Linear: linear: expected 3");
  error.pass_module(&outer, "Net", "fc1");
  error.pass_module(&outer, "Model", "head");
  EXPECT_STREQ(error.what(), "Linear 'head.fc1': linear: expected 3");
  EXPECT_STREQ(error.message(), "linear: expected 3");
  ValueError own("BatchNorm2d: wrong");
  own.pass_module(&inner, "BatchNorm2d", "norm1");
  EXPECT_STREQ(own.what(), "BatchNorm2d 'norm1': wrong");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
