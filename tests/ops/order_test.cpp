// Sorting, order statistics, searches.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/order/order.hpp"
#include "normgrad/core/ops/order/search.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::kInf;
using tests::kNan;
using tests::numbers;
using tests::Numbers;
using tests::random_tensor;

// Equality in which NaN equals NaN.
bool same(const Numbers& a, const Numbers& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double u, double v) { return u == v || (u != u && v != v); });
}
bool comes_before(double a, double b) { return a < b || (b != b && a == a); }  // NaN is the largest

// Random numbers with many equal ones, and NaN and infinities among them.
Tensor mixed(const Shape& shape, DType dtype, std::uint32_t seed, double distinct = 3.0) {
  Tensor x = random_tensor(shape, kFloat64, seed);
  double* at = x.mutable_data<double>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    at[i] = std::nearbyint(at[i] * distinct);
    if (is_floating_point(dtype)) {
      at[i] = i % 17 == 5 ? kNan : i % 19 == 7 ? -kInf : i % 23 == 3 ? kInf : i % 11 == 2 ? -0.0 : at[i];
    }
  }
  return x.to(dtype);
}

// The stable order of each column along the axis, by the standard library.
Numbers expected_order(const Tensor& x, std::size_t axis, bool descending) {
  const Numbers values = numbers(x);
  const auto strides = strides_of(x.shape());
  const std::int64_t n = x.shape()[axis];
  Numbers result(values.size());
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    if (i / strides[axis] % n != 0) {
      continue;
    }
    const auto value = [&](std::int64_t k) { return values[static_cast<std::size_t>(i + k * strides[axis])]; };
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      return descending ? comes_before(value(b), value(a)) : comes_before(value(a), value(b));
    });
    for (std::int64_t k = 0; k < n; ++k) {
      result[static_cast<std::size_t>(i + k * strides[axis])] = static_cast<double>(order[static_cast<std::size_t>(k)]);
    }
  }
  return result;
}

TEST(OrderTest, SortIsStableAndNanIsLast) {
  for (const DType dtype : {kFloat32, kFloat64, kInt64, kBool}) {
    for (const Shape& shape : {Shape{40}, Shape{5, 7, 3}, Shape{2, 700}, Shape{3000}, Shape{1, 1}}) {
      const Tensor x = mixed(shape, dtype, 3);
      for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
        for (const bool descending : {false, true}) {
          const auto [values, indices] = sort(x, static_cast<std::int64_t>(axis), descending);
          const Numbers expected = expected_order(x, axis, descending);
          EXPECT_EQ(numbers(indices), expected) << dtype << shape << axis << descending;
          EXPECT_EQ(values.dtype(), dtype);
          EXPECT_EQ(numbers(argsort(x, static_cast<std::int64_t>(axis), descending)), expected);
          EXPECT_TRUE(same(numbers(values), numbers(gather(x, static_cast<std::int64_t>(axis), indices))));
        }
      }
    }
  }
}

// Keys of all bytes: the passes by bytes agree with the standard library.
TEST(OrderTest, SortsManyDifferentNumbers) {
  const Tensor x = mul(random_tensor({2000}, kFloat64, 8), exp(mul(random_tensor({2000}, kFloat64, 9), 20.0)));
  EXPECT_EQ(numbers(argsort(x)), expected_order(x, 0, false));
  EXPECT_EQ(numbers(argsort(x.to(kFloat32), -1, true)), expected_order(x.to(kFloat32), 0, true));
  const Tensor whole = clamp(x, -9e18, 9e18).to(kInt64);
  EXPECT_EQ(numbers(argsort(whole)), expected_order(whole, 0, false));
  const Tensor limits = tensor({std::int64_t{0}, std::numeric_limits<std::int64_t>::max(), std::int64_t{-1},
                                std::numeric_limits<std::int64_t>::min()},
                               {.dtype = kInt64});
  EXPECT_EQ(numbers(argsort(limits)), (Numbers{3, 2, 0, 1}));
}

