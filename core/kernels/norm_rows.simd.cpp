#include "normgrad/core/kernels/norm.hpp"
#include "normgrad/core/kernels/norm_parts_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Samples whose float32 sums are taken before they are added in double.
constexpr std::int64_t kRowRun = 16;
// Short rows are worked on together, so that none waits for the sums of another; they stay in the first cache.
constexpr std::int64_t kMostRows = 16;
constexpr std::int64_t kNearElements = 4096;

double at_or(const float* p, std::int64_t i, double missing) { return p == nullptr ? missing : double{p[i]}; }
double at_or(const double* p, std::int64_t i, double missing) { return p == nullptr ? missing : p[i]; }

// How far ahead of a row to fetch, that is the row to come `rows` later, while the results of one are on their way to
// memory; 0: the last cache has what comes, or the second one has no room for it.
template <class T>
std::int64_t fetch_ahead(const RowGeometry& g, std::int64_t rows) {
  constexpr std::int64_t kFar = std::int64_t{1} << 23;
  constexpr std::int64_t kRoom = std::int64_t{1} << 17;
  constexpr auto size = static_cast<std::int64_t>(sizeof(T));
  const std::int64_t ahead = rows * g.length();
  return g.rows * g.length() * size >= kFar && ahead * size <= kRoom ? ahead : 0;
}

// One parameter per element: calls f(gamma, beta) with sources of the right kind.
template <class T, class F>
void with_params(const T* gamma, const T* beta, std::int64_t offset, const F& f) {
  if (gamma == nullptr) {
    beta == nullptr ? f(Uniform{1.0}, Uniform{0.0}) : f(Uniform{1.0}, PerElement<T>{beta + offset});
  } else if (beta == nullptr) {
    f(PerElement<T>{gamma + offset}, Uniform{0.0});
  } else {
    f(PerElement<T>{gamma + offset}, PerElement<T>{beta + offset});
  }
}

// R rows of a parameter per element, so that each gradient of a parameter is read and written once for them all.
template <class T, int R>
struct RowBlock {
  const T* gy;
  const T* x;
  T* gx;
  std::int64_t length;
  std::int64_t stride;  // from one row to the next
  std::int64_t ahead;   // to the block that follows, which is fetched meanwhile
  Statistic<Uniform> stats[R];
  SetTerms terms[R];

  template <class G>
  void find_terms(const G& gamma, bool centre) {
    for (int r = 0; r < R; ++r) {
      const T* gy_row = gy + r * stride;
      const T* x_row = x + r * stride;
      const Statistic<Uniform> stat = stats[r];
      double sums[2];
      reduce<T>(
          Segments{1, 0, length},
          [=]<class V>(std::int64_t i, std::int64_t j, V(&s)[2]) {
            const V scaled = load_as<V>(gy_row + i) * gamma.template at<V>(j);
            s[0] += scaled;
            s[1] = fused<V>(scaled, stat.xhat(load_as<V>(x_row + i), j), s[1]);
          },
          sums);
      terms[r] = set_terms(stat.rstd.value, sums[0], sums[1], static_cast<double>(length), centre);
    }
  }

  template <bool kPast, bool kInput, bool kAffine, class G>
  void run(const G& gamma, T* ggamma, T* gbeta) const {
    using V = Batch<T>;
    constexpr std::int64_t kWidth = kLanes<T>;
    V high[R], rstd[R], low_term[R], xhat_term[R], term[R];
    for (int r = 0; r < R; ++r) {
      high[r] = stats[r].high.template at<V>(0);
      rstd[r] = stats[r].rstd.template at<V>(0);
      low_term[r] = stats[r].low_term.template at<V>(0);
      xhat_term[r] = terms[r].xhat_term.template at<V>(0);
      term[r] = terms[r].term.template at<V>(0);
    }
    const auto columns = [&](std::int64_t j, std::int64_t seen) {
      const V scale = gamma.template at<V>(j);
      V sum_gy_xhat(T(0));
      V sum_gy(T(0));
      for (int r = 0; r < R; ++r) {
        const V gyv = load_as<V>(gy + r * stride + j);
        const V xhat = muladd(load_as<V>(x + r * stride + j) - high[r], rstd[r], low_term[r]);
        prefetch(gy + r * stride + j, ahead);
        prefetch(x + r * stride + j, ahead);
        if constexpr (kAffine) {
          sum_gy_xhat = muladd(gyv, xhat, sum_gy_xhat);
          sum_gy += gyv;
        }
        if constexpr (kInput) {
          const V v = muladd(gyv * scale, rstd[r], muladd(xhat, xhat_term[r], term[r]));
          T* to = gx + r * stride + j;
          if constexpr (kPast) {
            seen == 0 ? stream(to, v) : store(to, v);
          } else {
            store(to, v);
          }
        }
      }
      if constexpr (kAffine) {
        store(ggamma + j, load(ggamma + j) + clear_first(sum_gy_xhat, seen));
        store(gbeta + j, load(gbeta + j) + clear_first(sum_gy, seen));
      }
    };
    std::int64_t j = 0;
    for (; j + kWidth <= length; j += kWidth) {
      columns(j, 0);
    }
    if (j < length) {  // the last batch overlaps the one before
      columns(length - kWidth, j + kWidth - length);
    }
  }

