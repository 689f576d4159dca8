#include "normgrad/core/kernels/norm/rows_simd.hpp"
#include "normgrad/core/kernels/norm/spans_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Samples whose rows are processed phase by phase: they fit in the level 2 cache.
constexpr std::int64_t kRowRun = 16;
// R rows with a parameter per element; each parameter gradient is loaded and stored once for all of them.
template <class T, int R, class A, class G, class B>
struct RowBlock {
  const T* gy;
  const T* x;
  T* gx;
  std::int64_t length;
  std::int64_t stride;  // from one row to the next
  std::int64_t ahead;   // distance to the next block, which is prefetched; 0: none
  A activation;
  G gamma;
  B beta;
  Statistic<Uniform> stats[R];
  SetTerms terms[R];

  // gy of the elements from j on, after the activation; d is their x - mean.
  template <class V>
  V gradient(int r, std::int64_t j, const V& d, const V& gamma_j, const V& beta_j) const {
    return activation.of_gy(output_of(d, V(stats[r].rstd.value) * gamma_j, beta_j), load_as<V>(gy + r * stride + j));
  }

  void find_terms(bool center) {
    const RowBlock self(*this);
    double sums[2 * R];
    reduce<1>(  // 1 for every R, so that no row's sums depend on its neighbors
        Segments{1, 0, length},
        [self]<class V>(std::int64_t, std::int64_t j, V(&s)[2 * R]) {
          const V gamma_j = self.gamma.template at<V>(j);
          const V beta_j = self.beta.template at<V>(j);
          for (int r = 0; r < R; ++r) {
            const V d = difference(load_as<V>(self.x + r * self.stride + j), V(self.stats[r].mean.value));
            const V g = gamma_j * self.gradient(r, j, d, gamma_j, beta_j);
            add_gradient(g, d, s[2 * r], s[2 * r + 1]);
          }
        },
        sums);
    for (int r = 0; r < R; ++r) {
      const double rstd = stats[r].rstd.value;
      terms[r] = set_terms(rstd, sums[2 * r], sums[2 * r + 1] * rstd, static_cast<double>(length), center);
    }
  }

  // Processes the columns from j on; the first `seen` lanes have been processed already.
  template <class V, bool kPast, bool kInput, bool kAffine>
  void columns(std::int64_t j, std::int64_t seen, double* ggamma, double* gbeta) const {
    V sum_gy_xhat;
    V sum_gy;
    const V gamma_j = gamma.template at<V>(j);
    const V beta_j = beta.template at<V>(j);
    for (int r = 0; r < R; ++r) {
      const V d = difference(load_as<V>(x + r * stride + j), V(stats[r].mean.value));
      const V gyv = gradient(r, j, d, gamma_j, beta_j);
      const V scaled = gyv * V(stats[r].rstd.value);
      if constexpr (kAffine) {
        sum_gy_xhat = r == 0 ? scaled * d : muladd(scaled, d, sum_gy_xhat);
        sum_gy = r == 0 ? gyv : sum_gy + gyv;
      }
      if constexpr (kInput) {
        const V v = input_gradient_of(scaled, gamma_j, d, V(terms[r].slope), V(terms[r].shift));
        T* to = gx + r * stride + j;
        if constexpr (std::is_arithmetic_v<V>) {
          *to = static_cast<T>(v);
        } else if constexpr (kPast) {
          seen == 0 ? stream(to, v) : store_accumulator(to, v);
        } else {
          store_accumulator(to, v);
        }
      }
    }
    if constexpr (kAffine && std::is_arithmetic_v<V>) {
      ggamma[j] += sum_gy_xhat;
      gbeta[j] += sum_gy;
    } else if constexpr (kAffine) {
      store_accumulator(ggamma + j,
                        load_accumulator(ggamma + j) + (seen == 0 ? sum_gy_xhat : clear_first(sum_gy_xhat, seen)));
      store_accumulator(gbeta + j, load_accumulator(gbeta + j) + (seen == 0 ? sum_gy : clear_first(sum_gy, seen)));
    }
  }

  template <bool kPast, bool kInput, bool kAffine>
  void run(double* ggamma, double* gbeta) const {
    const RowBlock self(*this);  // a local copy without aliases: its members stay in registers
    constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
    std::int64_t j = 0;
    for (; j + kAccumulatorLanes <= length; j += kAccumulatorLanes) {
      for (int r = 0; self.ahead != 0 && j % kLine == 0 && r < R; ++r) {
        prefetch(self.gy + r * self.stride + j, self.ahead);
        prefetch(self.x + r * self.stride + j, self.ahead);
      }
      self.template columns<Accumulator, kPast, kInput, kAffine>(j, 0, ggamma, gbeta);
    }
    if (j < length && length >= kAccumulatorLanes) {  // the last batch overlaps the one before
      self.template columns<Accumulator, kPast, kInput, kAffine>(length - kAccumulatorLanes,
                                                                 j + kAccumulatorLanes - length, ggamma, gbeta);
      return;
    }
    for (; j < length; ++j) {
      self.template columns<double, kPast, kInput, kAffine>(j, 0, ggamma, gbeta);
    }
  }

