// Maps the elements of broadcast operands to those of a dense result.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/base/shape.hpp"

namespace normgrad::kernels {

/// Sizes of the result and strides of N dense operands, innermost axis first. Adjacent axes that every operand
/// traverses alike are merged, so equal shapes give one axis and [n, c] + [c] two. The innermost strides are 0 or 1.
template <std::size_t N>
struct Broadcast {
  std::size_t rank = 1;
  std::array<std::int64_t, Shape::kMaxDims> sizes{1};
  std::array<std::array<std::int64_t, Shape::kMaxDims>, N> strides{};

  /// Returns one axis of n elements; operand k repeats its only element if `repeated[k]`.
  static Broadcast flat(std::int64_t n, std::array<bool, N> repeated = {}) {
    Broadcast b;
    b.sizes[0] = n;
    for (std::size_t k = 0; k < N; ++k) {
      b.strides[k][0] = repeated[k] ? 0 : 1;
    }
    return b;
  }
};

/// Returns the layout of operands whose shapes broadcast to `result`.
template <std::size_t N>
Broadcast<N> broadcast_layout(const Shape& result, const std::array<const Shape*, N>& operands) {
  if (std::all_of(operands.begin(), operands.end(), [&](const Shape* shape) { return *shape == result; })) {
    return Broadcast<N>::flat(result.numel());
  }
  Broadcast<N> b;
  std::array<std::int64_t, N> strides{};
  strides.fill(1);
  std::size_t axes = 0;
  std::array<bool, N> walks_before{};
  for (std::size_t i = 0; i < result.rank(); ++i) {
    const std::int64_t size = result[result.rank() - 1 - i];
    if (size == 1) {
      continue;
    }
    std::array<bool, N> walks{};
    for (std::size_t k = 0; k < N; ++k) {
      walks[k] = i < operands[k]->rank() && (*operands[k])[operands[k]->rank() - 1 - i] != 1;
    }
    if (axes != 0 && walks == walks_before) {
      b.sizes[axes - 1] *= size;
    } else {
      b.sizes[axes] = size;
      for (std::size_t k = 0; k < N; ++k) {
        b.strides[k][axes] = walks[k] ? strides[k] : 0;
      }
      ++axes;
    }
    for (std::size_t k = 0; k < N; ++k) {
      strides[k] *= walks[k] ? size : 1;
    }
    walks_before = walks;
  }
  b.rank = std::max<std::size_t>(axes, 1);
  return b;
}

/// Rows of n consecutive result elements starting at y_offset. Element j of row r of operand k is at offset[k] + r *
/// row_stride[k] + j * step[k], where step is 0 or 1.
template <std::size_t N>
struct RowBlock {
  std::int64_t rows = 1;
  std::int64_t n = 0;
  std::int64_t y_offset = 0;
  std::array<std::int64_t, N> offset{};
  std::array<std::int64_t, N> row_stride{};
  std::array<std::int64_t, N> step{};
};

namespace detail {

// Visits rows [begin, end), counted over all axes but the innermost, in blocks within the second axis.
template <std::size_t N, class F>
void visit_rows(const Broadcast<N>& b, std::int64_t begin, std::int64_t end, F& f) {
  RowBlock<N> block;
  block.n = b.sizes[0];
  for (std::size_t k = 0; k < N; ++k) {
    block.step[k] = b.strides[k][0];
    block.row_stride[k] = b.strides[k][1];
  }
  for (std::int64_t row = begin; row < end; row += block.rows) {
    const std::int64_t within = row % b.sizes[1];
    block.rows = std::min(end - row, b.sizes[1] - within);
    block.y_offset = row * block.n;
    for (std::size_t k = 0; k < N; ++k) {
      block.offset[k] = within * b.strides[k][1];
    }
    std::int64_t rest = row / b.sizes[1];
    for (std::size_t axis = 2; axis < b.rank; ++axis) {
      const std::int64_t index = rest % b.sizes[axis];
      rest /= b.sizes[axis];
      for (std::size_t k = 0; k < N; ++k) {
        block.offset[k] += index * b.strides[k][axis];
      }
    }
    f(static_cast<const RowBlock<N>&>(block));
  }
}

}  // namespace detail

/// Calls `f(block)` for blocks that together cover the result, on several threads if there are more than `grain`
/// elements.
template <std::size_t N, class F>
void for_row_blocks(const Broadcast<N>& b, std::int64_t grain, F&& f) {
  const std::int64_t n = b.sizes[0];
  if (b.rank == 1) {
    parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
      RowBlock<N> block;
      block.n = end - begin;
      block.y_offset = begin;
      for (std::size_t k = 0; k < N; ++k) {
        block.step[k] = b.strides[k][0];
        block.offset[k] = begin * block.step[k];
      }
      f(static_cast<const RowBlock<N>&>(block));
    });
    return;
  }
  std::int64_t rows = 1;
  for (std::size_t axis = 1; axis < b.rank; ++axis) {
    rows *= b.sizes[axis];
  }
  const std::int64_t rows_per_task = std::max<std::int64_t>(1, grain / std::max<std::int64_t>(n, 1));
  parallel_for(rows, rows_per_task,
               [&](std::int64_t begin, std::int64_t end) { detail::visit_rows(b, begin, end, f); });
}

}  // namespace normgrad::kernels