  template <class G>
  void backward(const G& gamma, bool centre, bool past, T* ggamma, T* gbeta) {
    if (gx == nullptr) {
      run<false, false, true>(gamma, ggamma, gbeta);
      return;
    }
    find_terms(gamma, centre);
    past = past && is_aligned<T>(gx) && stride % kLanes<T> == 0;
    if (ggamma == nullptr) {
      past ? run<true, true, false>(gamma, ggamma, gbeta) : run<false, true, false>(gamma, ggamma, gbeta);
    } else {
      past ? run<true, true, true>(gamma, ggamma, gbeta) : run<false, true, true>(gamma, ggamma, gbeta);
    }
  }

  // The same element by element, in V: double or, for rows shorter than a batch, T.
  template <class V, class G>
  void backward_singly(const G& gamma, bool centre, T* ggamma, T* gbeta) const {
    for (int r = 0; r < R; ++r) {
      const T* gy_row = gy + r * stride;
      const T* x_row = x + r * stride;
      double sum_g = 0.0;
      double sum_g_xhat = 0.0;
      for (std::int64_t j = 0; j < length; ++j) {
        const V gyv = load_as<V>(gy_row + j);
        const V gy_xhat = gyv * stats[r].xhat(load_as<V>(x_row + j), j);
        if (ggamma != nullptr) {
          ggamma[j] += static_cast<T>(gy_xhat);
          gbeta[j] += gy_row[j];
        }
        sum_g += static_cast<double>(gyv * gamma.template at<V>(j));
        sum_g_xhat += static_cast<double>(gy_xhat * gamma.template at<V>(j));
      }
      if (gx == nullptr) {
        continue;
      }
      const SetTerms t = set_terms(stats[r].rstd.value, sum_g, sum_g_xhat, static_cast<double>(length), centre);
      for (std::int64_t j = 0; j < length; ++j) {
        const V xhat = stats[r].xhat(load_as<V>(x_row + j), j);
        gx[r * stride + j] =
            static_cast<T>(fused<V>(load_as<V>(gy_row + j) * gamma.template at<V>(j), stats[r].rstd.template at<V>(j),
                                    fused<V>(xhat, t.xhat_term.template at<V>(j), t.term.template at<V>(j))));
      }
    }
  }
};

// Longer rows leave no room in the second cache for the ones that follow.
constexpr std::int64_t kLongRow = std::int64_t{1} << 14;

// Backward of rows from `first` on, `stride` rows apart and R at a time; returns the first row that is left.
template <class T, int R, class G>
std::int64_t backward_in_blocks(const RowGeometry& g, const NormBackward<T>& a, const G& gamma, std::int64_t first,
                                std::int64_t end, T* ggamma, T* gbeta) {
  const std::int64_t length = g.length();
  const std::int64_t stride = g.cycle;
  const std::int64_t ahead = length > kLongRow ? 0 : (stride == 1 ? R * length : length);
  const bool tiny = is_tiny<T>(static_cast<double>(length));
  std::int64_t r = first;
  for (; r + (R - 1) * stride < end; r += R * stride) {
    RowBlock<T, R> block{a.gy + r * length,
                         a.x + r * length,
                         a.gx == nullptr ? nullptr : a.gx + r * length,
                         length,
                         stride * length,
                         ahead,
                         {},
                         {}};
    for (int i = 0; i < R; ++i) {
      block.stats[i] = statistic<T>(a.mean[r + i * stride], a.rstd[r + i * stride]);
    }
    if (tiny) {
      block.template backward_singly<double>(gamma, a.centre, ggamma, gbeta);
    } else if (length < kLanes<T>) {
      block.template backward_singly<T>(gamma, a.centre, ggamma, gbeta);
    } else {
      block.backward(gamma, a.centre, a.past_caches, ggamma, gbeta);
    }
  }
  return r;
}

