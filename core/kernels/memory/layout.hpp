// Conversion between row-major and channels-last memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace normgrad::kernels {

/// Transposes each of `n` row-major matrices [rows, columns] with elements of 1, 4 or 8 bytes into `to`.
void transpose_batch(std::size_t element_size, const std::byte* from, std::byte* to, std::int64_t n, std::int64_t rows,
                     std::int64_t columns);

}  // namespace normgrad::kernels
