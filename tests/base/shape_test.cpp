#include "normgrad/core/base/shape.hpp"

#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;

TEST(Shape, KnowsItsSizes) {
  const Shape shape = {2, 3, 4};
  EXPECT_EQ(shape.dim(), 3);
  EXPECT_EQ(shape.numel(), 24);
  EXPECT_EQ(shape.at(-1), 4);
  EXPECT_EQ(shape.at(0), 2);
  EXPECT_EQ(to_string(shape), "[2, 3, 4]");
  EXPECT_EQ(Shape().numel(), 1);
  EXPECT_EQ(to_string(Shape()), "[]");
  EXPECT_EQ(Shape({3, 0, 2}).numel(), 0);
  EXPECT_EQ(error_of<IndexError>([&] { shape.at(3); }), "size: expected an axis in [-3, 2] but got 3");
  EXPECT_EQ(error_of<IndexError>([&] { shape.at(-4); }), "size: expected an axis in [-3, 2] but got -4");
}

TEST(Shape, ComparesSizesAndRank) {
  EXPECT_EQ(Shape({2, 3}), Shape({2, 3}));
  EXPECT_NE(Shape({2, 3}), Shape({3, 2}));
  EXPECT_NE(Shape({2, 3}), Shape({2, 3, 1}));
}

TEST(Shape, GrowsAndShrinksAnywhere) {
  Shape shape = {2, 4};
  shape.insert(1, 3);
  EXPECT_EQ(shape, Shape({2, 3, 4}));
  shape.insert(0, 1);
  EXPECT_EQ(shape, Shape({1, 2, 3, 4}));
  shape.erase(2);
  EXPECT_EQ(shape, Shape({1, 2, 4}));
  shape.erase(2);
  EXPECT_EQ(shape, Shape({1, 2}));
}

TEST(Shape, RefusesNegativeSizesAndTooManyAxes) {
  EXPECT_EQ(error_of<ShapeError>([] { Shape({2, -1}); }), "shape: expected sizes >= 0 but got -1");
  EXPECT_EQ(error_of<ShapeError>([] {
              Shape({1, 1, 1, 1, 1, 1, 1, 1, 1});
            }),
            "shape: expected at most 8 axes but got more");
  EXPECT_NO_THROW(Shape({1, 1, 1, 1, 1, 1, 1, 1}));
}

TEST(Shape, StridesAreRowMajor) {
  const auto strides = strides_of({2, 3, 4});
  EXPECT_EQ(strides[0], 12);
  EXPECT_EQ(strides[1], 4);
  EXPECT_EQ(strides[2], 1);
}

TEST(BroadcastShapes, FollowsNumPy) {
  EXPECT_EQ(broadcast_shapes("f", {2, 3}, {3}), Shape({2, 3}));
  EXPECT_EQ(broadcast_shapes("f", {2, 1, 4}, {5, 1}), Shape({2, 5, 4}));
  EXPECT_EQ(broadcast_shapes("f", {}, {4}), Shape({4}));
  EXPECT_EQ(broadcast_shapes("f", {1}, {0}), Shape({0}));
  EXPECT_EQ(error_of<ShapeError>([] {
              broadcast_shapes("add", {2, 3}, {4});
            }),
            "add: expected shapes that broadcast but got [2, 3] and [4]; axes are compared from the last one on: add "
            "some with unsqueeze()");
  EXPECT_THROW(broadcast_shapes("add", {2}, {0}), ShapeError);
}

TEST(Axes, MaskNamesThem) {
  const auto named = Axes({0, -1}).mask("sum", 3);
  EXPECT_TRUE(named[0] && !named[1] && named[2]);
  const auto all = Axes().mask("sum", 2);
  EXPECT_TRUE(all[0] && all[1] && !all[2]);
  EXPECT_EQ(error_of<ValueError>([] {
              Axes({1, -1}).mask("sum", 2);
            }),
            "sum: expected different axes but got -1 twice");
  EXPECT_EQ(error_of<IndexError>([] { Axes(2).mask("sum", 2); }), "sum: expected an axis in [-2, 1] but got 2");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
