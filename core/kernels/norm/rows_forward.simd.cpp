#include "normgrad/core/kernels/norm/rows_simd.hpp"
#include "normgrad/core/kernels/norm/spans_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Short rows are processed together, so that none waits for the sums of another; they fit in the level 1 cache.
constexpr std::int64_t kMaxRows = 16;
constexpr std::int64_t kNearElements = 4096;

// Mean, rstd and var of `size` rows from row `first` on. All sums are computed first, so that no row's sums wait for
// the divisions and square roots of another.
template <class R, class V, class T>
void rows_moments(const RowGeometry& g, const NormForward<T>& a, std::int64_t first, std::int64_t size) {
  const Segments row{1, 0, g.length()};
  double pivots[kMaxRows];
  double sums[kMaxRows][2];
  for (std::int64_t i = 0; i < size; ++i) {
    const T* x = a.x + (first + i) * g.length();
    const Uniform pivot = first_pivot<R>(x, row, a.center);
    pivots[i] = pivot.value;
    deviation_sums<R, V>(x, row, pivot, sums[i]);
  }
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int64_t r = first + i;
    finish_moments<R>(a, r, a.x + r * g.length(), row, pivots[i], sums[i][0], sums[i][1]);
  }
}

// kRows rows with a parameter per element, which is loaded and converted once for all of them.
template <class R, int kRows, class T, class A, class G, class B>
struct NormalizedRows {
  const T* x;
  T* y;
  std::int64_t length;
  std::int64_t ahead;  // distance to the following rows, which are prefetched; 0: none
  A activation;
  G gamma;
  B beta;
  Statistic<R> stats[kRows];

  template <class V, bool kPast>
  void columns(std::int64_t j) const {
    const V gamma_j = gamma.template at<V>(j);
    const V beta_j = beta.template at<V>(j);
    for (int r = 0; r < kRows; ++r) {
      const V scale = stats[r].scaled(gamma_j);
      const V d = stats[r].deviation(load_as<V>(x + r * length + j));
      const V v = activation.of_y(output_of(d, scale, stats[r].addend(scale, beta_j)));
      T* to = y + r * length + j;
      if constexpr (std::is_arithmetic_v<V>) {
        *to = static_cast<T>(v);
      } else if constexpr (kPast) {
        stream(to, v);
      } else {
        store_lanes(to, v);
      }
    }
  }

  template <bool kPast, class Long>
  void run() const {
    const NormalizedRows self(*this);  // a local copy without aliases: its members stay in registers
    constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
    constexpr std::int64_t kLong = kCountOf<Long>;
    std::int64_t j = 0;
    for (; j + kLong <= length; j += kLong) {
      for (int r = 0; self.ahead != 0 && j % kLine == 0 && r < kRows; ++r) {
        prefetch(self.x + r * self.length + j, self.ahead);
      }
      self.template columns<Long, kPast>(j);
    }
    for (; kLong > kAccumulatorLanes && j + kAccumulatorLanes <= length; j += kAccumulatorLanes) {
      self.template columns<Lanes<R>, kPast>(j);
    }
    if (j < length && length >= kAccumulatorLanes) {  // the last batch overlaps the one before
      self.template columns<Lanes<R>, false>(length - kAccumulatorLanes);
      return;
    }
    for (; j < length; ++j) {
      self.template columns<R, kPast>(j);
    }
  }
};

// Normalizes rows from `first` on that share their parameters, kRows at a time. Returns the first remaining row.
template <class R, int kRows, class T, class A>
std::int64_t normalize_together(const RowGeometry& g, const NormForward<T>& a, const A& activation, std::int64_t first,
                                std::int64_t end, std::int64_t ahead) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  const std::int64_t length = g.length();
  std::int64_t r = first;
  with_params(a.gamma, a.beta, 0, [&](const auto& gamma, const auto& beta) {
    for (; r + kRows <= end; r += kRows) {
      T* y = a.y + r * length;
      NormalizedRows<R, kRows, T, A, std::decay_t<decltype(gamma)>, std::decay_t<decltype(beta)>> rows{
          a.x + r * length, y, length, ahead, activation, gamma, beta, {}};
      for (int i = 0; i < kRows; ++i) {
        rows.stats[i] = {a.computed.mean[r + i], a.computed.rstd[r + i]};
      }
      const bool past = a.non_temporal && reinterpret_cast<std::uintptr_t>(y) % 64 == 0 && length % kLine == 0;
      if (length >= kMinForLong) {
        past ? rows.template run<true, LongLanes<R>>() : rows.template run<false, LongLanes<R>>();
      } else {
        past ? rows.template run<true, Lanes<R>>() : rows.template run<false, Lanes<R>>();
      }
    }
  });
  return r;
}

