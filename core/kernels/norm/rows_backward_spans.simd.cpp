#include "normgrad/core/kernels/norm/rows_simd.hpp"
#include "normgrad/core/kernels/norm/spans_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// One row with a parameter per run. gamma and beta have a value per run or, if `per_element`, per element.
template <class R, class T, class A>
void row_backward_spans(const RowGeometry& g, const NormBackward<T>& a, const A& activation, std::int64_t r,
                        double* ggamma, double* gbeta) {
  // Without parameters the whole row is one run.
  const bool whole = a.gamma == nullptr && a.beta == nullptr && ggamma == nullptr;
  const std::int64_t per_row = whole ? 1 : g.params_per_row;
  const std::int64_t length = whole ? g.length() : g.inner;
  const std::int64_t step = a.per_element ? g.inner : 1;
  const std::int64_t first = r % g.param_period * g.params_per_row * step;
  const T* gy = a.gy + r * g.length();
  const T* x = a.x + r * g.length();
  const Statistic<R> stat{a.mean[r], a.rstd[r]};
  double sum_g = 0.0;
  double sum_g_xhat = 0.0;
  for (std::int64_t k = 0; k < per_row; ++k) {
    const Uniform gamma{at_or(a.gamma, first + k * step, 1.0)};
    const Uniform beta{at_or(a.beta, first + k * step, 0.0)};
    double sums[2];
    gradient_sums(gy + k * length, x + k * length, Segments{1, 0, length}, stat, gamma, beta, activation, sums);
    if (ggamma != nullptr) {
      ggamma[k] += sums[1];
      gbeta[k] += sums[0];
    }
    sum_g += sums[0] * gamma.value;
    sum_g_xhat += sums[1] * gamma.value;
  }
  if (a.gx == nullptr) {
    return;
  }
  const SetTerms terms = set_terms(stat.rstd, sum_g, sum_g_xhat, static_cast<double>(g.length()), a.center);
  const auto gradient = [&](const Segments& spans, const auto& gamma, const auto& beta) {
    input_gradient(gy, x, spans, stat, gamma, beta, activation, terms, a.gx + r * g.length(), a.non_temporal,
                   fetch_ahead<T>(g, 1));
  };
  if (a.per_element) {
    with_backward_params(activation, a.gamma, a.beta, first, [&](const auto& gamma, const auto& beta) {
      gradient({1, 0, g.length()}, gamma, beta);
    });
  } else {
    gradient({per_row, length, length}, PerSegment<T>{from(a.gamma, first), 1.0},
             PerSegment<T>{from(a.beta, first), 0.0});
  }
}

// One row of short runs.
template <class T, class R, class A>
struct ShortSpans {
  using V = Lanes<R>;

  const RowGeometry& g;
  const NormBackward<T>& a;
  const A& activation;
  const T* gy;
  const T* x;
  std::int64_t first;  // index of the row's first parameter
  Statistic<R> stat;

  // sum(gy) and sum(gy * (x - mean)) of n <= kHalf runs from k on.
  void sums_of_few(std::int64_t k, std::int64_t n, double (&gy_sums)[kHalf], double (&gy_d_sums)[kHalf]) const {
    AccumulatorHalf of_gy[kHalf];
    AccumulatorHalf of_gy_d[kHalf];
    for (std::int64_t i = 0; i < kHalf; ++i) {
      of_gy[i] = of_gy_d[i] = AccumulatorHalf(0.0);
      if (i < n) {
        const std::int64_t at = (k + i) * g.inner;
        const SharedParams<R> params(stat, at_or(a.gamma, first + k + i, 1.0), at_or(a.beta, first + k + i, 0.0));
        span_sums(gy + at, x + at, params, of_gy[i], of_gy_d[i]);
      }
    }
    half_to(gy_sums, add_each(of_gy));
    half_to(gy_d_sums, add_each(of_gy_d));
    for (std::int64_t i = 0; i < n; ++i) {
      gy_d_sums[i] = stat.centered(gy_sums[i], gy_d_sums[i]);
      if (std::is_same_v<R, float> && __builtin_isfinite(gy_sums[i] + gy_d_sums[i]) == 0) {
        const Statistic<double> exact{stat.mean, stat.rstd};
        const SharedParams<double> params(exact, at_or(a.gamma, first + k + i, 1.0), at_or(a.beta, first + k + i, 0.0));
        const std::int64_t at = (k + i) * g.inner;
        double sums[2];
        reduce<double>(Segments{1, 0, g.inner}, gradient_terms(gy + at, x + at, exact, params, activation.in_double()),
                       sums);
        gy_sums[i] = sums[0];
        gy_d_sums[i] = sums[1];
      }
    }
  }

  // sum(gy) and sum(gy * d) of one run, lane by lane.
  void span_sums(const T* of_gy, const T* of_x, const SharedParams<R>& params, AccumulatorHalf& to_gy,
                 AccumulatorHalf& to_gy_d) const {
    V sum = number<V>(0.0);
    V sum_d = number<V>(0.0);
    const auto add = [&](std::int64_t j, std::int64_t seen) {
      const V d = stat.deviation(load_lanes<V>(of_x + j));
      const V gyv = activation.of_gy(params.y(d, j), load_lanes<V>(of_gy + j));
      const V counted = seen == 0 ? gyv : clear_first(gyv, seen);
      add_gradient(counted, d, sum, sum_d);
    };
    std::int64_t j = 0;
    for (; j + kAccumulatorLanes <= g.inner; j += kAccumulatorLanes) {
      add(j, 0);
    }
    if (j < g.inner) {  // the last batch overlaps the one before
      add(g.inner - kAccumulatorLanes, j + kAccumulatorLanes - g.inner);
    }
    to_gy = halves_added(sum);
    to_gy_d = halves_added(sum_d);
  }

