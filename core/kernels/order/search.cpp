#include "normgrad/core/kernels/order/search.hpp"

#include <cstddef>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

template <class T>
void search_sorted(bool right, const SearchShape& shape, const T* sorted, const T* values, std::int64_t* y) {
  parallel_for(shape.rows * shape.count, 2048, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* row = sorted + (shape.shared ? 0 : i / shape.count * shape.n);
      std::int64_t low = 0;
      for (std::int64_t high = shape.n; low < high;) {
        const std::int64_t middle = low + (high - low) / 2;
        const bool goes_on = right ? !(row[middle] > values[i]) : !(row[middle] >= values[i]);
        (goes_on ? low : high) = goes_on ? middle + 1 : middle;
      }
      y[i] = low;
    }
  });
}

std::int64_t count_true(const bool* mask, std::int64_t n) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    count += mask[i] ? 1 : 0;
  }
  return count;
}

void true_positions(const bool* mask, std::int64_t n, std::int64_t* y) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (mask[i]) {
      *y++ = i;
    }
  }
}

void coordinates(std::span<const std::int64_t> sizes, const std::int64_t* position, std::int64_t count,
                 std::int64_t* y) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t rest = position[i];
    for (std::size_t axis = sizes.size(); axis-- > 0; rest /= sizes[axis]) {
      y[i * static_cast<std::int64_t>(sizes.size()) + static_cast<std::int64_t>(axis)] = rest % sizes[axis];
    }
  }
}

template void search_sorted(bool, const SearchShape&, const float*, const float*, std::int64_t*);
template void search_sorted(bool, const SearchShape&, const double*, const double*, std::int64_t*);
template void search_sorted(bool, const SearchShape&, const std::int64_t*, const std::int64_t*, std::int64_t*);

}  // namespace normgrad::kernels