  void backward(bool center, bool past, double* ggamma, double* gbeta) {
    if (gx == nullptr) {
      run<false, false, true>(ggamma, gbeta);
      return;
    }
    find_terms(center);
    constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
    past = past && reinterpret_cast<std::uintptr_t>(gx) % 64 == 0 && stride % kLine == 0;
    if (ggamma == nullptr) {
      past ? run<true, true, false>(ggamma, gbeta) : run<false, true, false>(ggamma, gbeta);
    } else {
      past ? run<true, true, true>(ggamma, gbeta) : run<false, true, true>(ggamma, gbeta);
    }
  }
};

// Backward of rows from `first` on, `stride` rows apart and R at a time. Returns the first remaining row.
template <int R, class T, class A, class G, class B>
std::int64_t backward_in_blocks(const RowGeometry& g, const NormBackward<T>& a, const A& activation, const G& gamma,
                                const B& beta, std::int64_t first, std::int64_t end, double* ggamma, double* gbeta) {
  const std::int64_t length = g.length();
  const std::int64_t stride = g.param_period;
  const std::int64_t ahead = fetch_ahead<T>(g, stride == 1 ? R : 1);
  std::int64_t r = first;
  for (; r + (R - 1) * stride < end; r += R * stride) {
    RowBlock<T, R, A, G, B> block{a.gy + r * length,
                                  a.x + r * length,
                                  a.gx == nullptr ? nullptr : a.gx + r * length,
                                  length,
                                  stride * length,
                                  ahead,
                                  activation,
                                  gamma,
                                  beta,
                                  {},
                                  {}};
    for (int i = 0; i < R; ++i) {
      block.stats[i] = {{a.mean[r + i * stride]}, {a.rstd[r + i * stride]}};
    }
    block.backward(a.center, a.non_temporal, ggamma, gbeta);
  }
  return r;
}

// Rows with a parameter per element.
template <class T, class A>
void rows_backward_elements(const RowGeometry& g, const NormBackward<T>& a, const A& activation, std::int64_t begin,
                            std::int64_t end, double* partial) {
  constexpr int kTogether = 2;  // more would not fit in the level 1 cache with rows of 4 KB
  for (std::int64_t run = begin; run < end;) {
    const std::int64_t run_end = end - run < kRowRun * g.param_period ? end : run + kRowRun * g.param_period;
    for (std::int64_t phase = 0; phase < g.param_period; ++phase) {
      const std::int64_t first = phase * g.length();
      double* ggamma = partial == nullptr ? nullptr : partial + first;
      double* gbeta = partial == nullptr ? nullptr : partial + g.params() + first;
      with_params(a.gamma, a.relu ? a.beta : nullptr, first, [&](const auto& gamma, const auto& beta) {
        const std::int64_t r =
            backward_in_blocks<kTogether>(g, a, activation, gamma, beta, run + phase, run_end, ggamma, gbeta);
        backward_in_blocks<1>(g, a, activation, gamma, beta, r, run_end, ggamma, gbeta);
      });
    }
    run = run_end;
  }
}

// One row with a parameter per run. gamma and beta have a value per run or, if `per_element`, per element.
template <class T, class A>
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
  const Statistic<Uniform> stat{{a.mean[r]}, {a.rstd[r]}};
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
  const SetTerms terms = set_terms(stat.rstd.value, sum_g, sum_g_xhat, static_cast<double>(g.length()), a.center);
  const auto gradient = [&](const Segments& spans, const auto& gamma, const auto& beta) {
    input_gradient(gy, x, spans, stat, gamma, beta, activation, terms, a.gx + r * g.length(), a.non_temporal,
                   fetch_ahead<T>(g, 1));
  };
  if (a.per_element) {
    with_params(a.gamma, a.relu ? a.beta : nullptr, first, [&](const auto& gamma, const auto& beta) {
      gradient({1, 0, g.length()}, gamma, beta);
    });
  } else {
    gradient({per_row, length, length}, PerSegment<T>{from(a.gamma, first), 1.0},
             PerSegment<T>{from(a.beta, first), 0.0});
  }
}

// One row of short runs.
template <class T, class A>
struct ShortSpans {
  const RowGeometry& g;
  const NormBackward<T>& a;
  const A& activation;
  const T* gy;
  const T* x;
  std::int64_t first;  // index of the row's first parameter
  Statistic<Uniform> stat;

