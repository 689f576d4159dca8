#include "normgrad/core/kernels/reduce/extreme.hpp"

#include <algorithm>
#include <type_traits>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kExtremeGrain = std::int64_t{1} << 15;
constexpr std::int64_t kExtremeColumns = 256;
constexpr std::int64_t kMaxRows = (std::int64_t{1} << 31) - 1;  // positions are counted in 32 bits

std::int64_t extreme_grain(std::int64_t each) {
  return std::max<std::int64_t>(1, kExtremeGrain / std::max<std::int64_t>(1, each));
}

void arg_reduce_whole(bool largest, const std::int64_t* x, std::int64_t* y, std::int64_t outer, std::int64_t n,
                      std::int64_t inner) {
  parallel_for(outer * inner, extreme_grain(n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t* from = x + at / inner * n * inner + at % inner;
      std::int64_t best = 0;
      for (std::int64_t i = 1; i < n; ++i) {
        if (largest ? from[i * inner] > from[best * inner] : from[i * inner] < from[best * inner]) {
          best = i;
        }
      }
      y[at] = best;
    }
  });
}

// Columns too long for 32-bit positions, one by one.
template <class T>
void arg_long_columns(bool largest, const T* x, std::int64_t* y, std::int64_t n, std::int64_t columns,
                      std::int64_t stride) {
  for (std::int64_t c = 0; c < columns; ++c) {
    T best = x[c];
    y[c] = 0;
    for (std::int64_t i = 1; i < n && best == best; ++i) {
      const T value = x[i * stride + c];
      if (value != value || (largest ? value > best : value < best)) {
        best = value;
        y[c] = i;
      }
    }
  }
}

}  // namespace

template <class T>
void arg_reduce(bool largest, const T* x, std::int64_t* y, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    arg_reduce_whole(largest, x, y, outer, n, inner);
  } else if (inner == 1) {
    parallel_for(outer, extreme_grain(n), [&](std::int64_t begin, std::int64_t end) {
      NORMGRAD_SIMD_SELECT(arg_rows<T>)(largest, x + begin * n, y + begin, end - begin, n);
    });
  } else {
    const std::int64_t across = (inner + kExtremeColumns - 1) / kExtremeColumns;
    const std::int64_t each = n * std::min(inner, kExtremeColumns);
    parallel_for(outer * across, extreme_grain(each), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t column = task % across * kExtremeColumns;
        const std::int64_t columns = std::min(kExtremeColumns, inner - column);
        const T* from = x + task / across * n * inner + column;
        std::int64_t* to = y + task / across * inner + column;
        if (n > kMaxRows) {
          arg_long_columns(largest, from, to, n, columns, inner);
        } else {
          NORMGRAD_SIMD_SELECT(arg_columns<T>)(largest, from, to, n, columns, inner);
        }
      }
    });
  }
}

template <class T>
void extremes(bool largest, const T* x, T* y, std::int64_t* winner, std::int64_t rows, std::int64_t n) {
  parallel_for(rows, extreme_grain(n), [&](std::int64_t begin, std::int64_t end) {
    NORMGRAD_SIMD_SELECT(extreme_rows<T>)(largest, x + begin * n, y + begin, winner + begin, end - begin, n);
  });
}

template <class T>
void extreme_grad(const T* x, const T* y, const std::int64_t* winner, const T* gy, T* gx, std::int64_t rows,
                  std::int64_t n) {
  parallel_for(rows, extreme_grain(n), [&](std::int64_t begin, std::int64_t end) {
    NORMGRAD_SIMD_SELECT(extreme_grad_rows<T>)
    (x + begin * n, y + begin, winner + begin, gy + begin, gx + begin * n, end - begin, n);
  });
}

#define NORMGRAD_INSTANTIATE(T)                                                                      \
  template void arg_reduce(bool, const T*, std::int64_t*, std::int64_t, std::int64_t, std::int64_t); \
  template void extremes(bool, const T*, T*, std::int64_t*, std::int64_t, std::int64_t);             \
  template void extreme_grad(const T*, const T*, const std::int64_t*, const T*, T*, std::int64_t, std::int64_t);

NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
template void arg_reduce(bool, const std::int64_t*, std::int64_t*, std::int64_t, std::int64_t, std::int64_t);

#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels
