// Searches: in sorted rows, and for the true elements of a mask.
#pragma once

#include <cstdint>
#include <span>

namespace normgrad::kernels {

/// The rows of a search: `rows` sorted rows of n elements, or one for all if `shared`, and `count` values per row.
struct SearchShape {
  std::int64_t rows;
  std::int64_t n;
  std::int64_t count;
  bool shared;
};

/// The position of the first element that is not smaller than the value (that is larger, if `right`), or n. NaN counts
/// as larger than all elements. T: float, double or std::int64_t.
template <class T>
void search_sorted(bool right, const SearchShape& shape, const T* sorted, const T* values, std::int64_t* y);

std::int64_t count_true(const bool* mask, std::int64_t n);
/// The positions of the true elements in order.
void true_positions(const bool* mask, std::int64_t n, std::int64_t* y);
/// y[i] = the coordinates of position[i] in a row-major array with these sizes. y: [count, sizes.size()].
void coordinates(std::span<const std::int64_t> sizes, const std::int64_t* position, std::int64_t count,
                 std::int64_t* y);

}  // namespace normgrad::kernels