  // The sums of kAccumulatorLanes runs from k on.
  SpanSums sums_of_spans(std::int64_t k) const {
    const T* gy_k = gy + k * g.inner;
    const T* x_k = x + k * g.inner;
    const SpanSums sums =
        spans_gradient_sums(g.inner, gy_k, x_k, stat, SpanParams<R>(a.gamma, a.beta, first + k, stat), activation);
    if constexpr (std::is_same_v<R, float>) {
      if (__builtin_isfinite(sum_lanes(sums.gy + sums.gy_d)) == 0) {
        const Statistic<double> exact{stat.mean, stat.rstd};
        return spans_gradient_sums(g.inner, gy_k, x_k, exact, SpanParams<double>(a.gamma, a.beta, first + k, exact),
                                   activation.in_double());
      }
    }
    return sums;
  }

  // The terms of gx. Adds sum(gy * xhat) and sum(gy) of each run to ggamma and gbeta, unless they are null.
  SetTerms terms(double* ggamma, double* gbeta) const {
    const double rstd = stat.rstd;
    Accumulator sum_g(0.0);
    Accumulator sum_g_xhat(0.0);
    std::int64_t k = 0;
    for (; k + kAccumulatorLanes <= g.params_per_row; k += kAccumulatorLanes) {
      const SpanSums sums = sums_of_spans(k);
      const Accumulator gamma = a.gamma == nullptr ? Accumulator(1.0) : load_accumulator(a.gamma + first + k);
      const Accumulator gy_xhat = sums.gy_d * Accumulator(rstd);
      sum_g = muladd(gamma, sums.gy, sum_g);
      sum_g_xhat = muladd(gamma, gy_xhat, sum_g_xhat);
      if (ggamma != nullptr) {
        store_accumulator(ggamma + k, load_accumulator(ggamma + k) + gy_xhat);
        store_accumulator(gbeta + k, load_accumulator(gbeta + k) + sums.gy);
      }
    }
    double rest_g = 0.0;
    double rest_g_xhat = 0.0;
    for (; k < g.params_per_row; k += kHalf) {
      const std::int64_t n = g.params_per_row - k < kHalf ? g.params_per_row - k : kHalf;
      double gy_sums[kHalf];
      double gy_d_sums[kHalf];
      sums_of_few(k, n, gy_sums, gy_d_sums);
      for (std::int64_t i = 0; i < n; ++i) {
        const double gamma = at_or(a.gamma, first + k + i, 1.0);
        const double gy_xhat = gy_d_sums[i] * rstd;
        rest_g = muladd(gamma, gy_sums[i], rest_g);
        rest_g_xhat = muladd(gamma, gy_xhat, rest_g_xhat);
        if (ggamma != nullptr) {
          ggamma[k + i] += gy_xhat;
          gbeta[k + i] += gy_sums[i];
        }
      }
    }
    return set_terms(rstd, sum_lanes(sum_g) + rest_g, sum_lanes(sum_g_xhat) + rest_g_xhat,
                     static_cast<double>(g.length()), a.center);
  }

  void input_gradients(const SetTerms& terms, T* gx) const {
    const std::int64_t ahead = fetch_ahead<T>(g, 1);
    std::int64_t done = 0;
    for (; done + kAccumulatorLanes <= g.params_per_row; done += kAccumulatorLanes) {
      const SpanParams<R> params(a.gamma, a.beta, first + done, stat);
      const std::int64_t i = done * g.inner;
      spans_input_gradient(g.inner, gy + i, x + i, stat, params, activation, terms, gx + i, a.non_temporal, ahead);
    }
    const std::int64_t i = done * g.inner;
    input_gradient(gy + i, x + i, Segments{g.params_per_row - done, g.inner, g.inner}, stat,
                   PerSegment<T>{from(a.gamma, first + done), 1.0}, PerSegment<T>{from(a.beta, first + done), 0.0},
                   activation, terms, gx + i, a.non_temporal, ahead);
  }
};

template <class R, class T, class A>
void row_backward_short_spans(const RowGeometry& g, const NormBackward<T>& a, const A& activation, std::int64_t r,
                              double* ggamma, double* gbeta) {
  const std::int64_t first = r % g.param_period * g.params_per_row;
  const std::int64_t i = r * g.length();
  const ShortSpans<T, R, A> row{g, a, activation, a.gy + i, a.x + i, first, {a.mean[r], a.rstd[r]}};
  const SetTerms terms = row.terms(ggamma, gbeta);
  if (a.gx != nullptr) {
    row.input_gradients(terms, a.gx + i);
  }
}

}  // namespace

template <class T, class R>
void norm_rows_backward_spans_task(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                                   double* partial) {
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t first = r % g.param_period * g.params_per_row;
      if (std::is_same_v<R, float> && !suits_float32(a.mean[r], a.rstd[r])) {
        norm_rows_backward_spans_task<T, double>(g, a, r, r + 1, partial);
      } else if (has_short_runs(g)) {
        row_backward_short_spans<R>(g, a, activation, r, from(partial, first), from(partial, g.params() + first));
      } else {
        row_backward_spans<R>(g, a, activation, r, from(partial, first), from(partial, g.params() + first));
      }
    }
  });
  if (a.non_temporal) {
    store_fence();
  }
}

#define NORMGRAD_INSTANTIATE(T, R)                                                                            \
  template void norm_rows_backward_spans_task<T, R>(const RowGeometry&, const NormBackward<T>&, std::int64_t, \
                                                    std::int64_t, double*);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
