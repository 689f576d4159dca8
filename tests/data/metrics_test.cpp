#include "normgrad/data/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "normgrad/core/ops/creation.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

TEST(AccuracyTest, CountsRowsWithTheLargestScoreAtTheLabel) {
  const Tensor labels = from_vector<std::int64_t>({2, 0, 1, 1}, {4});
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor scores = tensor({{1, 2, 3}, {0, 5, 1}, {-3, -1, -2}, {4, 4, 0}}, {.dtype = dtype});
    EXPECT_EQ(count_correct(scores, labels), 2);  // the first maximum of the last row is 0
    EXPECT_EQ(accuracy(scores, labels), 0.5);
  }
}

TEST(AccuracyTest, ARowWithNaNIsWrong) {
  const double nan = std::nan("");
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor labels = from_vector<std::int64_t>({0, 1, 2, 0}, {4});
  for (const DType dtype : {kFloat32, kFloat64}) {
    const TensorOptions of = {.dtype = dtype};
    EXPECT_EQ(accuracy(full({4, 3}, nan, of), labels), 0.0);
    // NaN at the label, elsewhere, several times, and nowhere.
    EXPECT_EQ(count_correct(tensor({{nan, 1, 2}, {nan, 5, nan}, {1, nan, inf}, {3, 1, 2}}, of), labels), 1);
    EXPECT_EQ(count_correct(tensor({{0, nan, nan}, {0, nan, nan}, {0, nan, nan}, {inf, 1, -inf}}, of), labels), 1);
  }
  EXPECT_EQ(count_correct(from_vector<std::int64_t>({1, 0, 0, 1}, {2, 2}), from_vector<std::int64_t>({0, 0}, {2})), 1);
}

TEST(AccuracyTest, RefusesOtherTensors) {
  const Tensor scores = zeros({2, 3});
  EXPECT_THROW(accuracy(scores, zeros({2})), DTypeError);
  EXPECT_THROW(accuracy(scores, zeros({3}, {.dtype = kInt64})), ShapeError);
  EXPECT_THROW(accuracy(zeros({2}), zeros({2}, {.dtype = kInt64})), ShapeError);
  EXPECT_THROW(accuracy(zeros({0, 3}), zeros({0}, {.dtype = kInt64})), ShapeError);
  EXPECT_EQ(count_correct(zeros({0, 3}), zeros({0}, {.dtype = kInt64})), 0);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
