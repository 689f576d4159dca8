#include "normgrad/core/kernels/reduce/reduce.hpp"

#include <type_traits>

#include "normgrad/core/simd/detail/row.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

constexpr std::int64_t kGroup = 16;        // vectors of a row combined in lanes of T
constexpr std::int64_t kColumnBlock = 32;  // elements of a column combined in lanes of T

struct Sum {
  template <class T>
  static constexpr T identity() {
    return T(0);
  }
  template <class V>
  static V include(const V& sum, const V& x) {
    return sum + x;
  }
  template <class V>
  static V merge(const V& a, const V& b) {
    return a + b;
  }
};

struct SumSquares : Sum {
  template <class T>
  static Batch<T> include(const Batch<T>& sum, const Batch<T>& x) {
    return muladd(x, x, sum);
  }
  static double include(double sum, double x) { return sum + x * x; }
};

// The comparison keeps a NaN once encountered.
struct Max {
  template <class T>
  static constexpr T identity() {
    return -T(__builtin_huge_val());
  }
  template <class T>
  static Batch<T> include(const Batch<T>& best, const Batch<T>& x) {
    return vmax(x, best);
  }
  static double include(double best, double x) { return x > best || x != x ? x : best; }
  template <class V>
  static V merge(const V& a, const V& b) {
    return include(a, b);
  }
};

struct Min {
  template <class T>
  static constexpr T identity() {
    return T(__builtin_huge_val());
  }
  template <class T>
  static Batch<T> include(const Batch<T>& best, const Batch<T>& x) {
    return vmin(x, best);
  }
  static double include(double best, double x) { return x < best || x != x ? x : best; }
  template <class V>
  static V merge(const V& a, const V& b) {
    return include(a, b);
  }
};

// Merges each lane in double.
template <class Op, class T>
void merge_into(double* lanes, const Batch<T>& v) {
  alignas(64) T narrow[static_cast<std::size_t>(kLanes<T>)];
  v.store_aligned(narrow);
  for (std::int64_t i = 0; i < kLanes<T>; ++i) {
    lanes[i] = Op::merge(lanes[i], static_cast<double>(narrow[i]));
  }
}

// Combines up to kGroup vectors in lanes of T; few enough that float loses at most one digit.
template <class Op, class T>
Batch<T> row_group(const T* x, std::int64_t n) {
  constexpr std::int64_t kStep = kLanes<T>;
  const Batch<T> identity(Op::template identity<T>());
  Batch<T> a = identity;
  Batch<T> b = identity;
  Batch<T> c = identity;
  Batch<T> d = identity;
  std::int64_t i = 0;
  for (; i + 4 * kStep <= n; i += 4 * kStep) {
    a = Op::include(a, load(x + i));
    b = Op::include(b, load(x + i + kStep));
    c = Op::include(c, load(x + i + 2 * kStep));
    d = Op::include(d, load(x + i + 3 * kStep));
  }
  for (; i + kStep <= n; i += kStep) {
    a = Op::include(a, load(x + i));
  }
  if (i < n) {
    b = Op::include(b, load_partial(x + i, n - i, Op::template identity<T>()));
  }
  return Op::merge(Op::merge(a, b), Op::merge(c, d));
}

template <class Op, class T>
double whole_row(const T* x, std::int64_t n) {
  constexpr std::int64_t kStep = kGroup * kLanes<T>;
  if (n < kLanes<T>) {
    double total = Op::template identity<double>();
    for (std::int64_t i = 0; i < n; ++i) {
      total = Op::include(total, static_cast<double>(x[i]));
    }
    return total;
  }
  alignas(64) double lanes[static_cast<std::size_t>(kLanes<T>)];
  for (double& lane : lanes) {
    lane = Op::template identity<double>();
  }
  for (std::int64_t i = 0; i < n; i += kStep) {
    merge_into<Op, T>(lanes, row_group<Op>(x + i, n - i < kStep ? n - i : kStep));
  }
  for (std::int64_t width = kLanes<T> / 2; width > 0; width /= 2) {
    for (std::int64_t i = 0; i < width; ++i) {
      lanes[i] = Op::merge(lanes[i], lanes[i + width]);
    }
  }
  return lanes[0];
}

