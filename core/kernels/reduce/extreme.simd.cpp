#include "normgrad/core/kernels/reduce/extreme.hpp"

#include "normgrad/core/simd/detail/row.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

constexpr std::int64_t kArgColumns = 64;

// The position from `i` on of the first element of a row that `hit` accepts; n if there is none.
template <class T, class F>
std::int64_t first_hit(const T* x, std::int64_t i, std::int64_t n, F hit) {
  while (i + kLanes<T> <= n && !xsimd::any(hit(load(x + i)))) {
    i += kLanes<T>;
  }
  // The rest of the row is short, or its first vector contains the element.
  for (; i < n; ++i) {
    if (xsimd::any(hit(Batch<T>(x[i])))) {
      return i;
    }
  }
  return n;
}

template <class T>
std::int64_t arg_row(bool largest, const T* x, std::int64_t n) {
  const T best = largest ? max_of_row(x, n) : min_of_row(x, n);
  if (best != best) {
    return first_hit<T>(x, 0, n, [](const Batch<T>& v) { return is_nan<T>(v); });
  }
  const Batch<T> wanted(best);
  return first_hit<T>(x, 0, n, [=](const Batch<T>& v) { return v == wanted; });
}

template <bool kLargest, class T>
void arg_column_block(const T* x, std::int64_t* y, std::int64_t n, std::int64_t columns, std::int64_t stride) {
  T best[kArgColumns];
  std::int32_t position[kArgColumns];
  for (std::int64_t c = 0; c < columns; ++c) {
    best[c] = x[c];
    position[c] = 0;
  }
  for (std::int64_t i = 1; i < n; ++i) {
    const T* from = x + i * stride;
    const auto at = static_cast<std::int32_t>(i);
    const auto step = [&](std::int64_t c) {
      const T value = from[c];
      const bool above = kLargest ? value > best[c] : value < best[c];
      const bool wins = (above | (value != value)) & (best[c] == best[c]);
      best[c] = wins ? value : best[c];
      position[c] = wins ? at : position[c];
    };
    if (columns == kArgColumns) {
      for (std::int64_t c = 0; c < kArgColumns; ++c) {
        step(c);
      }
    } else {
      for (std::int64_t c = 0; c < columns; ++c) {
        step(c);
      }
    }
  }
  for (std::int64_t c = 0; c < columns; ++c) {
    y[c] = position[c];
  }
}

}  // namespace

template <class T>
void arg_rows(bool largest, const T* x, std::int64_t* y, std::int64_t rows, std::int64_t n) {
  for (std::int64_t r = 0; r < rows; ++r) {
    y[r] = arg_row(largest, x + r * n, n);
  }
}

template <class T>
void arg_columns(bool largest, const T* x, std::int64_t* y, std::int64_t n, std::int64_t columns, std::int64_t stride) {
  for (std::int64_t c = 0; c < columns; c += kArgColumns) {
    const std::int64_t count = smaller(kArgColumns, columns - c);
    if (largest) {
      arg_column_block<true>(x + c, y + c, n, count, stride);
    } else {
      arg_column_block<false>(x + c, y + c, n, count, stride);
    }
  }
}

template <class T>
void extreme_rows(bool largest, const T* x, T* y, std::int64_t* winner, std::int64_t rows, std::int64_t n) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = x + r * n;
    y[r] = largest ? max_of_row(row, n) : min_of_row(row, n);
    const Batch<T> best(y[r]);
    const auto wins = [best](const Batch<T>& v) { return v == best; };
    const std::int64_t first = first_hit<T>(row, 0, n, wins);
    winner[r] = first < n && first_hit<T>(row, first + 1, n, wins) == n ? first : -1;
  }
}

template <class T>
void extreme_grad_rows(const T* x, const T* y, const std::int64_t* winner, const T* gy, T* gx, std::int64_t rows,
                       std::int64_t n) {
  const Batch<T> zero(T(0));
  const Batch<T> one(T(1));
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* from = x + r * n;
    T* to = gx + r * n;
    if (winner[r] >= 0) {
      __builtin_memset(to, 0, static_cast<std::size_t>(n) * sizeof(T));
      to[winner[r]] = gy[r];
      continue;
    }
    const Batch<T> best(y[r]);
    // Counted in a few lanes, exactly up to 2^24 elements each.
    double count = 0.0;
    Batch<T> hits(zero);
    std::int64_t left = 4096;
    const T other = y[r] == T(0) ? T(1) : T(0);  // differs from y[r]
    each_vector<T>(n, [&](std::int64_t i, std::int64_t lanes) {
      hits = hits + select(load_lanes(from + i, lanes, other) == best, one, zero);
      if (--left == 0) {
        count += static_cast<double>(sum_lanes<T>(hits));
        hits = zero;
        left = 4096;
      }
    });
    count += static_cast<double>(sum_lanes<T>(hits));
    const Batch<T> share(gy[r] / static_cast<T>(count));
    const Batch<T> elsewhere(count == 0.0 ? T(__builtin_nan("")) : T(0));
    each_vector<T>(n, [&](std::int64_t i, std::int64_t lanes) {
      store_lanes<T>(to + i, select(load_lanes(from + i, lanes, other) == best, share, elsewhere), lanes);
    });
  }
}

template void arg_rows<float>(bool, const float*, std::int64_t*, std::int64_t, std::int64_t);
template void arg_rows<double>(bool, const double*, std::int64_t*, std::int64_t, std::int64_t);
template void arg_columns<float>(bool, const float*, std::int64_t*, std::int64_t, std::int64_t, std::int64_t);
template void arg_columns<double>(bool, const double*, std::int64_t*, std::int64_t, std::int64_t, std::int64_t);
template void extreme_rows<float>(bool, const float*, float*, std::int64_t*, std::int64_t, std::int64_t);
template void extreme_rows<double>(bool, const double*, double*, std::int64_t*, std::int64_t, std::int64_t);
template void extreme_grad_rows<float>(const float*, const float*, const std::int64_t*, const float*, float*,
                                       std::int64_t, std::int64_t);
template void extreme_grad_rows<double>(const double*, const double*, const std::int64_t*, const double*, double*,
                                        std::int64_t, std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
