#include "normgrad/core/kernels/memory/index.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/memory/fill.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kWork = 16384;       // elements per parallel task
constexpr std::int64_t kIndexColumns = 64;  // least number of columns per block; sums divide an axis by columns

std::int64_t index_grain(std::int64_t elements) {
  return std::max<std::int64_t>(1, kWork / std::max<std::int64_t>(1, elements));
}

// Calls f(o, first, end) for the rows [first, end) of block o, so that together the calls cover all rows.
template <class F>
void for_row_ranges(const IndexShape& s, F f) {
  parallel_for(s.outer * s.count, index_grain(s.inner), [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t o = begin / s.count;
      const std::int64_t first = begin - o * s.count;
      const std::int64_t last = std::min(s.count, first + end - begin);
      f(o, first, last);
      begin += last - first;
    }
  });
}

constexpr std::int64_t kChecked = 1024;  // indices checked at a time, which stay in the cache

// What all tasks found about their indices.
class FoundIndices {
 public:
  // Returns whether the n indices can be used as they are.
  bool check(const std::int64_t* index, std::int64_t n, std::int64_t size) {
    if (n == 0) {
      return true;
    }
    const IndexRange part = NORMGRAD_SIMD_SELECT(range_of_indices)(index, n, size);
    if (!part.valid) {
      valid_ = false;
    }
    if (part.negative) {
      negative_ = true;
    }
    return part.valid && !part.negative;
  }
  IndexRange range() const { return {valid_, negative_}; }

 private:
  std::atomic<bool> valid_ = true;
  std::atomic<bool> negative_ = false;
};

constexpr std::int64_t kTogether = 4;  // single elements whose indices are checked, and that are stored, at a time

// Whether kTogether indices can be used as they are.
inline bool are_inside(const std::int64_t* index, std::int64_t size) {
  const auto end = static_cast<std::uint64_t>(size);
  return static_cast<std::uint64_t>(index[0]) < end && static_cast<std::uint64_t>(index[1]) < end &&
         static_cast<std::uint64_t>(index[2]) < end && static_cast<std::uint64_t>(index[3]) < end;
}

// y[i] = x[index[i]]; one store for kTogether elements.
template <class T>
inline void take_together(const T* x, const std::int64_t* index, T* y) {
  const T taken[kTogether] = {x[index[0]], x[index[1]], x[index[2]], x[index[3]]};
  std::memcpy(y, taken, sizeof(taken));
}

// Fetches the row behind row `o`, whose elements will be read in any order.
template <class T>
void prefetch_next_row(const IndexShape& s, const T* row, std::int64_t o) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
  constexpr std::int64_t kLongest = 4096 / sizeof(T);
  for (std::int64_t i = 0; o + 1 < s.outer && s.rows <= kLongest && i < s.rows; i += kLine) {
    __builtin_prefetch(row + s.rows + i);
  }
}

// y[i] = x[index[i]] for i < n.
template <class T>
void take_elements(const T* x, const std::int64_t* index, std::int64_t n, T* y) {
  std::int64_t i = 0;
  for (; i + kTogether <= n; i += kTogether) {
    take_together(x, index + i, y + i);
  }
  for (; i < n; ++i) {
    y[i] = x[index[i]];
  }
}

// y[i] = x[index[i]] for i < n, up to the first index outside of [0, size). Returns the number of elements.
template <class T>
std::int64_t gather_elements(const T* x, const std::int64_t* index, std::int64_t n, std::int64_t size, T* y) {
  std::int64_t i = 0;
  for (; i + kTogether <= n && are_inside(index + i, size); i += kTogether) {
    take_together(x, index + i, y + i);
  }
  for (; i < n && static_cast<std::uint64_t>(index[i]) < static_cast<std::uint64_t>(size); ++i) {
    y[i] = x[index[i]];
  }
  return i;
}

// y[index[i]] += x[i], as above.
template <class T>
std::int64_t scatter_elements(const T* x, const std::int64_t* index, std::int64_t n, std::int64_t size, T* y) {
  std::int64_t i = 0;
  for (; i + kTogether <= n && are_inside(index + i, size); i += kTogether) {
    y[index[i]] += x[i];
    y[index[i + 1]] += x[i + 1];
    y[index[i + 2]] += x[i + 2];
    y[index[i + 3]] += x[i + 3];
  }
  for (; i < n && static_cast<std::uint64_t>(index[i]) < static_cast<std::uint64_t>(size); ++i) {
    y[index[i]] += x[i];
  }
  return i;
}

template <class T>
IndexRange gather_typed(const IndexShape& s, const T* x, const std::int64_t* index, T* y) {
  FoundIndices found;
  const std::int64_t step = std::max<std::int64_t>(1, kChecked / std::max<std::int64_t>(1, s.inner));
  for_row_ranges(s, [&](std::int64_t o, std::int64_t begin, std::int64_t end) {
    const T* from = x + o * s.rows * s.inner;
    const std::int64_t* at = index + o * s.count * s.inner;
    T* to = y + o * s.count * s.inner;
    if (s.inner == 1) {
      prefetch_next_row(s, from, o);
      const std::int64_t done = begin + gather_elements(from, at + begin, end - begin, s.rows, to + begin);
      found.check(at + done, end - done, s.rows);
      return;
    }
    for (std::int64_t first = begin; first < end; first += step) {
      const std::int64_t last = std::min(end, first + step);
      if (!found.check(at + first * s.inner, (last - first) * s.inner, s.rows)) {
        continue;
      }
      for (std::int64_t row = first * s.inner; row < last * s.inner; row += s.inner) {
        for (std::int64_t k = 0; k < s.inner; ++k) {
          to[row + k] = from[at[row + k] * s.inner + k];
        }
      }
    }
  });
  return found.range();
}

// index_select of single elements.
template <class T>
void select_elements(const IndexShape& s, const void* x, const std::int64_t* index, void* y) {
  for_row_ranges(s, [&](std::int64_t o, std::int64_t first, std::int64_t last) {
    const T* from = static_cast<const T*>(x) + o * s.rows;
    T* to = static_cast<T*>(y) + o * s.count;
    prefetch_next_row(s, from, o);
    take_elements(from, index + first, last - first, to + first);
  });
}

// Calls f(o, first column, last column) so that no two calls write to the same element. An element is the same sum for
// any width, so there are no more blocks than the threads need: short pieces of rows are slow to read.
template <class F>
void for_column_blocks(const IndexShape& s, F f) {
  const std::int64_t wanted = get_num_threads() == 1 ? 1 : 4 * get_num_threads();
  const std::int64_t most = (s.inner + kIndexColumns - 1) / kIndexColumns;
  const std::int64_t cuts = std::clamp(wanted / std::max<std::int64_t>(1, s.outer), std::int64_t{1}, most);
  const std::int64_t width = (most + cuts - 1) / cuts * kIndexColumns;
  parallel_for(s.outer * cuts, index_grain(s.count * std::min(s.inner, width)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t column = std::min(task % cuts * width, s.inner);
                   f(task / cuts, column, std::min(column + width, s.inner));
                 }
               });
}

}  // namespace

IndexRange index_range(const std::int64_t* index, std::int64_t n, std::int64_t size) {
  FoundIndices found;
  parallel_for(n, std::int64_t{1} << 16,
               [&](std::int64_t begin, std::int64_t end) { found.check(index + begin, end - begin, size); });
  return found.range();
}

void index_select(const IndexShape& s, const void* x, const std::int64_t* index, void* y, std::size_t element_size) {
  const std::size_t bytes = static_cast<std::size_t>(s.inner) * element_size;
  if (bytes == 4) {
    return select_elements<std::uint32_t>(s, x, index, y);
  }
  if (bytes == 8) {
    return select_elements<std::uint64_t>(s, x, index, y);
  }
  for_row_ranges(s, [&](std::int64_t o, std::int64_t first, std::int64_t last) {
    const auto* from = static_cast<const std::byte*>(x) + static_cast<std::size_t>(o * s.rows) * bytes;
    auto* to = static_cast<std::byte*>(y) + static_cast<std::size_t>(o * s.count) * bytes;
    for (std::int64_t i = first; i < last; ++i) {
      std::memcpy(to + static_cast<std::size_t>(i) * bytes, from + static_cast<std::size_t>(index[i]) * bytes, bytes);
    }
  });
}

template <class T>
void index_add(const IndexShape& s, const T* x, const std::int64_t* index, T* y) {
  if (s.inner == 1) {
    parallel_for(s.outer, index_grain(s.count), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        for (std::int64_t i = 0; i < s.count; ++i) {
          y[o * s.rows + index[i]] += x[o * s.count + i];
        }
      }
    });
    return;
  }
  for_column_blocks(s, [&](std::int64_t o, std::int64_t first, std::int64_t last) {
    for (std::int64_t i = 0; i < s.count; ++i) {
      const T* from = x + (o * s.count + i) * s.inner;
      T* to = y + (o * s.rows + index[i]) * s.inner;
      for (std::int64_t k = first; k < last; ++k) {
        to[k] += from[k];
      }
    }
  });
}