// One row with a parameter per span; gamma is null or has a value per span or, `repeated`, per element.
template <class T>
void row_backward_spans(const T* gy, const T* x, std::int64_t per_row, std::int64_t span,
                        const Statistic<Uniform>& stat, bool centre, const T* gamma, bool repeated, T* gx, bool past,
                        std::int64_t ahead, double* ggamma, double* gbeta) {
  const Segments g{1, 0, span};
  const std::int64_t gamma_step = repeated ? span : 1;
  const double size = static_cast<double>(per_row) * static_cast<double>(span);
  const bool exact = is_tiny<T>(size);
  double sum_g = 0.0;
  double sum_g_xhat = 0.0;
  for (std::int64_t k = 0; k < per_row; ++k) {
    double sums[2];
    gradient_sums(gy + k * span, x + k * span, g, exact, stat, sums);
    if (ggamma != nullptr) {
      ggamma[k] += sums[1];
      gbeta[k] += sums[0];
    }
    sum_g += sums[0] * at_or(gamma, k * gamma_step, 1.0);
    sum_g_xhat += sums[1] * at_or(gamma, k * gamma_step, 1.0);
  }
  if (gx == nullptr) {
    return;
  }
  const SetTerms terms = set_terms(stat.rstd.value, sum_g, sum_g_xhat, size, centre);
  if (repeated && gamma != nullptr) {
    input_gradient(gy, x, Segments{1, 0, per_row * span}, exact, stat, PerElement<T>{gamma}, terms, gx, past, ahead);
    return;
  }
  for (std::int64_t k = 0; k < per_row; ++k) {
    input_gradient(gy + k * span, x + k * span, g, exact, stat, Uniform{at_or(gamma, k, 1.0)}, terms, gx + k * span,
                   past, ahead);
  }
}

// One row of spans of at least a batch, with gamma repeated: what gx needs, while sum(gy) and sum(gy * xhat) of each
// span are added to `lanes`, unless null, lane by lane.
template <class T>
SetTerms short_span_terms(const RowGeometry& g, const T* gy, const T* x, const Statistic<Uniform>& stat, bool centre,
                          const T* gamma, T* lanes_gy_xhat, T* lanes_gy) {
  using V = Batch<T>;
  constexpr std::int64_t kWidth = kLanes<T>;
  V sum_g(T(0));
  V sum_g_xhat(T(0));
  for (std::int64_t k = 0; k < g.per_row; ++k) {
    const T* gy_span = gy + k * g.span;
    const T* x_span = x + k * g.span;
    V of_gy(T(0));
    V of_gy_xhat(T(0));
    const auto add = [&](std::int64_t j, std::int64_t seen) {
      const V gyv = seen == 0 ? load(gy_span + j) : clear_first(load(gy_span + j), seen);
      of_gy += gyv;
      of_gy_xhat = muladd(gyv, stat.xhat(load(x_span + j), j), of_gy_xhat);
    };
    std::int64_t j = 0;
    for (; j + kWidth <= g.span; j += kWidth) {
      add(j, 0);
    }
    if (j < g.span) {  // the last batch overlaps the one before
      add(g.span - kWidth, j + kWidth - g.span);
    }
    const V scale(gamma == nullptr ? T(1) : gamma[k * g.span]);
    sum_g = muladd(scale, of_gy, sum_g);
    sum_g_xhat = muladd(scale, of_gy_xhat, sum_g_xhat);
    if (lanes_gy != nullptr) {
      T* to_gy_xhat = lanes_gy_xhat + k * kWidth;
      T* to_gy = lanes_gy + k * kWidth;
      store(to_gy_xhat, load(to_gy_xhat) + of_gy_xhat);
      store(to_gy, load(to_gy) + of_gy);
    }
  }
  WideSum<T> wide_g;
  WideSum<T> wide_g_xhat;
  wide_g.add(sum_g);
  wide_g_xhat.add(sum_g_xhat);
  return set_terms(stat.rstd.value, wide_g.total(), wide_g_xhat.total(), static_cast<double>(g.length()), centre);
}

