#include "normgrad/data/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/raises.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

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

TEST(ConfusionMatrixTest, CountsPairsOfLabelAndGuess) {
  const Tensor scores = tensor({{1.0, 2, 3}, {0, 5, 1}, {9, -1, -2}, {4, 4, 0}});  // guesses 2, 1, 0, 0
  const Tensor counts = confusion_matrix(scores, from_vector<std::int64_t>({2, 0, 1, 1}, {4}));
  EXPECT_EQ(counts.shape(), Shape({3, 3}));
  EXPECT_THAT(counts.to_vector<std::int64_t>(), testing::ElementsAre(0, 1, 0, 2, 0, 0, 0, 0, 1));
  EXPECT_THAT(confusion_matrix(zeros({0, 2}), zeros({0}, {.dtype = kInt64})).to_vector<std::int64_t>(),
              testing::ElementsAre(0, 0, 0, 0));
}

TEST(ConfusionMatrixTest, APixelHasALabel) {
  // Two images of 1 x 2 pixels and two classes.
  const Tensor scores = tensor({{{{1.0, 0}}, {{0, 1}}}, {{{1, 1}}, {{0, 2}}}});  // guesses 0 1, 0 1
  const Tensor labels = from_vector<std::int64_t>({0, 1, 1, 1}, {2, 1, 2});
  const Tensor counts = confusion_matrix(scores, labels);
  EXPECT_THAT(counts.to_vector<std::int64_t>(), testing::ElementsAre(1, 0, 1, 2));
  // Class 0: one of two; class 1: two of three.
  EXPECT_THAT(intersection_over_union(counts).to_vector<double>(), testing::ElementsAre(1.0 / 2.0, 2.0 / 3.0));
}

TEST(ConfusionMatrixTest, AClassThatDoesNotOccurHasNoUnion) {
  const std::vector<double> iou =
      intersection_over_union(from_vector<std::int64_t>({3, 0, 0, 0, 0, 0, 1, 0, 0}, {3, 3})).to_vector<double>();
  EXPECT_EQ(iou[0], 0.75);
  EXPECT_TRUE(std::isnan(iou[1]));
  EXPECT_EQ(iou[2], 0.0);
}

TEST(ConfusionMatrixTest, RefusesOtherTensors) {
  const Tensor labels = zeros({2}, {.dtype = kInt64});
  EXPECT_EQ(error_of<ShapeError>([&] {
              confusion_matrix(zeros({2, 3, 4}), labels);
            }),
            "confusion_matrix: expected scores [N, C, ...] and labels [N, ...] but got [2, 3, 4] and [2]");
  EXPECT_EQ(error_of<DTypeError>([&] {
              confusion_matrix(zeros({2, 3}), zeros({2}));
            }),
            "confusion_matrix: expected int64 labels but got float32");
  EXPECT_EQ(error_of<IndexError>([&] {
              confusion_matrix(zeros({2, 3}), labels + 3);
            }),
            "confusion_matrix: expected labels in [0, 3) but got 3 at position 0");
  EXPECT_EQ(error_of<ShapeError>([&] { intersection_over_union(labels); }),
            "intersection_over_union: expected a confusion matrix [C, C] but got [2]");
  EXPECT_EQ(error_of<DTypeError>([&] {
              intersection_over_union(zeros({2, 2}));
            }),
            "intersection_over_union: expected int64 counts but got float32");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
