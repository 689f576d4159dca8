#include "normgrad/core/kernels/reduce/reduce.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/memory/scratch.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kReduceGrain = std::int64_t{1} << 16;
constexpr std::int64_t kReduceColumns = 1024;

template <class T>
using Accumulator = std::conditional_t<std::is_floating_point_v<T>, double, T>;

std::int64_t pieces_of(std::int64_t n, std::int64_t size) { return std::max<std::int64_t>(1, (n + size - 1) / size); }

template <class A>
A identity_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
    case ReduceOp::sum_squares:
      return A{0};
    case ReduceOp::prod:
      return A{1};
    case ReduceOp::max:
      return std::is_floating_point_v<A> ? -std::numeric_limits<A>::infinity() : std::numeric_limits<A>::lowest();
    case ReduceOp::min:
      break;
  }
  return std::is_floating_point_v<A> ? std::numeric_limits<A>::infinity() : std::numeric_limits<A>::max();
}

// Used for products, and for integers (which wrap around).
template <class A>
A include(ReduceOp op, A a, A x) {
  using U = std::conditional_t<std::is_floating_point_v<A>, A, std::uint64_t>;
  const U u = static_cast<U>(a);
  const U v = static_cast<U>(x);
  switch (op) {
    case ReduceOp::sum:
      return static_cast<A>(u + v);
    case ReduceOp::sum_squares:
      return static_cast<A>(u + v * v);
    case ReduceOp::prod:
      return static_cast<A>(u * v);
    case ReduceOp::max:
      return std::max(a, x);
    case ReduceOp::min:
      break;
  }
  return std::min(a, x);
}

template <class T>
void rows(ReduceOp op, const T* x, Accumulator<T>* y, std::int64_t count, std::int64_t n, std::int64_t stride) {
  if constexpr (std::is_floating_point_v<T>) {
    if (op != ReduceOp::prod) {
      NORMGRAD_SIMD_SELECT(reduce_rows<T>)(op, x, y, count, n, stride);
      return;
    }
  }
  using A = Accumulator<T>;
  for (std::int64_t r = 0; r < count; ++r) {
    A total = identity_of<A>(op);
    for (std::int64_t i = 0; i < n; ++i) {
      total = include<A>(op, total, static_cast<A>(x[r * stride + i]));
    }
    y[r] = total;
  }
}

template <class T>
void columns(ReduceOp op, const T* x, Accumulator<T>* y, std::int64_t n, std::int64_t count, std::int64_t stride) {
  if constexpr (std::is_floating_point_v<T>) {
    if (op != ReduceOp::prod) {
      NORMGRAD_SIMD_SELECT(reduce_columns<T>)(op, x, y, n, count, stride);
      return;
    }
  }
  using A = Accumulator<T>;
  std::fill_n(y, count, identity_of<A>(op));
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < count; ++j) {
      y[j] = include<A>(op, y[j], static_cast<A>(x[i * stride + j]));
    }
  }
}

// The operation that merges partial results.
ReduceOp following(ReduceOp op) { return op == ReduceOp::sum_squares ? ReduceOp::sum : op; }

// x: [count, n] -> y: [count]
template <class T>
void reduce_inner(ReduceOp op, const T* x, Accumulator<T>* y, std::int64_t count, std::int64_t n) {
  const std::int64_t pieces = pieces_of(n, kReduceGrain);
  if (pieces == 1) {
    parallel_for(count, std::max<std::int64_t>(1, kReduceGrain / std::max<std::int64_t>(n, 1)),
                 [&](std::int64_t begin, std::int64_t end) { rows(op, x + begin * n, y + begin, end - begin, n, n); });
    return;
  }
  const Scratch<Accumulator<T>> partial(count * pieces);
  parallel_tasks(count * pieces, [&](std::int64_t task) {
    const std::int64_t begin = task % pieces * kReduceGrain;
    rows(op, x + task / pieces * n + begin, partial.get() + task, 1, std::min(kReduceGrain, n - begin), n);
  });
  reduce_inner<Accumulator<T>>(following(op), partial.get(), y, count, pieces);
}

// x: [outer, n, inner] -> y: [outer, inner]
template <class T>
void reduce_middle(ReduceOp op, const T* x, Accumulator<T>* y, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  if (n * inner <= kReduceGrain) {
    parallel_for(outer, std::max<std::int64_t>(1, kReduceGrain / std::max<std::int64_t>(n * inner, 1)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     columns(op, x + i * n * inner, y + i * inner, n, inner, inner);
                   }
                 });
    return;
  }
  const std::int64_t width = std::max(kReduceColumns, kReduceGrain / n / kReduceColumns * kReduceColumns);
  const std::int64_t height = std::max<std::int64_t>(64, kReduceGrain / std::min(inner, kReduceColumns));
  const std::int64_t across = pieces_of(inner, width);
  const std::int64_t down = n < 2 * height ? 1 : pieces_of(n, height);
  const auto run = [&](std::int64_t task, Accumulator<T>* result) {
    const std::int64_t block = task / across;  // [outer, down]
    const std::int64_t column = task % across * width;
    const std::int64_t row = block % down * height;
    columns(op, x + (block / down * n + row) * inner + column, result + block * inner + column,
            down == 1 ? n : std::min(height, n - row), std::min(width, inner - column), inner);
  };
  if (down == 1) {
    parallel_tasks(outer * across, [&](std::int64_t task) { run(task, y); });
    return;
  }
  const Scratch<Accumulator<T>> partial(outer * down * inner);
  parallel_tasks(outer * down * across, [&](std::int64_t task) { run(task, partial.get()); });
  reduce_middle<Accumulator<T>>(following(op), partial.get(), y, outer, down, inner);
}

