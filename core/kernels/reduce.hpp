// Reductions over any axes.
//
// The order in which elements are combined depends on the sizes alone. Sums of float32 are added up in float lanes
// a few elements at a time, and what comes of that in double.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "normgrad/core/base/shape.hpp"
#include "normgrad/core/base/simd.hpp"

namespace normgrad::kernels {

/// max and min give NaN where an element is NaN. sum_squares adds up x * x.
enum class ReduceOp { sum, sum_squares, prod, max, min };

/// A dense tensor as groups of axes, innermost first, reduced and kept ones in turn; axes of size 1 are left out.
struct ReduceLayout {
  std::size_t rank = 0;
  std::array<std::int64_t, Shape::kMaxDims> sizes{};
  std::array<bool, Shape::kMaxDims> reduced{};

  ReduceLayout(const Shape& shape, const std::array<bool, Shape::kMaxDims>& reduced_axes);
};

// For floating point numbers, partial results in double. Rows: y[r] of n elements from x + r * stride on; columns: y[c]
// of the n elements x[c], x[c + stride], ... Not for products.
NORMGRAD_SIMD_DECLARE(template <class T> void reduce_rows(ReduceOp op, const T* x, double* y, std::int64_t rows,
                                                          std::int64_t n, std::int64_t stride);
                      template <class T> void reduce_columns(ReduceOp op, const T* x, double* y, std::int64_t n,
                                                             std::int64_t columns, std::int64_t stride);)

/// x reduced to y (the kept axes in their order). No elements to reduce give 0 for sums and 1 for products; max and min
/// need one. T is float, double or std::int64_t.
template <class T>
void reduce(ReduceOp op, const ReduceLayout& layout, const T* x, T* y);

/// Index of the first largest (smallest) of n elements for x: [outer, n, inner], y: [outer, inner]. A NaN counts as
/// larger (smaller) than all numbers.
template <class T>
void arg_reduce(bool largest, const T* x, std::int64_t* y, std::int64_t outer, std::int64_t n, std::int64_t inner);

}  // namespace normgrad::kernels
