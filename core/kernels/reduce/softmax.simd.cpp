#include "normgrad/core/kernels/reduce/softmax.hpp"

#include "normgrad/core/simd/detail/row.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Number of vectors after which sums in lanes of T are added to a double.
constexpr std::int64_t kBlock = 256;

// Sum of value(i, count), whose lanes beyond count are 0.
template <class T, class F>
double sum_row(std::int64_t n, F value) {
  double total = 0.0;
  Batch<T> sum(T(0));
  std::int64_t left = kBlock;
  each_vector<T>(n, [&](std::int64_t i, std::int64_t count) {
    sum = sum + value(i, count);
    if (--left == 0) {
      total += static_cast<double>(sum_lanes<T>(sum));
      sum = Batch<T>(T(0));
      left = kBlock;
    }
  });
  return total + static_cast<double>(sum_lanes<T>(sum));
}

template <class T>
void softmax_row(const T* x, T* y, std::int64_t n) {
  const T lowest = -T(__builtin_huge_val());
  const Batch<T> largest(max_of_row(x, n));
  const double sum = sum_row<T>(n, [&](std::int64_t i, std::int64_t count) {
    const Batch<T> e = vexp_of_negative(load_lanes(x + i, count, lowest) - largest);
    store_lanes<T>(y + i, e, count);
    return e;
  });
  const Batch<T> divisor(static_cast<T>(sum));
  each_vector<T>(n, [&](std::int64_t i, std::int64_t count) {
    store_lanes<T>(y + i, load_lanes(y + i, count, T(0)) / divisor, count);
  });
}

template <class T>
void log_softmax_row(const T* x, T* y, std::int64_t n) {
  const T lowest = -T(__builtin_huge_val());
  const Batch<T> largest(max_of_row(x, n));
  const double sum = sum_row<T>(n, [&](std::int64_t i, std::int64_t count) {
    return vexp_of_negative(load_lanes(x + i, count, lowest) - largest);
  });
  const Batch<T> log_sum = vlog(Batch<T>(static_cast<T>(sum)));
  each_vector<T>(n, [&](std::int64_t i, std::int64_t count) {
    store_lanes<T>(y + i, load_lanes(x + i, count, T(0)) - largest - log_sum, count);
  });
}

template <class T>
void softmax_grad_row(const T* y, const T* gy, T* gx, std::int64_t n) {
  const Batch<T> dot(static_cast<T>(sum_row<T>(n, [&](std::int64_t i, std::int64_t count) {
    return load_lanes(y + i, count, T(0)) * load_lanes(gy + i, count, T(0));
  })));
  each_vector<T>(n, [&](std::int64_t i, std::int64_t count) {
    store_lanes<T>(gx + i, load_lanes(y + i, count, T(0)) * (load_lanes(gy + i, count, T(0)) - dot), count);
  });
}

template <class T>
void log_softmax_grad_row(const T* y, const T* gy, T* gx, std::int64_t n) {
  const Batch<T> sum(static_cast<T>(
      sum_row<T>(n, [&](std::int64_t i, std::int64_t count) { return load_lanes(gy + i, count, T(0)); })));
  each_vector<T>(n, [&](std::int64_t i, std::int64_t count) {
    store_lanes<T>(gx + i, load_lanes(gy + i, count, T(0)) - vexp_of_negative(load_lanes(y + i, count, T(0))) * sum,
                   count);
  });
}

// The elements of short columns are copied, because rows a power of two apart displace each other in the caches.
constexpr std::int64_t kShortColumn = 256;
// A vector that is a whole cache line is copied when it is first read (`take`), shorter ones as tiles.
template <class T>
constexpr bool kTakesLines = kLanes<T>* static_cast<std::int64_t>(sizeof(T)) >= 64;

template <class T>
struct ColumnCopy {
  alignas(64) T elements[static_cast<std::size_t>(kShortColumn * kLanes<T>)];

  static bool takes(std::int64_t n, std::int64_t stride) {
    return kTakesLines<T> && n <= kShortColumn && stride != kLanes<T>;
  }
  // Calls f with each vector and returns whether the column is now here, with a stride of kLanes<T>.
  template <class F>
  bool take(const T* x, std::int64_t n, std::int64_t stride, std::int64_t count, F f) {
    const bool copies = takes(n, stride);
    for (std::int64_t i = 0; i < n; ++i) {
      const Batch<T> v = load_lanes(x + i * stride, count, T(0));
      if (copies) {
        v.store_aligned(elements + i * kLanes<T>);
      }
      f(v, i);
    }
    return copies;
  }
};