// Rows of short spans with gamma repeated; sums over a few samples are kept lane by lane, then added in double.
template <class T>
void rows_backward_short_spans(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                               double* partial, T* lanes) {
  constexpr std::int64_t kSampleRun = 8;
  constexpr std::int64_t kWidth = kLanes<T>;
  const std::int64_t params = g.params();
  const Segments row{1, 0, g.length()};
  const std::int64_t ahead = fetch_ahead<T>(g, 1);
  for (std::int64_t run = begin; run < end;) {
    const std::int64_t run_end = end - run < kSampleRun * g.cycle ? end : run + kSampleRun * g.cycle;
    for (std::int64_t r = run; r < run_end; ++r) {
      const T* gy = a.gy + r * row.length;
      const T* x = a.x + r * row.length;
      const std::int64_t first = r % g.cycle * g.per_row;
      const Statistic<Uniform> stat = statistic<T>(a.mean[r], a.rstd[r]);
      const T* gamma = a.gamma == nullptr ? nullptr : a.gamma + first * g.span;
      const SetTerms terms =
          short_span_terms(g, gy, x, stat, a.centre, gamma, partial == nullptr ? nullptr : lanes + first * kWidth,
                           partial == nullptr ? nullptr : lanes + (params + first) * kWidth);
      if (a.gx != nullptr) {
        with_params<T>(gamma, nullptr, 0, [&](auto scale, auto) {
          input_gradient(gy, x, row, false, stat, scale, terms, a.gx + r * row.length, a.past_caches, ahead);
        });
      }
    }
    for (std::int64_t p = 0; partial != nullptr && p < 2 * params; ++p) {
      WideSum<T> sum;
      sum.add(load(lanes + p * kWidth));
      partial[p] = run == begin ? sum.total() : partial[p] + sum.total();
      store(lanes + p * kWidth, Batch<T>(T(0)));
    }
    run = run_end;
  }
}

// Rows with a parameter per element: gradients of the parameters are summed in T over a few samples, then in double
// and, where spans share a parameter, over the span.
template <class T>
void rows_backward_elements(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                            double* partial, T* scratch) {
  constexpr int kTogether = 2;  // more would not stay in the first cache with rows of 4 KB
  const std::int64_t params = g.params();
  for (std::int64_t run = begin; run < end;) {
    const std::int64_t run_end = end - run < kRowRun * g.cycle ? end : run + kRowRun * g.cycle;
    for (std::int64_t phase = 0; phase < g.cycle; ++phase) {
      const std::int64_t first = phase * g.length();
      T* ggamma = partial == nullptr ? nullptr : scratch + first;
      T* gbeta = partial == nullptr ? nullptr : scratch + params + first;
      const auto with_gamma = [&](const auto& gamma) {
        const std::int64_t r = backward_in_blocks<T, kTogether>(g, a, gamma, run + phase, run_end, ggamma, gbeta);
        backward_in_blocks<T, 1>(g, a, gamma, r, run_end, ggamma, gbeta);
      };
      a.gamma == nullptr ? with_gamma(Uniform{1.0}) : with_gamma(PerElement<T>{a.gamma + first});
    }
    for (std::int64_t p = 0; partial != nullptr && p < 2 * params; ++p) {
      const auto sum = static_cast<double>(scratch[p]);
      partial[p] = run == begin ? sum : partial[p] + sum;
      scratch[p] = T(0);
    }
    run = run_end;
  }
}