std::int64_t outer_size(const ReduceLayout& layout, std::size_t from) {
  std::int64_t size = 1;
  for (std::size_t i = from; i < layout.rank; ++i) {
    size *= layout.sizes[i];
  }
  return size;
}

void erase(ReduceLayout& layout, std::size_t group) {
  std::copy(layout.sizes.begin() + group + 1, layout.sizes.begin() + layout.rank, layout.sizes.begin() + group);
  std::copy(layout.reduced.begin() + group + 1, layout.reduced.begin() + layout.rank, layout.reduced.begin() + group);
  --layout.rank;
}

// Reduces the innermost reduced group, which is the first or second, and removes it from the layout.
template <class T>
void reduce_group(ReduceOp op, ReduceLayout& layout, const T* x, Accumulator<T>* y) {
  if (layout.reduced[0]) {
    reduce_inner(op, x, y, outer_size(layout, 1), layout.sizes[0]);
    erase(layout, 0);
    return;
  }
  reduce_middle(op, x, y, outer_size(layout, 2), layout.sizes[1], layout.sizes[0]);
  erase(layout, 1);
  if (layout.rank > 1) {
    layout.sizes[0] *= layout.sizes[1];
    erase(layout, 1);
  }
}

// Number of results after the innermost reduced group is removed.
std::int64_t results_of(const ReduceLayout& layout) {
  return layout.reduced[0] ? outer_size(layout, 1) : layout.sizes[0] * outer_size(layout, 2);
}

std::int64_t kept_size(const ReduceLayout& layout) {
  std::int64_t size = 1;
  for (std::size_t i = 0; i < layout.rank; ++i) {
    size *= layout.reduced[i] ? 1 : layout.sizes[i];
  }
  return size;
}

bool is_last(const ReduceLayout& layout) { return layout.rank <= 2 || (layout.rank == 3 && !layout.reduced[0]); }

template <class A>
void reduce_rest(ReduceOp op, ReduceLayout& layout, const A* x, A* y) {
  if (is_last(layout)) {
    reduce_group(op, layout, x, y);
    return;
  }
  const Scratch<A> partial(results_of(layout));
  reduce_group(op, layout, x, partial.get());
  reduce_rest(following(op), layout, static_cast<const A*>(partial.get()), y);
}

}  // namespace

ReduceLayout::ReduceLayout(const Shape& shape, const std::array<bool, Shape::kMaxDims>& reduced_axes) {
  for (std::size_t i = shape.rank(); i-- > 0;) {
    if (shape[i] == 1) {
      continue;
    }
    if (rank != 0 && reduced[rank - 1] == reduced_axes[i]) {
      sizes[rank - 1] *= shape[i];
      continue;
    }
    sizes[rank] = shape[i];
    reduced[rank] = reduced_axes[i];
    ++rank;
  }
  if (rank == 0 || (rank == 1 && !reduced[0])) {  // nothing to reduce: add a reduced axis of size 1
    sizes[1] = rank == 0 ? 1 : sizes[0];
    reduced[1] = false;
    sizes[0] = 1;
    reduced[0] = true;
    rank = 2;
  }
}

template <class T>
void reduce(ReduceOp op, const ReduceLayout& layout, const T* x, T* y) {
  using A = Accumulator<T>;
  constexpr bool kWider = !std::is_same_v<A, T>;
  ReduceLayout rest = layout;
  const std::int64_t results = kept_size(rest);
  const Scratch<A> wide(kWider ? results : 0);
  A* const result = [&] {
    if constexpr (kWider) {
      return wide.get();
    } else {
      return y;
    }
  }();
  if (is_last(rest)) {
    reduce_group(op, rest, x, result);
  } else {
    const Scratch<A> partial(results_of(rest));
    reduce_group(op, rest, x, partial.get());
    reduce_rest(following(op), rest, static_cast<const A*>(partial.get()), result);
  }
  if constexpr (kWider) {
    std::transform(result, result + results, y, [](A v) { return static_cast<T>(v); });
  }
}

template void reduce(ReduceOp, const ReduceLayout&, const float*, float*);
template void reduce(ReduceOp, const ReduceLayout&, const double*, double*);
template void reduce(ReduceOp, const ReduceLayout&, const std::int64_t*, std::int64_t*);

}  // namespace normgrad::kernels