// The same for one vector of columns, of which `count` are valid. y may be x, and gx may be gy.
template <class T>
void softmax_column(SoftmaxOp op, const T* x, T* y, std::int64_t n, std::int64_t stride, std::int64_t count) {
  ColumnCopy<T> copy;
  Batch<T> largest(-T(__builtin_huge_val()));
  if (copy.take(x, n, stride, count, [&](const Batch<T>& v, std::int64_t) { largest = vmax(v, largest); })) {
    Batch<T> sum(T(0));
    for (std::int64_t i = 0; i < n; ++i) {
      T* at = copy.elements + i * kLanes<T>;
      const Batch<T> shifted = Batch<T>::load_aligned(at) - largest;
      const Batch<T> e = vexp_of_negative(shifted);
      sum = sum + e;
      (op == SoftmaxOp::softmax ? e : shifted).store_aligned(at);
    }
    const Batch<T> log_sum = vlog(sum);
    for (std::int64_t i = 0; i < n; ++i) {
      const Batch<T> v = Batch<T>::load_aligned(copy.elements + i * kLanes<T>);
      store_lanes<T>(y + i * stride, op == SoftmaxOp::softmax ? v / sum : v - log_sum, count);
    }
    return;
  }
  Batch<T> sum(T(0));
  for (std::int64_t i = 0; i < n; ++i) {
    const Batch<T> e = vexp_of_negative(load_lanes(x + i * stride, count, T(0)) - largest);
    sum = sum + e;
    if (op == SoftmaxOp::softmax) {
      store_lanes<T>(y + i * stride, e, count);
    }
  }
  const Batch<T> log_sum = vlog(sum);
  for (std::int64_t i = 0; i < n; ++i) {
    const Batch<T> v = op == SoftmaxOp::softmax ? load_lanes(y + i * stride, count, T(0)) / sum
                                                : load_lanes(x + i * stride, count, T(0)) - largest - log_sum;
    store_lanes<T>(y + i * stride, v, count);
  }
}

template <class T>
void softmax_grad_column(SoftmaxOp op, const T* y, const T* gy, T* gx, std::int64_t n, std::int64_t stride,
                         std::int64_t count) {
  ColumnCopy<T> gradients;
  ColumnCopy<T> values;
  Batch<T> sum(T(0));
  if (op == SoftmaxOp::softmax) {
    values.take(y, n, stride, count, [](const Batch<T>&, std::int64_t) {});
  }
  const bool copies = gradients.take(gy, n, stride, count, [&](const Batch<T>& g, std::int64_t i) {
    if (op == SoftmaxOp::log_softmax) {
      sum = sum + g;
    } else if (ColumnCopy<T>::takes(n, stride)) {
      sum = sum + g * Batch<T>::load_aligned(values.elements + i * kLanes<T>);
    } else {
      sum = sum + g * load_lanes(y + i * stride, count, T(0));
    }
  });
  if (copies) {
    for (std::int64_t i = 0; i < n; ++i) {
      const Batch<T> g = Batch<T>::load_aligned(gradients.elements + i * kLanes<T>);
      const Batch<T> v = op == SoftmaxOp::softmax ? Batch<T>::load_aligned(values.elements + i * kLanes<T>)
                                                  : load_lanes(y + i * stride, count, T(0));
      store_lanes<T>(gx + i * stride, op == SoftmaxOp::softmax ? v * (g - sum) : g - vexp_of_negative(v) * sum, count);
    }
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const Batch<T> g = load_lanes(gy + i * stride, count, T(0));
    const Batch<T> v = load_lanes(y + i * stride, count, T(0));
    store_lanes<T>(gx + i * stride, op == SoftmaxOp::softmax ? v * (g - sum) : g - vexp_of_negative(v) * sum, count);
  }
}

// A copy of several cache lines of each row of short columns. Each row may have a page of its own.
template <class T>
struct ColumnTile {
  static constexpr std::int64_t kLine = static_cast<std::int64_t>(64 / sizeof(T));

  explicit ColumnTile(std::int64_t rows) : n(rows), width(kShortColumn / rows * kLine) {}

