#include "normgrad/core/kernels/order/scan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kScanColumns = 16;

// Calls step(state of the column, offset, whether it is the first element) along each column.
template <class State, class Step>
void scan_columns(const AxisShape& s, bool reverse, Step step) {
  const std::int64_t cuts = (s.inner + kScanColumns - 1) / kScanColumns;
  const std::int64_t work = std::max<std::int64_t>(1, s.n * std::min(s.inner, kScanColumns));
  parallel_for(s.outer * cuts, std::max<std::int64_t>(1, 16384 / work), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first = task % cuts * kScanColumns;
      const std::int64_t columns = std::min(kScanColumns, s.inner - first);
      if (s.inner == 1) {  // with the state in registers
        State alone{};
        for (std::int64_t i = 0; i < s.n; ++i) {
          step(alone, task * s.n + (reverse ? s.n - 1 - i : i), i == 0);
        }
        continue;
      }
      std::array<State, kScanColumns> state{};
      for (std::int64_t i = 0; i < s.n; ++i) {
        const std::int64_t row = task / cuts * s.n + (reverse ? s.n - 1 - i : i);
        for (std::int64_t c = 0; c < columns; ++c) {
          step(state[static_cast<std::size_t>(c)], row * s.inner + first + c, i == 0);
        }
      }
    }
  });
}

double log_add_exp(double a, double b) {
  if (a != a || b != b) {
    return a + b;
  }
  const double larger = std::max(a, b);
  return std::isinf(larger) ? larger : larger + std::log1p(std::exp(-std::abs(a - b)));
}

}  // namespace

template <class T>
void scan(ScanOp op, bool reverse, const AxisShape& shape, const T* x, T* y) {
  using State = std::conditional_t<std::is_same_v<T, std::int64_t>, std::uint64_t, double>;
  switch (op) {
    case ScanOp::sum:
      return scan_columns<State>(shape, reverse, [=](State& state, std::int64_t at, bool) {
        state += static_cast<State>(x[at]);
        y[at] = static_cast<T>(state);
      });
    case ScanOp::prod:
      return scan_columns<State>(shape, reverse, [=](State& state, std::int64_t at, bool first) {
        state = first ? static_cast<State>(x[at]) : state * static_cast<State>(x[at]);
        y[at] = static_cast<T>(state);
      });
    case ScanOp::logsumexp:
      break;
  }
  scan_columns<double>(shape, reverse, [=](double& state, std::int64_t at, bool first) {
    const auto value = static_cast<double>(x[at]);
    state = first ? value : log_add_exp(state, value);
    y[at] = static_cast<T>(state);
  });
}

template <class T>
void linear_recurrence(bool reverse, const AxisShape& shape, const T* a, const T* b, T* y) {
  const std::int64_t factor = reverse ? shape.inner : 0;
  scan_columns<double>(shape, reverse, [=](double& state, std::int64_t at, bool first) {
    const auto value = static_cast<double>(b[at]);
    state = first ? value : static_cast<double>(a[at + factor]) * state + value;
    y[at] = static_cast<T>(state);
  });
}

template <class T>
void running_extreme(bool largest, const AxisShape& shape, const T* x, std::int64_t* index) {
  struct Best {
    T value{};
    std::int64_t position = -1;
    std::int64_t seen = 0;
  };
  scan_columns<Best>(shape, false, [=](Best& best, std::int64_t at, bool first) {
    const T value = x[at];
    bool wins = first || (best.value == best.value && (largest ? value >= best.value : value <= best.value));
    if constexpr (std::is_floating_point_v<T>) {
      wins = wins || value != value;
    }
    if (wins) {
      best.value = value;
      best.position = best.seen;
    }
    ++best.seen;
    index[at] = best.position;
  });
}

template void scan(ScanOp, bool, const AxisShape&, const float*, float*);
template void scan(ScanOp, bool, const AxisShape&, const double*, double*);
template void scan(ScanOp, bool, const AxisShape&, const std::int64_t*, std::int64_t*);
template void linear_recurrence(bool, const AxisShape&, const float*, const float*, float*);
template void linear_recurrence(bool, const AxisShape&, const double*, const double*, double*);
template void running_extreme(bool, const AxisShape&, const float*, std::int64_t*);
template void running_extreme(bool, const AxisShape&, const double*, std::int64_t*);
template void running_extreme(bool, const AxisShape&, const std::int64_t*, std::int64_t*);
template void running_extreme(bool, const AxisShape&, const bool*, std::int64_t*);

}  // namespace normgrad::kernels
