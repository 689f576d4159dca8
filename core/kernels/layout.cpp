#include "normgrad/core/kernels/layout.hpp"

#include <algorithm>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

// A tile is read and written by whole cache lines.
constexpr std::int64_t kTile = 16;
constexpr std::int64_t kWorkPerTask = std::int64_t{1} << 16;

template <class T>
void transpose_tile(const T* from, T* to, std::int64_t rows, std::int64_t columns, std::int64_t row_stride,
                    std::int64_t column_stride) {
  for (std::int64_t j = 0; j < columns; ++j) {
    for (std::int64_t i = 0; i < rows; ++i) {
      to[j * column_stride + i] = from[i * row_stride + j];
    }
  }
}

// Columns [begin, end) of one matrix.
template <class T>
void transpose_columns(const T* from, T* to, std::int64_t rows, std::int64_t columns, std::int64_t begin,
                       std::int64_t end) {
  for (std::int64_t j = begin; j < end; j += kTile) {
    for (std::int64_t i = 0; i < rows; i += kTile) {
      const std::int64_t tile_rows = std::min(kTile, rows - i);
      const std::int64_t tile_columns = std::min(kTile, end - j);
      const T* source = from + i * columns + j;
      T* target = to + j * rows + i;
      if (tile_rows == kTile && tile_columns == kTile) {
        transpose_tile(source, target, kTile, kTile, columns, rows);
      } else {
        transpose_tile(source, target, tile_rows, tile_columns, columns, rows);
      }
    }
  }
}

template <class T>
void transpose(const std::byte* from, std::byte* to, std::int64_t n, std::int64_t rows, std::int64_t columns) {
  const std::int64_t matrix = rows * columns;
  if (matrix == 0) {
    return;
  }
  const std::int64_t strip = std::max(kTile, kWorkPerTask / rows / kTile * kTile);
  const std::int64_t strips = (columns + strip - 1) / strip;
  const std::int64_t grain = std::max(std::int64_t{1}, kWorkPerTask / matrix);
  parallel_for(n * strips, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t offset = task / strips * matrix;
      const std::int64_t first = task % strips * strip;
      transpose_columns(reinterpret_cast<const T*>(from) + offset, reinterpret_cast<T*>(to) + offset, rows, columns,
                        first, std::min(columns, first + strip));
    }
  });
}

}  // namespace

void transpose_batch(std::size_t element_size, const std::byte* from, std::byte* to, std::int64_t n, std::int64_t rows,
                     std::int64_t columns) {
  switch (element_size) {
    case 1:
      return transpose<std::uint8_t>(from, to, n, rows, columns);
    case 4:
      return transpose<std::uint32_t>(from, to, n, rows, columns);
    case 8:
      return transpose<std::uint64_t>(from, to, n, rows, columns);
    default:
      fail<ValueError>("transpose_batch: expected elements of 1, 4 or 8 bytes but got ", element_size);
  }
}

}  // namespace normgrad::kernels
