#include "normgrad/core/kernels/reduce/softmax.hpp"

#include <algorithm>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kSoftmaxGrain = std::int64_t{1} << 14;
constexpr std::int64_t kFewColumns = 64;
constexpr std::int64_t kManyColumns = 256;  // longer pieces of rows, where there are enough for several threads

// Calls rows(begin, end) for inner == 1, else columns(offset, count) for up to kManyColumns adjacent columns.
template <class Rows, class Columns>
void for_each_column(std::int64_t outer, std::int64_t n, std::int64_t inner, Rows rows, Columns columns) {
  if (inner == 1) {
    parallel_for(outer, std::max<std::int64_t>(1, kSoftmaxGrain / std::max<std::int64_t>(n, 1)), rows);
    return;
  }
  if (n == 0) {
    return;
  }
  const std::int64_t together = outer * inner >= 16 * kManyColumns ? kManyColumns : kFewColumns;
  const std::int64_t across = (inner + together - 1) / together;
  const std::int64_t grain =
      std::max<std::int64_t>(1, kSoftmaxGrain / std::max<std::int64_t>(n * std::min(inner, together), 1));
  parallel_for(outer * across, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t column = i % across * together;
      columns(i / across * n * inner + column, std::min(together, inner - column));
    }
  });
}

}  // namespace

template <class T>
void softmax(SoftmaxOp op, const T* x, T* y, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  for_each_column(
      outer, n, inner,
      [&](std::int64_t begin, std::int64_t end) {
        NORMGRAD_SIMD_SELECT(softmax_rows<T>)(op, x + begin * n, y + begin * n, end - begin, n);
      },
      [&](std::int64_t at, std::int64_t count) {
        NORMGRAD_SIMD_SELECT(softmax_columns<T>)(op, x + at, y + at, n, count, inner);
      });
}

template <class T>
void softmax_grad(SoftmaxOp op, const T* y, const T* gy, T* gx, std::int64_t outer, std::int64_t n,
                  std::int64_t inner) {
  for_each_column(
      outer, n, inner,
      [&](std::int64_t begin, std::int64_t end) {
        const std::int64_t at = begin * n;
        NORMGRAD_SIMD_SELECT(softmax_grad_rows<T>)(op, y + at, gy + at, gx + at, end - begin, n);
      },
      [&](std::int64_t at, std::int64_t count) {
        NORMGRAD_SIMD_SELECT(softmax_grad_columns<T>)(op, y + at, gy + at, gx + at, n, count, inner);
      });
}

template void softmax(SoftmaxOp, const float*, float*, std::int64_t, std::int64_t, std::int64_t);
template void softmax(SoftmaxOp, const double*, double*, std::int64_t, std::int64_t, std::int64_t);
template void softmax_grad(SoftmaxOp, const float*, const float*, float*, std::int64_t, std::int64_t, std::int64_t);
template void softmax_grad(SoftmaxOp, const double*, const double*, double*, std::int64_t, std::int64_t, std::int64_t);

}  // namespace normgrad::kernels
