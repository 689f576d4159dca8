#include "normgrad/core/kernels/memory/copy.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kBlock = 32768;  // elements per parallel task
constexpr std::int64_t kTile = 16;      // a cache line of floats
constexpr std::int64_t kNarrow = 4;     // minimum size for tiles

// Drops axes of size 1 and merges neighbors that both sides traverse with one stride.
CopyPlan simplified(const CopyPlan& plan) {
  CopyPlan out;
  for (std::size_t i = 0; i < plan.rank; ++i) {
    if (plan.size[i] == 1) {
      continue;
    }
    const std::size_t last = out.rank - 1;
    if (out.rank > 0 && out.from_step[last] == plan.from_step[i] * plan.size[i] &&
        out.to_step[last] == plan.to_step[i] * plan.size[i]) {
      out.size[last] *= plan.size[i];
      out.from_step[last] = plan.from_step[i];
      out.to_step[last] = plan.to_step[i];
    } else {
      out.push_back(plan.size[i], plan.from_step[i], plan.to_step[i]);
    }
  }
  return out;
}

// Iterates over all indices of a plan's axes in row-major order.
class Odometer {
 public:
  Odometer(const CopyPlan& plan, std::int64_t flat) : plan_(plan) {
    for (std::size_t i = plan.rank; i-- > 0;) {
      index_[i] = flat % plan.size[i];
      flat /= plan.size[i];
      from += index_[i] * plan.from_step[i];
      to += index_[i] * plan.to_step[i];
    }
  }
  void next() {
    for (std::size_t i = plan_.rank; i-- > 0;) {
      from += plan_.from_step[i];
      to += plan_.to_step[i];
      if (++index_[i] < plan_.size[i]) {
        return;
      }
      from -= plan_.from_step[i] * plan_.size[i];
      to -= plan_.to_step[i] * plan_.size[i];
      index_[i] = 0;
    }
  }
  std::int64_t from = 0;
  std::int64_t to = 0;

 private:
  const CopyPlan& plan_;
  std::array<std::int64_t, Shape::kMaxDims> index_{};
};

std::int64_t count(const CopyPlan& plan) {
  std::int64_t n = 1;
  for (std::size_t i = 0; i < plan.rank; ++i) {
    n *= plan.size[i];
  }
  return n;
}

template <class T>
void copy_row(const T* from, std::int64_t from_step, T* to, std::int64_t to_step, std::int64_t n) {
  if (to_step != 1) {
    for (std::int64_t i = 0; i < n; ++i) {
      to[i * to_step] = from[i * from_step];
    }
  } else if (from_step == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
  } else if (from_step == 0) {
    std::fill_n(to, n, *from);
  } else if (from_step == -1) {
    for (std::int64_t i = 0; i < n; ++i) {
      to[i] = from[-i];
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      to[i] = from[i * from_step];
    }
  }
}

// Rows of kCount elements, which are copied without a call.
template <std::int64_t kCount, class T>
void copy_short_rows(const T* from, std::int64_t from_row, T* to, std::int64_t to_row, std::int64_t rows) {
  for (std::int64_t row = 0; row < rows; ++row) {
    std::memcpy(to + row * to_row, from + row * from_row, kCount * sizeof(T));
  }
}

// Up to two cache lines, with 16 <= bytes, without a call: the last 16 bytes overlap those before.
inline void copy_few_bytes(const void* from, void* to, std::size_t bytes) {
  const auto* source = static_cast<const std::byte*>(from);
  auto* target = static_cast<std::byte*>(to);
  for (std::size_t i = 0; i + 16 <= bytes; i += 16) {
    std::memcpy(target + i, source + i, 16);
  }
  std::memcpy(target + bytes - 16, source + bytes - 16, 16);
}

// Rows [begin, end) of the last two axes.
template <class T>
void copy_matrix(const CopyPlan& plan, const T* from, T* to, std::int64_t begin, std::int64_t end) {
  const std::size_t last = plan.rank - 1;
  const std::int64_t n = plan.size[last];
  const std::int64_t from_row = plan.from_step[last - 1];
  const std::int64_t to_row = plan.to_step[last - 1];
  from += begin * from_row;
  to += begin * to_row;
  if (plan.from_step[last] == 1 && plan.to_step[last] == 1) {
    const auto copy_as = [&](auto copy) { copy(from, from_row, to, to_row, end - begin); };
    switch (n) {
      case 4:
        return copy_as(copy_short_rows<4, T>);
      case 8:
        return copy_as(copy_short_rows<8, T>);
      case 16:
        return copy_as(copy_short_rows<16, T>);
      case 32:
        return copy_as(copy_short_rows<32, T>);
      default:
        break;
    }
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T);
    if (bytes >= 16 && bytes <= 128) {
      for (std::int64_t row = begin; row < end; ++row, from += from_row, to += to_row) {
        copy_few_bytes(from, to, bytes);
      }
      return;
    }
  }
  for (std::int64_t row = begin; row < end; ++row, from += from_row, to += to_row) {
    copy_row(from, plan.from_step[last], to, plan.to_step[last], n);
  }
}

