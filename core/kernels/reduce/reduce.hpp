// Reductions over any axes.
//
// The order in which elements are combined depends only on the sizes. float32 sums add a few elements at a time in
// float lanes, and those partial sums in double.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "normgrad/core/base/shape.hpp"
#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

/// max and min return NaN if an element is NaN. sum_squares adds x * x.
enum class ReduceOp { sum, sum_squares, prod, max, min };

/// A dense tensor as groups of axes, innermost first, alternately reduced and kept; axes of size 1 are omitted.
struct ReduceLayout {
  std::size_t rank = 0;
  std::array<std::int64_t, Shape::kMaxDims> sizes{};
  std::array<bool, Shape::kMaxDims> reduced{};

  ReduceLayout(const Shape& shape, const std::array<bool, Shape::kMaxDims>& reduced_axes);
};

// For floating-point numbers, with partial results in double. reduce_rows: y[r] is the result of n elements starting at
// x + r * stride. reduce_columns: y[c] is that of the n elements x[c], x[c + stride], ... Not for products.
NORMGRAD_SIMD_DECLARE(template <class T> void reduce_rows(ReduceOp op, const T* x, double* y, std::int64_t rows,
                                                          std::int64_t n, std::int64_t stride);
                      template <class T> void reduce_columns(ReduceOp op, const T* x, double* y, std::int64_t n,
                                                             std::int64_t columns, std::int64_t stride);)

/// Reduces x to y (the kept axes in order). Without elements to reduce, sums are 0 and products 1; max and min need at
/// least one. T: float, double or std::int64_t.
template <class T>
void reduce(ReduceOp op, const ReduceLayout& layout, const T* x, T* y);

}  // namespace normgrad::kernels