TEST(OrderTest, Topk) {
  for (const DType dtype : {kFloat32, kFloat64, kInt64}) {
    const Tensor x = mixed({4, 30, 2}, dtype, 5);
    for (const bool largest : {true, false}) {
      const Tensor order = argsort(x, 1, largest);
      for (const std::int64_t k : {0, 1, 7, 30}) {
        const auto [values, indices] = topk(x, k, 1, largest);
        EXPECT_EQ(indices.shape(), (Shape{4, k, 2}));
        EXPECT_EQ(numbers(indices), numbers(order.narrow(1, 0, k))) << dtype << largest << k;
        EXPECT_TRUE(same(numbers(values), numbers(gather(x, 1, indices))));
        const Tensor unsorted = topk(x, k, 1, largest, false).indices;
        EXPECT_EQ(numbers(unsorted), numbers(sort(indices, 1).values));
      }
    }
  }
  const auto [values, indices] = tensor({3.0, 1.0, kNan, 2.0}).topk(2);
  EXPECT_TRUE(same(numbers(values), {kNan, 3.0}));
  EXPECT_EQ(numbers(indices), (Numbers{2, 0}));
}

TEST(OrderTest, KthValueAndMedian) {
  const Tensor x = mixed({5, 9, 3}, kFloat64, 6);
  for (const std::int64_t axis : {0, 1, 2}) {
    const auto sorted = sort(x, axis);
    for (std::int64_t k = 1; k <= x.size(axis); ++k) {
      const auto [values, indices] = kthvalue(x, k, axis);
      EXPECT_TRUE(same(numbers(values), numbers(sorted.values.select(axis, k - 1))));
      EXPECT_EQ(numbers(indices), numbers(sorted.indices.select(axis, k - 1)));
      EXPECT_EQ(values.shape(), x.select(axis, 0).shape());
      EXPECT_EQ(kthvalue(x, k, axis, true).values.shape(), x.narrow(axis, 0, 1).shape());
    }
  }
  const auto [values, indices] = median(tensor({{4.0, 1.0, 3.0, 2.0}, {5.0, kNan, 1.0, kNan}}), 1);
  EXPECT_TRUE(same(numbers(values), {2.0, kNan}));  // the lower of the two in the middle
  EXPECT_EQ(numbers(indices), (Numbers{3, 1}));
  EXPECT_EQ(median(tensor({{5, 2}, {9, 7}, {1, 1}}, {.dtype = kInt64})).item(), 2.0);
  EXPECT_TRUE(std::isnan(median(tensor({1.0, kNan, 2.0})).item()));
  EXPECT_EQ(median(tensor({3.0, 1, 2}), 0, true).values.shape(), (Shape{1}));
}

TEST(OrderTest, MedianSharesItsGradient) {
  Tensor x = tensor({2.0, 5.0, 2.0, 1.0, 7.0}, {.dtype = kFloat64, .requires_grad = true});
  median(x).backward(tensor(3.0, {.dtype = kFloat64}));
  EXPECT_EQ(numbers(x.grad()), (Numbers{1.5, 0, 1.5, 0, 0}));
  Tensor with_nan = tensor({2.0, kNan, 1.0, kNan}, {.dtype = kFloat64, .requires_grad = true});
  median(with_nan).backward();
  EXPECT_EQ(numbers(with_nan.grad()), (Numbers{0, 0.5, 0, 0.5}));
}

TEST(OrderTest, ExtremesWithIndices) {
  const Tensor x = tensor({{1.0, 4.0, 4.0}, {kNan, 2.0, kNan}});
  EXPECT_TRUE(same(numbers(max_with_indices(x, 1).values), {4.0, kNan}));
  EXPECT_EQ(numbers(max_with_indices(x, 1).indices), (Numbers{1, 0}));
  EXPECT_EQ(numbers(min_with_indices(x, 1).indices), (Numbers{0, 0}));
  EXPECT_EQ(numbers(min_with_indices(x, 0, true).indices), (Numbers{1, 1, 1}));
  EXPECT_EQ(min_with_indices(x, 0, true).values.shape(), (Shape{1, 3}));
  EXPECT_EQ(max_with_indices(x, 0).values.shape(), (Shape{3}));
  // All of the gradient goes to the first of equal elements.
  Tensor equal = tensor({2.0, 3.0, 3.0}, {.requires_grad = true});
  max_with_indices(equal, 0).values.backward();
  EXPECT_EQ(numbers(equal.grad()), (Numbers{0, 1, 0}));
}

