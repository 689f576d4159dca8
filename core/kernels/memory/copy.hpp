// Copies between strided arrays: permutations, repeats, windows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "normgrad/core/base/shape.hpp"

namespace normgrad::kernels {

/// Up to 8 axes, outermost first, with the step of both sides along each, in elements. A step of the source may be 0
/// (repeats) or negative; elements of the target must not overlap.
struct CopyPlan {
  std::size_t rank = 0;
  std::array<std::int64_t, Shape::kMaxDims> size{};
  std::array<std::int64_t, Shape::kMaxDims> from_step{};
  std::array<std::int64_t, Shape::kMaxDims> to_step{};

  void push_back(std::int64_t axis_size, std::int64_t from, std::int64_t to) noexcept {
    size[rank] = axis_size;
    from_step[rank] = from;
    to_step[rank] = to;
    ++rank;
  }
};

/// Copies elements of 1, 4 or 8 bytes. `from` and `to` point to the elements at index 0 of all axes.
void strided_copy(const CopyPlan& plan, const void* from, void* to, std::size_t element_size);

/// Copies n contiguous elements.
void copy(const void* from, void* to, std::int64_t n, std::size_t element_size);

}  // namespace normgrad::kernels