// Copies the last axis row by row. Long rows are divided among threads too.
template <class T>
void copy_rows(const CopyPlan& plan, const T* from, T* to) {
  CopyPlan outer = plan;
  --outer.rank;
  const std::int64_t n = plan.size[outer.rank];
  const std::int64_t from_step = plan.from_step[outer.rank];
  const std::int64_t to_step = plan.to_step[outer.rank];
  const std::int64_t rows = count(outer);
  if (n > kBlock) {
    const std::int64_t cuts = (n + kBlock - 1) / kBlock;
    parallel_tasks(rows * cuts, [&](std::int64_t task) {
      const Odometer at(outer, task / cuts);
      const std::int64_t begin = task % cuts * kBlock;
      copy_row(from + at.from + begin * from_step, from_step, to + at.to + begin * to_step, to_step,
               std::min(kBlock, n - begin));
    });
    return;
  }
  parallel_for(rows, kBlock / n, [&](std::int64_t begin, std::int64_t end) {
    if (plan.rank == 1) {
      return copy_row(from, from_step, to, to_step, n);
    }
    CopyPlan matrices = outer;
    const std::int64_t height = plan.size[--matrices.rank];
    while (begin < end) {
      const Odometer at(matrices, begin / height);
      const std::int64_t first = begin % height;
      const std::int64_t last = std::min(height, first + end - begin);
      copy_matrix(plan, from + at.from, to + at.to, first, last);
      begin += last - first;
    }
  });
}

using Words4 = std::uint32_t __attribute__((vector_size(16)));
using Words2 = std::uint64_t __attribute__((vector_size(16)));