TEST(OrderTest, RunningExtremes) {
  const Tensor x = tensor({1.0, 3.0, 2.0, 3.0, kNan, 9.0, kNan});
  EXPECT_TRUE(same(numbers(cummax(x, 0).values), {1, 3, 3, 3, kNan, kNan, kNan}));
  EXPECT_EQ(numbers(cummax(x, 0).indices), (Numbers{0, 1, 1, 3, 4, 4, 6}));
  EXPECT_EQ(numbers(cummin(x.narrow(0, 0, 4), 0).indices), (Numbers{0, 0, 0, 0}));
  const Tensor many = mixed({3, 20, 21}, kInt64, 9);
  const auto [values, indices] = cummin(many, 1);
  for (std::int64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(numbers(values.select(1, i)), numbers(min_with_indices(many.narrow(1, 0, i + 1), 1).values));
  }
  EXPECT_EQ(numbers(gather(many, 1, indices)), numbers(values));
}

TEST(OrderTest, ScalarsAndNothing) {
  const Tensor x = tensor(3.0);
  EXPECT_EQ(sort(x).values.shape(), Shape{});
  EXPECT_EQ(sort(x, 0).indices.item(), 0.0);
  EXPECT_EQ(topk(x, 1).values.shape(), Shape{});
  EXPECT_EQ(median(x, 0).values.item(), 3.0);
  EXPECT_EQ(kthvalue(x, 1).values.shape(), Shape{});
  EXPECT_EQ(max_with_indices(x, -1).indices.item(), 0.0);
  EXPECT_EQ(cummax(x, 0).values.item(), 3.0);
  for (const Shape& shape : {Shape{0}, Shape{2, 0}, Shape{0, 3}}) {
    EXPECT_EQ(sort(zeros(shape)).values.shape(), shape);
    EXPECT_EQ(cummin(zeros(shape), -1).indices.shape(), shape);
    EXPECT_EQ(topk(zeros(shape), 0).values.shape().back(), 0);
  }
  EXPECT_EQ(median(zeros({0, 3}), 1).values.shape(), (Shape{0}));
  Tensor leaf = tensor(2.0, {.requires_grad = true});
  sort(leaf).values.backward();
  EXPECT_EQ(leaf.grad().item(), 1.0);
}

TEST(OrderTest, ChannelsLastMemory) {
  const Tensor x = random_tensor({2, 3, 2, 2}, kFloat32, 1);
  EXPECT_EQ(numbers(sort(x.as_channels_last(), 1).values), numbers(sort(x, 1).values));
  EXPECT_EQ(numbers(topk(x.as_channels_last(), 2, 1).indices), numbers(topk(x, 2, 1).indices));
}

TEST(OrderTest, Errors) {
  const Tensor x = zeros({2, 3});
  EXPECT_EQ(error_of<IndexError>([&] { sort(x, 2); }), "sort: expected an axis in [-2, 1] but got 2");
  EXPECT_EQ(error_of<IndexError>([&] { argsort(tensor(1.0), 1); }), "argsort: expected an axis in [-1, 0] but got 1");
  EXPECT_EQ(error_of<ValueError>([&] { topk(x, 4); }), "topk: expected a k in [0, 3] but got 4");
  EXPECT_EQ(error_of<ValueError>([&] { topk(x, -1, 0); }), "topk: expected a k in [0, 2] but got -1");
  EXPECT_EQ(error_of<ValueError>([&] { kthvalue(x, 0); }), "kthvalue: expected a k in [1, 3] but got 0");
  EXPECT_EQ(error_of<ValueError>([&] {
              kthvalue(zeros({2, 0}), 1);
            }),
            "kthvalue: expected at least one element to reduce but got shape [2, 0]");
  EXPECT_EQ(error_of<ValueError>([&] {
              median(zeros({2, 0}), 1);
            }),
            "median: expected at least one element to reduce but got shape [2, 0]");
  EXPECT_EQ(error_of<ValueError>([&] { median(zeros({0})); }),
            "median: expected at least one element to reduce but got shape [0]");
  EXPECT_EQ(error_of<ValueError>([&] { max_with_indices(zeros({0}), 0); }),
            "max_with_indices: expected at least one element to reduce but got shape [0]");
}