  // sum(gy) and sum(gy * (x - mean)) of n <= kHalf runs from k on.
  void sums_of_few(std::int64_t k, std::int64_t n, double (&gy_sums)[kHalf], double (&gy_d_sums)[kHalf]) const {
    AccumulatorHalf of_gy[kHalf];
    AccumulatorHalf of_gy_d[kHalf];
    for (std::int64_t i = 0; i < kHalf; ++i) {
      of_gy[i] = of_gy_d[i] = AccumulatorHalf(0.0);
      if (i < n) {
        const std::int64_t at = (k + i) * g.inner;
        const SharedParams params = params_of(stat.rstd, Uniform{at_or(a.gamma, first + k + i, 1.0)},
                                              Uniform{at_or(a.beta, first + k + i, 0.0)});
        span_sums(gy + at, x + at, params, of_gy[i], of_gy_d[i]);
      }
    }
    half_to(gy_sums, add_each(of_gy));
    half_to(gy_d_sums, add_each(of_gy_d));
  }

  // The same for one run, lane by lane.
  void span_sums(const T* of_gy, const T* of_x, const SharedParams& params, AccumulatorHalf& to_gy,
                 AccumulatorHalf& to_gy_d) const {
    const Accumulator mean(stat.mean.value);
    Accumulator sum(0.0);
    Accumulator sum_d(0.0);
    const auto add = [&](std::int64_t j, std::int64_t seen) {
      const Accumulator d = difference(load_accumulator(of_x + j), mean);
      const Accumulator gyv = activation.of_gy(params.y(d, j), load_accumulator(of_gy + j));
      const Accumulator counted = seen == 0 ? gyv : clear_first(gyv, seen);
      add_gradient(counted, d, sum, sum_d);
    };
    std::int64_t j = 0;
    for (; j + kAccumulatorLanes <= g.inner; j += kAccumulatorLanes) {
      add(j, 0);
    }
    if (j < g.inner) {  // the last batch overlaps the one before
      add(g.inner - kAccumulatorLanes, j + kAccumulatorLanes - g.inner);
    }
    to_gy = sum.low + sum.high;
    to_gy_d = sum_d.low + sum_d.high;
  }

  // The terms of gx. Adds sum(gy * xhat) and sum(gy) of each run to ggamma and gbeta, unless they are null.
  SetTerms terms(double* ggamma, double* gbeta) const {
    const double rstd = stat.rstd.value;
    Accumulator sum_g(0.0);
    Accumulator sum_g_xhat(0.0);
    std::int64_t k = 0;
    for (; k + kAccumulatorLanes <= g.params_per_row; k += kAccumulatorLanes) {
      const SpanSums sums = spans_gradient_sums(g.inner, gy + k * g.inner, x + k * g.inner, stat.mean.value,
                                                SpanParams(a.gamma, a.beta, first + k, rstd), activation);
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
      const SpanParams params(a.gamma, a.beta, first + done, stat.rstd.value);
      const std::int64_t i = done * g.inner;
      spans_input_gradient(g.inner, gy + i, x + i, stat, params, activation, terms, gx + i, a.non_temporal, ahead);
    }
    const std::int64_t i = done * g.inner;
    input_gradient(gy + i, x + i, Segments{g.params_per_row - done, g.inner, g.inner}, stat,
                   PerSegment<T>{from(a.gamma, first + done), 1.0}, PerSegment<T>{from(a.beta, first + done), 0.0},
                   activation, terms, gx + i, a.non_temporal, ahead);
  }
};

// Backward of rows of short runs.
template <class T, class A>
void rows_backward_short_spans(const RowGeometry& g, const NormBackward<T>& a, const A& activation, std::int64_t begin,
                               std::int64_t end, double* partial) {
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int64_t first = r % g.param_period * g.params_per_row;
    const std::int64_t i = r * g.length();
    const ShortSpans<T, A> row{g, a, activation, a.gy + i, a.x + i, first, {{a.mean[r]}, {a.rstd[r]}}};
    const SetTerms terms = row.terms(from(partial, first), from(partial, g.params() + first));
    if (a.gx != nullptr) {
      row.input_gradients(terms, a.gx + i);
    }
  }
}

}  // namespace

template <class T>
void norm_rows_backward_task(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                             double* partial) {
  const std::int64_t sums = partial == nullptr ? 0 : 2 * g.params();
  for (std::int64_t p = 0; p < sums; ++p) {
    partial[p] = 0.0;
  }
  with_activation<T>(a.relu, [&](const auto& activation) {
    if (g.inner == 1 && (a.gamma != nullptr || a.beta != nullptr || partial != nullptr)) {
      rows_backward_elements(g, a, activation, begin, end, partial);
      return;
    }
    if (has_short_runs(g)) {
      rows_backward_short_spans(g, a, activation, begin, end, partial);
      return;
    }
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t first = r % g.param_period * g.params_per_row;
      row_backward_spans(g, a, activation, r, partial == nullptr ? nullptr : partial + first,
                         partial == nullptr ? nullptr : partial + g.params() + first);
    }
  });
  if (a.non_temporal) {
    store_fence();
  }
}

#define NORMGRAD_INSTANTIATE(T)                                                                                    \
  template void norm_rows_backward_task<T>(const RowGeometry&, const NormBackward<T>&, std::int64_t, std::int64_t, \
                                           double*);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