  void load(const T* x, std::int64_t stride, std::int64_t columns) {
    constexpr std::int64_t kAhead = 3;
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t c = 0; i + kAhead < n && c < columns; c += kLine) {
        __builtin_prefetch(x + (i + kAhead) * stride + c);
      }
      each_vector<T>(columns, [&](std::int64_t c, std::int64_t count) {
        load_lanes(x + i * stride + c, count, T(0)).store_aligned(elements + i * width + c);
      });
    }
  }
  void store(T* y, std::int64_t stride, std::int64_t columns) const {
    for (std::int64_t i = 0; i < n; ++i) {
      each_vector<T>(columns, [&](std::int64_t c, std::int64_t count) {
        store_lanes<T>(y + i * stride + c, Batch<T>::load_aligned(elements + i * width + c), count);
      });
    }
  }

  std::int64_t n;
  std::int64_t width;  // columns
  alignas(64) T elements[static_cast<std::size_t>(kShortColumn * kLine)];
};

// Calls f(first column, number of columns) for tiles that cover all columns.
template <class F>
void each_tile(std::int64_t columns, std::int64_t width, F f) {
  for (std::int64_t c = 0; c < columns; c += width) {
    f(c, columns - c < width ? columns - c : width);
  }
}

}  // namespace

template <class T>
void softmax_rows(SoftmaxOp op, const T* x, T* y, std::int64_t rows, std::int64_t n) {
  for (std::int64_t r = 0; r < rows; ++r) {
    op == SoftmaxOp::softmax ? softmax_row(x + r * n, y + r * n, n) : log_softmax_row(x + r * n, y + r * n, n);
  }
}

template <class T>
void softmax_columns(SoftmaxOp op, const T* x, T* y, std::int64_t n, std::int64_t columns, std::int64_t stride) {
  if (kTakesLines<T> || n > kShortColumn) {
    each_vector<T>(columns,
                   [&](std::int64_t c, std::int64_t count) { softmax_column(op, x + c, y + c, n, stride, count); });
    return;
  }
  ColumnTile<T> tile(n);
  each_tile(columns, tile.width, [&](std::int64_t first, std::int64_t size) {
    tile.load(x + first, stride, size);
    for (T* at = tile.elements; at < tile.elements + size; at += kLanes<T>) {
      softmax_column(op, at, at, n, tile.width, kLanes<T>);
    }
    tile.store(y + first, stride, size);
  });
}

template <class T>
void softmax_grad_rows(SoftmaxOp op, const T* y, const T* gy, T* gx, std::int64_t rows, std::int64_t n) {
  for (std::int64_t r = 0; r < rows; ++r) {
    op == SoftmaxOp::softmax ? softmax_grad_row(y + r * n, gy + r * n, gx + r * n, n)
                             : log_softmax_grad_row(y + r * n, gy + r * n, gx + r * n, n);
  }
}

template <class T>
void softmax_grad_columns(SoftmaxOp op, const T* y, const T* gy, T* gx, std::int64_t n, std::int64_t columns,
                          std::int64_t stride) {
  if (kTakesLines<T> || n > kShortColumn) {
    each_vector<T>(columns, [&](std::int64_t c, std::int64_t count) {
      softmax_grad_column(op, y + c, gy + c, gx + c, n, stride, count);
    });
    return;
  }
  ColumnTile<T> values(n);
  ColumnTile<T> gradients(n);
  each_tile(columns, values.width, [&](std::int64_t first, std::int64_t size) {
    values.load(y + first, stride, size);
    gradients.load(gy + first, stride, size);
    for (std::int64_t c = 0; c < size; c += kLanes<T>) {
      T* g = gradients.elements + c;
      softmax_grad_column(op, values.elements + c, g, g, n, values.width, kLanes<T>);
    }
    gradients.store(gx + first, stride, size);
  });
}

template void softmax_rows<float>(SoftmaxOp, const float*, float*, std::int64_t, std::int64_t);
template void softmax_rows<double>(SoftmaxOp, const double*, double*, std::int64_t, std::int64_t);
template void softmax_columns<float>(SoftmaxOp, const float*, float*, std::int64_t, std::int64_t, std::int64_t);
template void softmax_columns<double>(SoftmaxOp, const double*, double*, std::int64_t, std::int64_t, std::int64_t);
template void softmax_grad_rows<float>(SoftmaxOp, const float*, const float*, float*, std::int64_t, std::int64_t);
template void softmax_grad_rows<double>(SoftmaxOp, const double*, const double*, double*, std::int64_t, std::int64_t);
template void softmax_grad_columns<float>(SoftmaxOp, const float*, const float*, float*, std::int64_t, std::int64_t,
                                          std::int64_t);
template void softmax_grad_columns<double>(SoftmaxOp, const double*, const double*, double*, std::int64_t, std::int64_t,
                                           std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