TEST(SearchTest, SearchSorted) {
  const Tensor sorted = tensor({1.0, 3.0, 3.0, 5.0});
  const Tensor values = tensor({{0.0, 1.0, 2.0}, {3.0, 6.0, kNan}});
  EXPECT_EQ(numbers(searchsorted(sorted, values)), (Numbers{0, 0, 1, 1, 4, 4}));
  EXPECT_EQ(numbers(searchsorted(sorted, values, true)), (Numbers{0, 1, 1, 3, 4, 4}));
  EXPECT_EQ(searchsorted(sorted, values).shape(), (Shape{2, 3}));
  EXPECT_EQ(searchsorted(sorted, values).dtype(), kInt64);
  const Tensor rows = tensor({{1, 3, 5}, {2, 4, 6}}, {.dtype = kInt64});
  EXPECT_EQ(numbers(searchsorted(rows, tensor({{3, 4}, {3, 4}}, {.dtype = kInt64}))), (Numbers{1, 2, 1, 1}));
  EXPECT_EQ(searchsorted(sorted, tensor(3.5)).item(), 3.0);
  EXPECT_EQ(numbers(searchsorted(zeros({0}), tensor({1.0}))), (Numbers{0}));
  EXPECT_EQ(numbers(bucketize(tensor({1.0, 2.0, 3.0}), tensor({1.0, 3.0}))), (Numbers{0, 1, 1}));
  EXPECT_EQ(numbers(bucketize(tensor({1.0, 2.0, 3.0}), tensor({1.0, 3.0}), true)), (Numbers{1, 1, 2}));
  EXPECT_EQ(error_of<ShapeError>([&] {
              searchsorted(zeros({2, 3}), zeros({3, 3}));
            }),
            "searchsorted: expected values with the leading axes of the sorted [2, 3] but got [3, 3]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              bucketize(zeros({2}), zeros({1, 2}));
            }),
            "bucketize: expected a vector of boundaries but got [1, 2]");
  EXPECT_EQ(error_of<ShapeError>([&] { searchsorted(tensor(1.0), zeros({3})); }),
            "searchsorted: expected at least one axis to search along but got a scalar");
  EXPECT_EQ(error_of<DTypeError>([&] { searchsorted(sorted, zeros({2}, {.dtype = kFloat64})); }),
            "searchsorted: expected operands of the same dtype but got float32 and float64; convert one of them with "
            "to()");
  EXPECT_EQ(error_of<DTypeError>([&] { searchsorted(sorted > 0.0, sorted > 0.0); }),
            "searchsorted: expected a float32 or float64 tensor but got bool");
}

TEST(SearchTest, Unique) {
  const Tensor x = tensor({{3, 1, 3}, {2, 1, 3}}, {.dtype = kInt64});
  const auto [values, inverse, counts] = unique(x);
  EXPECT_EQ(numbers(values), (Numbers{1, 2, 3}));
  EXPECT_EQ(numbers(inverse), (Numbers{2, 0, 2, 1, 0, 2}));
  EXPECT_EQ(inverse.shape(), x.shape());
  EXPECT_EQ(numbers(counts), (Numbers{2, 1, 3}));
  EXPECT_EQ(values.dtype(), kInt64);
  const UniqueResult with_nan = unique(tensor({kNan, 0.0, -0.0, kNan}));
  EXPECT_TRUE(same(numbers(with_nan.values), {0, kNan, kNan}));
  EXPECT_EQ(numbers(with_nan.counts), (Numbers{2, 1, 1}));
  EXPECT_EQ(unique(zeros({0, 2})).values.shape(), (Shape{0}));
  EXPECT_EQ(unique(zeros({0, 2})).inverse.shape(), (Shape{0, 2}));
  EXPECT_EQ(numbers(unique(tensor({1.0, 0, 1}).to(kBool)).counts), (Numbers{1, 2}));
  EXPECT_EQ(unique(tensor(4.0)).values.shape(), (Shape{1}));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