// Combines kWidth adjacent vectors of columns.
template <class Op, int kWidth, class T>
void column_tile(const T* x, double* y, std::int64_t n, std::int64_t stride) {
  for (std::int64_t j = 0; j < kWidth * kLanes<T>; ++j) {
    y[j] = Op::template identity<double>();
  }
  for (std::int64_t begin = 0; begin < n; begin += kColumnBlock) {
    const std::int64_t end = n - begin < kColumnBlock ? n : begin + kColumnBlock;
    Batch<T> best[kWidth];
    for (int k = 0; k < kWidth; ++k) {
      best[k] = Batch<T>(Op::template identity<T>());
    }
    for (std::int64_t i = begin; i < end; ++i) {
      for (int k = 0; k < kWidth; ++k) {
        best[k] = Op::include(best[k], load(x + i * stride + k * kLanes<T>));
      }
    }
    for (int k = 0; k < kWidth; ++k) {
      merge_into<Op, T>(y + k * kLanes<T>, best[k]);
    }
  }
}

template <class Op, class T>
void all_columns(const T* x, double* y, std::int64_t n, std::int64_t columns, std::int64_t stride) {
  constexpr std::int64_t kStep = kLanes<T>;
  std::int64_t c = 0;
  for (; c + 4 * kStep <= columns; c += 4 * kStep) {
    column_tile<Op, 4>(x + c, y + c, n, stride);
  }
  for (; c + kStep <= columns; c += kStep) {
    column_tile<Op, 1>(x + c, y + c, n, stride);
  }
  if (c == columns) {
    return;
  }
  if (columns >= kStep) {  // the last vector overlaps its neighbor and computes the same there
    column_tile<Op, 1>(x + columns - kStep, y + columns - kStep, n, stride);
    return;
  }
  for (std::int64_t j = 0; j < columns; ++j) {
    y[j] = Op::template identity<double>();
  }
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      y[j] = Op::include(y[j], static_cast<double>(x[i * stride + j]));
    }
  }
}

// Extremes are exact in lanes of T.
template <class Op, class T>
requires std::is_same_v<Op, Max> || std::is_same_v<Op, Min>
double whole_row(const T* x, std::int64_t n) {
  return static_cast<double>(std::is_same_v<Op, Max> ? max_of_row(x, n) : min_of_row(x, n));
}

template <class Op, class T>
void all_rows(const T* x, double* y, std::int64_t rows, std::int64_t n, std::int64_t stride) {
  for (std::int64_t r = 0; r < rows; ++r) {
    y[r] = whole_row<Op>(x + r * stride, n);
  }
}

}  // namespace

template <class T>
void reduce_rows(ReduceOp op, const T* x, double* y, std::int64_t rows, std::int64_t n, std::int64_t stride) {
  switch (op) {
    case ReduceOp::sum:
      return all_rows<Sum>(x, y, rows, n, stride);
    case ReduceOp::sum_squares:
      return all_rows<SumSquares>(x, y, rows, n, stride);
    case ReduceOp::max:
      return all_rows<Max>(x, y, rows, n, stride);
    case ReduceOp::min:
      return all_rows<Min>(x, y, rows, n, stride);
    case ReduceOp::prod:
      break;
  }
}

template <class T>
void reduce_columns(ReduceOp op, const T* x, double* y, std::int64_t n, std::int64_t columns, std::int64_t stride) {
  switch (op) {
    case ReduceOp::sum:
      return all_columns<Sum>(x, y, n, columns, stride);
    case ReduceOp::sum_squares:
      return all_columns<SumSquares>(x, y, n, columns, stride);
    case ReduceOp::max:
      return all_columns<Max>(x, y, n, columns, stride);
    case ReduceOp::min:
      return all_columns<Min>(x, y, n, columns, stride);
    case ReduceOp::prod:
      break;
  }
}

template void reduce_rows<float>(ReduceOp, const float*, double*, std::int64_t, std::int64_t, std::int64_t);
template void reduce_rows<double>(ReduceOp, const double*, double*, std::int64_t, std::int64_t, std::int64_t);
template void reduce_columns<float>(ReduceOp, const float*, double*, std::int64_t, std::int64_t, std::int64_t);
template void reduce_columns<double>(ReduceOp, const double*, double*, std::int64_t, std::int64_t, std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
