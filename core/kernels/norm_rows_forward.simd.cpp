#include "normgrad/core/kernels/norm_rows_simd.hpp"
#include "normgrad/core/kernels/norm_spans_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Short rows are worked on together, so that none waits for the sums of another; they stay in the first cache.
constexpr std::int64_t kMostRows = 16;
constexpr std::int64_t kNearElements = 4096;

// Mean, rstd and var of `size` rows from row `first` on. The sums of all come first: what follows divides and takes
// roots, for which no row's sums should wait.
template <class T>
void rows_moments(const RowGeometry& g, const NormForward<T>& a, std::int64_t first, std::int64_t size) {
  const Segments row{1, 0, g.length()};
  double pivots[kMostRows];
  double sums[kMostRows][2];
  for (std::int64_t i = 0; i < size; ++i) {
    const T* x = a.x + (first + i) * g.length();
    const Uniform pivot = first_pivot(x, row, a.centre);
    pivots[i] = pivot.value;
    reduce(row, deviation_terms(x, pivot), sums[i]);
  }
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int64_t r = first + i;
    Moments m = finish_moments(pivots[i], sums[i][0], sums[i][1], row.size(), a.centre);
    if (a.centre && is_far<T>(pivots[i], m)) {
      m = moments_around(a.x + r * g.length(), row, a.centre, {m.mean});
    }
    a.mean[r] = m.mean;
    a.rstd[r] = m.rstd(a.eps);
    if (a.var != nullptr) {
      a.var[r] = m.var;
    }
  }
}

// R rows with a parameter per element, each of which is read and converted once for them all.
template <int R, class T, class A, class G, class B>
struct NormalisedRows {
  const T* x;
  T* y;
  std::int64_t length;
  std::int64_t ahead;  // to the rows to come, which are fetched meanwhile
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
      const V v = activation.of_y(muladd(d, V(stats[r].rstd.value) * gamma_j, beta_j));
      T* to = y + r * length + j;
      if constexpr (std::is_arithmetic_v<V>) {
        *to = static_cast<T>(v);
      } else if constexpr (kPast) {
        stream(to, v);
      } else {
        store_wide(to, v);
      }
    }
  }

  template <bool kPast>
  void run() const {
    const NormalisedRows self(*this);  // nothing else points to it: its numbers stay in registers
    constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
    std::int64_t j = 0;
    for (; j + kWide <= length; j += kWide) {
      for (int r = 0; self.ahead != 0 && j % kLine == 0 && r < R; ++r) {
        prefetch(self.x + r * self.length + j, self.ahead);
      }
      self.template columns<Wide, kPast>(j);
    }
    if (j < length && length >= kWide) {  // the last batch overlaps the one before
      self.template columns<Wide, false>(length - kWide);
      return;
    }
    for (; j < length; ++j) {
      self.template columns<double, kPast>(j);
    }
  }
};

// Rows from `first` on that have the same parameters, R at a time; returns the first row that is left.
template <int R, class T, class A>
std::int64_t normalise_together(const RowGeometry& g, const NormForward<T>& a, const A& activation, std::int64_t first,
                                std::int64_t end, std::int64_t ahead) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  const std::int64_t length = g.length();
  std::int64_t r = first;
  with_params(a.gamma, a.beta, 0, [&](const auto& gamma, const auto& beta) {
    for (; r + R <= end; r += R) {
      T* y = a.y + r * length;
      NormalisedRows<R, T, A, std::decay_t<decltype(gamma)>, std::decay_t<decltype(beta)>> rows{
          a.x + r * length, y, length, ahead, activation, gamma, beta, {}};
      for (int i = 0; i < R; ++i) {
        rows.stats[i] = {{a.mean[r + i]}, {a.rstd[r + i]}};
      }
      const bool past = a.past_caches && reinterpret_cast<std::uintptr_t>(y) % 64 == 0 && length % kLine == 0;
      past ? rows.template run<true>() : rows.template run<false>();
    }
  });
  return r;
}

template <class T, class A>
void normalise_row(const RowGeometry& g, const NormForward<T>& a, const A& activation, std::int64_t r,
                   std::int64_t ahead) {
  const Statistic<Uniform> stat{{a.mean[r]}, {a.rstd[r]}};
  const T* x = a.x + r * g.length();
  T* y = a.y + r * g.length();
  const std::int64_t first = r % g.cycle * g.per_row;
  const auto row = [&](const Segments& segments, const auto& gamma, const auto& beta) {
    normalise(x, segments, stat, gamma, beta, activation, y, a.past_caches, ahead);
  };
  if (a.gamma == nullptr && a.beta == nullptr) {
    row({1, 0, g.length()}, Uniform{1.0}, Uniform{0.0});
  } else if (g.span == 1 || a.per_element) {
    with_params(a.gamma, a.beta, first * g.span, [&](const auto& gamma, const auto& beta) {
      row({1, 0, g.length()}, gamma, beta);
    });
  } else {
    std::int64_t done = 0;
    for (; has_short_spans(g) && done + kWide <= g.per_row; done += kWide, x += kWide * g.span, y += kWide * g.span) {
      const SpanParams params(a.gamma, a.beta, first + done, stat.rstd.value);
      normalise_spans(g.span, x, stat, params, activation, y, a.past_caches, ahead);
    }
    row({g.per_row - done, g.span, g.span}, PerSegment<T>{from(a.gamma, first + done), 1.0},
        PerSegment<T>{from(a.beta, first + done), 0.0});
  }
}

}  // namespace

template <class T>
void norm_rows_forward_task(const RowGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t near = kNearElements / (g.length() > 0 ? g.length() : 1);
  const std::int64_t together = near < 1 ? 1 : (near < kMostRows ? near : kMostRows);
  const std::int64_t ahead = fetch_ahead<T>(g, together);
  constexpr int kSharing = 2;
  const bool shared = g.span == 1 && g.cycle == 1 && (a.gamma != nullptr || a.beta != nullptr);
  with_activation<T>(a.relu, [&](const auto& activation) {
    for (std::int64_t r = begin; r < end; r += together) {
      const std::int64_t size = end - r < together ? end - r : together;
      rows_moments(g, a, r, size);
      std::int64_t left = r;
      if (shared) {
        left = normalise_together<kSharing>(g, a, activation, r, r + size, ahead);
      }
      for (; left < r + size; ++left) {
        normalise_row(g, a, activation, left, ahead);
      }
    }
  });
  if (a.past_caches) {
    end_stream();
  }
}

#define NORMGRAD_INSTANTIATE(T) \
  template void norm_rows_forward_task<T>(const RowGeometry&, const NormForward<T>&, std::int64_t, std::int64_t);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