template <class T>
void index_sum(const IndexShape& s, const T* x, const std::int64_t* index, T* y) {
  constexpr std::int64_t kShort = 16;
  if (s.inner < kShort) {
    fill(y, s.outer * s.rows * s.inner, T(0));
    return index_add(s, x, index, y);
  }
  // The first row that goes to a place is copied there, so that only the places that none goes to are set to 0.
  std::vector<std::uint8_t> is_first(static_cast<std::size_t>(s.count));
  std::vector<std::uint8_t> seen(static_cast<std::size_t>(s.rows));
  for (std::int64_t i = 0; i < s.count; ++i) {
    std::uint8_t& before = seen[static_cast<std::size_t>(index[i])];
    is_first[static_cast<std::size_t>(i)] = before == 0;
    before = 1;
  }
  for_column_blocks(s, [&](std::int64_t o, std::int64_t first, std::int64_t last) {
    for (std::int64_t i = 0; i < s.count; ++i) {
      const T* from = x + (o * s.count + i) * s.inner;
      T* to = y + (o * s.rows + index[i]) * s.inner;
      if (is_first[static_cast<std::size_t>(i)] != 0) {
        std::copy(from + first, from + last, to + first);
        continue;
      }
      for (std::int64_t k = first; k < last; ++k) {
        to[k] += from[k];
      }
    }
    for (std::int64_t row = 0; row < s.rows; ++row) {
      if (seen[static_cast<std::size_t>(row)] == 0) {
        T* to = y + (o * s.rows + row) * s.inner;
        std::fill(to + first, to + last, T(0));
      }
    }
  });
}

void index_copy(const IndexShape& s, const void* x, const std::int64_t* index, void* y, std::size_t element_size) {
  const auto bytes = [element_size](std::int64_t elements) {
    return static_cast<std::size_t>(elements) * element_size;
  };
  const auto* from = static_cast<const std::byte*>(x);
  auto* to = static_cast<std::byte*>(y);
  for_column_blocks(s, [&](std::int64_t o, std::int64_t first, std::int64_t last) {
    for (std::int64_t i = 0; i < s.count; ++i) {
      std::memcpy(to + bytes((o * s.rows + index[i]) * s.inner + first),
                  from + bytes((o * s.count + i) * s.inner + first), bytes(last - first));
    }
  });
}

IndexRange gather(const IndexShape& shape, const void* x, const std::int64_t* index, void* y,
                  std::size_t element_size) {
  switch (element_size) {
    case 1:
      return gather_typed(shape, static_cast<const std::uint8_t*>(x), index, static_cast<std::uint8_t*>(y));
    case 4:
      return gather_typed(shape, static_cast<const std::uint32_t*>(x), index, static_cast<std::uint32_t*>(y));
    default:
      return gather_typed(shape, static_cast<const std::uint64_t*>(x), index, static_cast<std::uint64_t*>(y));
  }
}

template <class T>
IndexRange scatter_add(const IndexShape& s, const T* x, const std::int64_t* index, T* y) {
  if (s.inner == 1) {
    FoundIndices found;
    parallel_for(s.outer, index_grain(s.count), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        const std::int64_t* at = index + o * s.count;
        const std::int64_t done = scatter_elements(x + o * s.count, at, s.count, s.rows, y + o * s.rows);
        found.check(at + done, s.count - done, s.rows);
      }
    });
    return found.range();
  }
  const IndexRange range = index_range(index, s.outer * s.count * s.inner, s.rows);
  if (!range.valid || range.negative) {
    return range;
  }
  for_column_blocks(s, [&](std::int64_t o, std::int64_t first, std::int64_t last) {
    for (std::int64_t i = 0; i < s.count; ++i) {
      const std::int64_t row = (o * s.count + i) * s.inner;
      for (std::int64_t k = first; k < last; ++k) {
        y[(o * s.rows + index[row + k]) * s.inner + k] += x[row + k];
      }
    }
  });
  return range;
}

template <class T>
void scatter_extreme(const IndexShape& s, const T* x, const std::int64_t* index, T* y, bool smallest) {
  for_column_blocks(s, [&](std::int64_t o, std::int64_t first, std::int64_t last) {
    for (std::int64_t i = 0; i < s.count; ++i) {
      const std::int64_t row = (o * s.count + i) * s.inner;
      for (std::int64_t k = first; k < last; ++k) {
        T& at = y[(o * s.rows + index[row + k]) * s.inner + k];
        const T value = x[row + k];
        if (value != value || (smallest ? value < at : value > at)) {
          at = value;
        }
      }
    }
  });
}

template void index_add(const IndexShape&, const float*, const std::int64_t*, float*);
template void index_add(const IndexShape&, const double*, const std::int64_t*, double*);
template void index_add(const IndexShape&, const std::int64_t*, const std::int64_t*, std::int64_t*);
template IndexRange scatter_add(const IndexShape&, const float*, const std::int64_t*, float*);
template void index_sum(const IndexShape&, const float*, const std::int64_t*, float*);
template IndexRange scatter_add(const IndexShape&, const double*, const std::int64_t*, double*);
template void index_sum(const IndexShape&, const double*, const std::int64_t*, double*);
template IndexRange scatter_add(const IndexShape&, const std::int64_t*, const std::int64_t*, std::int64_t*);
template void index_sum(const IndexShape&, const std::int64_t*, const std::int64_t*, std::int64_t*);
template void scatter_extreme(const IndexShape&, const float*, const std::int64_t*, float*, bool);
template void scatter_extreme(const IndexShape&, const double*, const std::int64_t*, double*, bool);
template void scatter_extreme(const IndexShape&, const std::int64_t*, const std::int64_t*, std::int64_t*, bool);

}  // namespace normgrad::kernels