// to[i][j] = from[j][i] for 4 x 4 elements.
inline void transpose_block(const std::uint32_t* from, std::int64_t from_step, std::uint32_t* to) {
  Words4 rows[4];
  for (std::int64_t j = 0; j < 4; ++j) {
    std::memcpy(&rows[j], from + j * from_step, sizeof(Words4));
  }
  const Words4 low01 = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
  const Words4 low23 = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
  const Words4 high01 = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
  const Words4 high23 = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
  rows[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
  rows[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
  rows[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
  rows[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
  for (std::int64_t i = 0; i < 4; ++i) {
    std::memcpy(to + i * kTile, &rows[i], sizeof(Words4));
  }
}

inline void transpose_block(const std::uint64_t* from, std::int64_t from_step, std::uint64_t* to) {
  for (std::int64_t j = 0; j < 4; j += 2) {
    for (std::int64_t i = 0; i < 4; i += 2) {
      Words2 first;
      Words2 second;
      std::memcpy(&first, from + j * from_step + i, sizeof(Words2));
      std::memcpy(&second, from + (j + 1) * from_step + i, sizeof(Words2));
      const Words2 low = __builtin_shufflevector(first, second, 0, 2);
      const Words2 high = __builtin_shufflevector(first, second, 1, 3);
      std::memcpy(to + i * kTile + j, &low, sizeof(Words2));
      std::memcpy(to + (i + 1) * kTile + j, &high, sizeof(Words2));
    }
  }
}

inline void transpose_block(const std::uint8_t* from, std::int64_t from_step, std::uint8_t* to) {
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 4; ++j) {
      to[i * kTile + j] = from[j * from_step + i];
    }
  }
}

// to[i][j] = from[j][i] for a tile. A buffer allows whole cache lines to be read and written one after another, which
// also handles power-of-two strides.
template <class T>
void transpose_tile(const T* from, std::int64_t from_step, T* to, std::int64_t to_step, std::int64_t rows,
                    std::int64_t columns) {
  alignas(64) T tile[kTile * kTile];
  const std::int64_t whole_rows = rows / 4 * 4;
  const std::int64_t whole_columns = columns / 4 * 4;
  for (std::int64_t j = 0; j < whole_columns; j += 4) {
    for (std::int64_t i = 0; i < whole_rows; i += 4) {
      transpose_block(from + j * from_step + i, from_step, tile + i * kTile + j);
    }
  }
  for (std::int64_t j = 0; j < columns; ++j) {
    for (std::int64_t i = j < whole_columns ? whole_rows : 0; i < rows; ++i) {
      tile[i * kTile + j] = from[j * from_step + i];
    }
  }
  if (columns == kTile) {
    for (std::int64_t i = 0; i < rows; ++i) {
      std::memcpy(to + i * to_step, tile + i * kTile, kTile * sizeof(T));
    }
    return;
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      to[i * to_step + j] = tile[i * kTile + j];
    }
  }
}

// Copies with the source contiguous along `axis` and the target along the last axis.
template <class T>
void copy_transposed(const CopyPlan& plan, std::size_t axis, const T* from, T* to) {
  CopyPlan outer;
  for (std::size_t i = 0; i + 1 < plan.rank; ++i) {
    if (i != axis) {
      outer.push_back(plan.size[i], plan.from_step[i], plan.to_step[i]);
    }
  }
  const std::int64_t rows = plan.size[axis];
  const std::int64_t columns = plan.size[plan.rank - 1];
  const std::int64_t from_step = plan.from_step[plan.rank - 1];
  const std::int64_t to_step = plan.to_step[axis];
  // Bands of several tiles read longer pieces of the source's rows.
  constexpr std::int64_t kBand = 4 * kTile;
  const std::int64_t bands = (rows + kBand - 1) / kBand;
  constexpr std::int64_t kNearBytes = std::int64_t{1} << 20;
  const bool is_far = count(plan) * static_cast<std::int64_t>(sizeof(T)) >= kNearBytes;
  const std::int64_t grain = std::max<std::int64_t>(1, kBlock / (std::min(kBand, rows) * columns));
  parallel_for(count(outer) * bands, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const Odometer at(outer, task / bands);
      const std::int64_t first = task % bands * kBand;
      const std::int64_t last = std::min(rows, first + kBand);
      for (std::int64_t column = 0; column < columns; column += kTile) {
        for (std::int64_t row = first; row < last; row += kTile) {
          // Of the tiles behind this one, each line is in a row of its own, which no processor prefetches.
          for (std::int64_t j = column + kTile; is_far && j < std::min(columns, column + 2 * kTile); ++j) {
            __builtin_prefetch(from + at.from + row + j * from_step);
          }
          transpose_tile(from + at.from + row + column * from_step, from_step, to + at.to + row * to_step + column,
                         to_step, std::min(kTile, last - row), std::min(kTile, columns - column));
        }
      }
    }
  });
}

CopyPlan swapped(CopyPlan plan, std::size_t i, std::size_t j) {
  std::swap(plan.size[i], plan.size[j]);
  std::swap(plan.from_step[i], plan.from_step[j]);
  std::swap(plan.to_step[i], plan.to_step[j]);
  return plan;
}

template <class T>
void run(const CopyPlan& given, const T* from, T* to) {
  if (count(given) == 0) {
    return;
  }
  const CopyPlan plan = simplified(given);
  if (plan.rank == 0) {
    *to = *from;
    return;
  }
  const std::size_t last = plan.rank - 1;
  if (plan.to_step[last] == 1 && plan.from_step[last] != 0 && plan.from_step[last] != 1) {
    for (std::size_t axis = last; axis-- > 0;) {
      if (plan.from_step[axis] != 1 || plan.size[axis] < kNarrow) {
        continue;
      }
      if (plan.size[last] < kNarrow) {
        copy_rows(swapped(plan, axis, last), from, to);
      } else {
        copy_transposed(plan, axis, from, to);
      }
      return;
    }
  }
  copy_rows(plan, from, to);
}

}  // namespace

void strided_copy(const CopyPlan& plan, const void* from, void* to, std::size_t element_size) {
  switch (element_size) {
    case 1:
      run(plan, static_cast<const std::uint8_t*>(from), static_cast<std::uint8_t*>(to));
      break;
    case 4:
      run(plan, static_cast<const std::uint32_t*>(from), static_cast<std::uint32_t*>(to));
      break;
    default:
      run(plan, static_cast<const std::uint64_t*>(from), static_cast<std::uint64_t*>(to));
      break;
  }
}

void copy(const void* from, void* to, std::int64_t n, std::size_t element_size) {
  CopyPlan plan;
  plan.push_back(n, 1, 1);
  strided_copy(plan, from, to, element_size);
}

}  // namespace normgrad::kernels
