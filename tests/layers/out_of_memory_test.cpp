// A tensor too large for any memory throws an error of the library that names it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/linear.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using testing::StartsWith;
using tests::error_of;

constexpr std::int64_t kLong = std::int64_t{1} << 23;
constexpr std::int64_t kLonger = std::int64_t{1} << 24;  // together beyond the address space of any processor

TEST(OutOfMemoryTest, NamesDtypeShapeAndBytes) {
  const std::string text = error_of<OutOfMemoryError>([] { zeros({kLong, kLonger}, {.dtype = kFloat64}); });
  EXPECT_THAT(text, StartsWith("tensor: no memory for float64 [8388608, 16777216], 1125899906842624 bytes, while"));
  EXPECT_THAT(text, HasSubstr("use smaller batches"));
}

TEST(OutOfMemoryTest, OfResultsToo) {
  const Tensor column = zeros({kLong, 1});
  const Tensor row = zeros({1, kLonger});
  const char* expected = "no memory for float32 [8388608, 16777216], 562949953421312 bytes";
  EXPECT_THAT(error_of<OutOfMemoryError>([&] { column + row; }), HasSubstr(expected));
  EXPECT_THAT(error_of<OutOfMemoryError>([&] { matmul(column, row); }), HasSubstr(expected));
  EXPECT_THAT(error_of<OutOfMemoryError>([&] { column.expand({kLong, kLonger}); }), HasSubstr(expected));
  EXPECT_THAT(error_of<OutOfMemoryError>([] { Linear(kLong, kLonger, {.bias = false}); }), HasSubstr("no memory"));
  // The message names the layer.
  Linear wide(1, kLonger, {.bias = false});
  EXPECT_THAT(error_of<OutOfMemoryError>([&] { wide(column); }), StartsWith("Linear: tensor: no memory for float32"));
}

TEST(OutOfMemoryTest, SizesThatNoNumberHoldsAreRefusedByTheirShape) {
  EXPECT_THAT(error_of<ShapeError>([] {
                zeros({std::int64_t{1} << 40, std::int64_t{1} << 40});
              }),
              HasSubstr("float32 [1099511627776, 1099511627776] is too large for any memory"));
}

TEST(OutOfMemoryTest, TheProgramGoesOn) {
  const Tensor x = ones({3});
  EXPECT_FALSE(error_of<Error>([&] { x.expand({kLong, kLonger, 3}); }).empty());
  EXPECT_EQ((x + x).to_vector<double>(), (std::vector<double>{2, 2, 2}));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