// Mean, rstd and var of `size` rows from row `first` on, one pass after the other over all of them.
template <class T>
void rows_moments(const RowGeometry& g, const NormForward<T>& a, std::int64_t first, std::int64_t size) {
  const Segments row{1, 0, g.length()};
  const T* x = a.x + first * g.length();
  const bool exact = is_tiny<T>(row.size());
  Uniform pivots[kMostRows];
  for (std::int64_t r = 0; !exact && r < size; ++r) {
    pivots[r] = first_pivot(x + r * row.length, row.length, a.centre);
  }
  for (std::int64_t r = 0; r < size; ++r) {
    const T* x_row = x + r * row.length;
    Moments m = exact ? exact_moments(x_row, row, a.centre) : neighbour_moments(x_row, row.length, a.centre, pivots[r]);
    if (!exact && std::is_same_v<T, float> && is_out_of_range(m.var * row.size(), row.size(), a.eps)) {
      m = exact_moments(x_row, row, a.centre);
    }
    a.mean[first + r] = m.mean;
    a.rstd[first + r] = m.rstd(a.eps);
    if (a.var != nullptr) {
      a.var[first + r] = m.var;
    }
  }
}

template <class T>
void normalise_row(const RowGeometry& g, const NormForward<T>& a, std::int64_t r, std::int64_t ahead) {
  const Segments row{1, 0, g.length()};
  const bool exact = is_tiny<T>(row.size());
  const Statistic<Uniform> stat = statistic<T>(a.mean[r], a.rstd[r]);
  const T* x = a.x + r * row.length;
  T* y = a.y + r * row.length;
  const std::int64_t first = r % g.cycle * g.per_row;
  if (a.gamma == nullptr && a.beta == nullptr) {
    normalise(x, row, exact, stat, Uniform{1.0}, Uniform{0.0}, y, a.past_caches, ahead);
  } else if (g.span == 1 || a.per_element) {
    with_params(a.gamma, a.beta, first * g.span,
                [&](auto gamma, auto beta) { normalise(x, row, exact, stat, gamma, beta, y, a.past_caches, ahead); });
  } else {
    for (std::int64_t k = 0; k < g.per_row; ++k) {
      normalise(x + k * g.span, Segments{1, 0, g.span}, exact, stat, Uniform{at_or(a.gamma, first + k, 1.0)},
                Uniform{at_or(a.beta, first + k, 0.0)}, y + k * g.span, a.past_caches, ahead);
    }
  }
}

}  // namespace

template <class T>
void norm_rows_forward_task(const RowGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t near = kNearElements / (g.length() > 0 ? g.length() : 1);
  const std::int64_t together = near < 1 ? 1 : (near < kMostRows ? near : kMostRows);
  const std::int64_t ahead = fetch_ahead<T>(g, together);
  for (std::int64_t r = begin; r < end; r += together) {
    const std::int64_t size = end - r < together ? end - r : together;
    rows_moments(g, a, r, size);
    for (std::int64_t i = 0; i < size; ++i) {
      normalise_row(g, a, r + i, ahead);
    }
  }
  if (a.past_caches) {
    end_stream();
  }
}

template <class T>
void norm_rows_backward_task(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                             double* partial, T* scratch) {
  const std::int64_t length = g.length();
  const std::int64_t params = g.params();
  if (g.span == 1 && (a.gamma != nullptr || partial != nullptr)) {
    rows_backward_elements(g, a, begin, end, partial, scratch);
  } else if (a.per_element && g.span >= kLanes<T>) {
    rows_backward_short_spans(g, a, begin, end, partial, scratch);
  } else {
    const bool whole = a.gamma == nullptr && partial == nullptr;
    for (std::int64_t p = 0; partial != nullptr && p < 2 * params; ++p) {
      partial[p] = 0.0;
    }
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t first = r % g.cycle * g.per_row;
      row_backward_spans(a.gy + r * length, a.x + r * length, whole ? 1 : g.per_row, whole ? length : g.span,
                         statistic<T>(a.mean[r], a.rstd[r]), a.centre,
                         a.gamma == nullptr ? nullptr : a.gamma + first * (a.per_element ? g.span : 1), a.per_element,
                         a.gx == nullptr ? nullptr : a.gx + r * length, a.past_caches, fetch_ahead<T>(g, 1),
                         partial == nullptr ? nullptr : partial + first,
                         partial == nullptr ? nullptr : partial + params + first);
    }
  }
  if (a.past_caches) {
    end_stream();
  }
}

#define NORMGRAD_INSTANTIATE(T)                                                                                    \
  template void norm_rows_forward_task<T>(const RowGeometry&, const NormForward<T>&, std::int64_t, std::int64_t);  \
  template void norm_rows_backward_task<T>(const RowGeometry&, const NormBackward<T>&, std::int64_t, std::int64_t, \
                                           double*, T*);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