template <class R, class T, class A>
void normalize_row(const RowGeometry& g, const NormForward<T>& a, const A& activation, std::int64_t r,
                   std::int64_t ahead) {
  const Statistic<R> stat{a.computed.mean[r], a.computed.rstd[r]};
  const T* x = a.x + r * g.length();
  T* y = a.y + r * g.length();
  const std::int64_t first = r % g.param_period * g.params_per_row;
  const auto row = [&](const Segments& segments, const auto& gamma, const auto& beta) {
    normalize(x, segments, stat, gamma, beta, activation, y, a.non_temporal, ahead);
  };
  if (a.gamma == nullptr && a.beta == nullptr) {
    row({1, 0, g.length()}, Uniform{1.0}, Uniform{0.0});
  } else if (g.inner == 1 || a.per_element) {
    with_params(a.gamma, a.beta, first * g.inner, [&](const auto& gamma, const auto& beta) {
      row({1, 0, g.length()}, gamma, beta);
    });
  } else {
    std::int64_t done = 0;
    for (; has_short_runs(g) && done + kAccumulatorLanes <= g.params_per_row;
         done += kAccumulatorLanes, x += kAccumulatorLanes * g.inner, y += kAccumulatorLanes * g.inner) {
      const SpanParams<R> params(a.gamma, a.beta, first + done, stat);
      normalize_spans(g.inner, x, stat, params, activation, y, a.non_temporal, ahead);
    }
    row({g.params_per_row - done, g.inner, g.inner}, PerSegment<T>{from(a.gamma, first + done), 1.0},
        PerSegment<T>{from(a.beta, first + done), 0.0});
  }
}

// Normalizes the rows [first, end), whose moments are stored.
template <class R, class T, class A>
void normalize_rows(const RowGeometry& g, const NormForward<T>& a, const A& activation, std::int64_t first,
                    std::int64_t end, std::int64_t ahead) {
  constexpr int kSharing = 2;
  const bool shared = g.inner == 1 && g.param_period == 1 && (a.gamma != nullptr || a.beta != nullptr);
  std::int64_t left = shared ? normalize_together<R, kSharing>(g, a, activation, first, end, ahead) : first;
  for (; left < end; ++left) {
    normalize_row<R>(g, a, activation, left, ahead);
  }
}

}  // namespace

template <class T, class R>
void norm_rows_forward_task(const RowGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t near = kNearElements / (g.length() > 0 ? g.length() : 1);
  const std::int64_t together = near < 1 ? 1 : (near < kMaxRows ? near : kMaxRows);
  const std::int64_t ahead = fetch_ahead<T>(g, together);
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    for (std::int64_t r = begin; r < end; r += together) {
      const std::int64_t size = end - r < together ? end - r : together;
      g.length() >= kMinForLong ? rows_moments<R, LongLanes<R>>(g, a, r, size)
                                : rows_moments<R, Lanes<R>>(g, a, r, size);
      if constexpr (std::is_same_v<R, float>) {
        if (!suits<R>(a.computed.mean + r, a.computed.rstd + r, size)) {
          for (std::int64_t row = r; row < r + size; ++row) {
            suits_float32(a.computed.mean[row], a.computed.rstd[row])
                ? normalize_rows<R>(g, a, activation, row, row + 1, ahead)
                : norm_rows_forward_task<T, double>(g, a, row, row + 1);
          }
          continue;
        }
      }
      normalize_rows<R>(g, a, activation, r, r + size, ahead);
    }
  });
  if (a.non_temporal) {
    store_fence();
  }
}

#define NORMGRAD_INSTANTIATE(T, R) \
  template void norm_rows_forward_task<T, R>(const RowGeometry&, const NormForward<T>&, std::int64_t, std::int64_t);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
