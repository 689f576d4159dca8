#include "normgrad/core/kernels/norm/rows_simd.hpp"
#include "normgrad/core/kernels/norm/spans_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Short rows are processed together, so that none waits for the sums of another; they fit in the level 1 cache.
constexpr std::int64_t kMaxRows = 16;
constexpr std::int64_t kNearElements = 4096;

// Mean, rstd and var of `size` rows from row `first` on. All sums are computed first, so that no row's sums wait for
// the divisions and square roots of another.
template <class T>
void rows_moments(const RowGeometry& g, const NormForward<T>& a, std::int64_t first, std::int64_t size) {
  const Segments row{1, 0, g.length()};
  double pivots[kMaxRows];
  double sums[kMaxRows][2];
  for (std::int64_t i = 0; i < size; ++i) {
    const T* x = a.x + (first + i) * g.length();
    const Uniform pivot = first_pivot(x, row, a.center);
    pivots[i] = pivot.value;
    reduce(row, deviation_terms(x, pivot), sums[i]);
  }
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int64_t r = first + i;
    Moments m = moments_from_sums(pivots[i], sums[i][0], sums[i][1], row.size(), a.center);
    if (a.center && is_far<T>(pivots[i], m)) {
      m = moments_around(a.x + r * g.length(), row, a.center, {m.mean});
    }
    store_moments(a, r, m);
  }
}

// R rows with a parameter per element, which is loaded and converted once for all of them.
template <int R, class T, class A, class G, class B>
struct NormalizedRows {
  const T* x;
  T* y;
  std::int64_t length;
  std::int64_t ahead;  // distance to the following rows, which are prefetched; 0: none
  A activation;
  G gamma;
  B beta;
  Statistic<Uniform> stats[R];

  template <class V, bool kPast>
  void columns(std::int64_t j) const {
    const V gamma_j = gamma.template at<V>(j);
    const V beta_j = beta.template at<V>(j);
    for (int r = 0; r < R; ++r) {
      const V d = difference(load_as<V>(x + r * length + j), V(stats[r].mean.value));
      const V v = activation.of_y(output_of(d, V(stats[r].rstd.value) * gamma_j, beta_j));
      T* to = y + r * length + j;
      if constexpr (std::is_arithmetic_v<V>) {
        *to = static_cast<T>(v);
      } else if constexpr (kPast) {
        stream(to, v);
      } else {
        store_accumulator(to, v);
      }
    }
  }

  template <bool kPast>
  void run() const {
    const NormalizedRows self(*this);  // a local copy without aliases: its members stay in registers
    constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
    std::int64_t j = 0;
    for (; j + kAccumulatorLanes <= length; j += kAccumulatorLanes) {
      for (int r = 0; self.ahead != 0 && j % kLine == 0 && r < R; ++r) {
        prefetch(self.x + r * self.length + j, self.ahead);
      }
      self.template columns<Accumulator, kPast>(j);
    }
    if (j < length && length >= kAccumulatorLanes) {  // the last batch overlaps the one before
      self.template columns<Accumulator, false>(length - kAccumulatorLanes);
      return;
    }
    for (; j < length; ++j) {
      self.template columns<double, kPast>(j);
    }
  }
};

// Normalizes rows from `first` on that share their parameters, R at a time. Returns the first remaining row.
template <int R, class T, class A>
std::int64_t normalize_together(const RowGeometry& g, const NormForward<T>& a, const A& activation, std::int64_t first,
                                std::int64_t end, std::int64_t ahead) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  const std::int64_t length = g.length();
  std::int64_t r = first;
  with_params(a.gamma, a.beta, 0, [&](const auto& gamma, const auto& beta) {
    for (; r + R <= end; r += R) {
      T* y = a.y + r * length;
      NormalizedRows<R, T, A, std::decay_t<decltype(gamma)>, std::decay_t<decltype(beta)>> rows{
          a.x + r * length, y, length, ahead, activation, gamma, beta, {}};
      for (int i = 0; i < R; ++i) {
        rows.stats[i] = {{a.computed.mean[r + i]}, {a.computed.rstd[r + i]}};
      }
      const bool past = a.non_temporal && reinterpret_cast<std::uintptr_t>(y) % 64 == 0 && length % kLine == 0;
      past ? rows.template run<true>() : rows.template run<false>();
    }
  });
  return r;
}

template <class T, class A>
void normalize_row(const RowGeometry& g, const NormForward<T>& a, const A& activation, std::int64_t r,
                   std::int64_t ahead) {
  const Statistic<Uniform> stat{{a.computed.mean[r]}, {a.computed.rstd[r]}};
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
      const SpanParams params(a.gamma, a.beta, first + done, stat.rstd.value);
      normalize_spans(g.inner, x, stat, params, activation, y, a.non_temporal, ahead);
    }
    row({g.params_per_row - done, g.inner, g.inner}, PerSegment<T>{from(a.gamma, first + done), 1.0},
        PerSegment<T>{from(a.beta, first + done), 0.0});
  }
}

}  // namespace

template <class T>
void norm_rows_forward_task(const RowGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t near = kNearElements / (g.length() > 0 ? g.length() : 1);
  const std::int64_t together = near < 1 ? 1 : (near < kMaxRows ? near : kMaxRows);
  const std::int64_t ahead = fetch_ahead<T>(g, together);
  constexpr int kSharing = 2;
  const bool shared = g.inner == 1 && g.param_period == 1 && (a.gamma != nullptr || a.beta != nullptr);
  with_activation<T>(a.relu, [&](const auto& activation) {
    for (std::int64_t r = begin; r < end; r += together) {
      const std::int64_t size = end - r < together ? end - r : together;
      rows_moments(g, a, r, size);
      std::int64_t left = r;
      if (shared) {
        left = normalize_together<kSharing>(g, a, activation, r, r + size, ahead);
      }
      for (; left < r + size; ++left) {
        normalize_row(g, a, activation, left, ahead);
      }
    }
  });
  if (a.non_temporal) {
    store_fence();
  }
}

#define NORMGRAD_INSTANTIATE(T) \
  template void norm_rows_forward_task<T>(const RowGeometry&, const NormForward<T>&, std::int64_t, std::int64_t);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
