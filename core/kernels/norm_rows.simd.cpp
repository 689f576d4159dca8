#include "normgrad/core/kernels/norm.hpp"
#include "normgrad/core/kernels/norm_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

static_assert(kWide <= kMostLanes);

// Samples whose rows are worked on phase by phase: they stay in the second cache.
constexpr std::int64_t kRowRun = 16;
// Short rows are worked on together, so that none waits for the sums of another; they stay in the first cache.
constexpr std::int64_t kMostRows = 16;
constexpr std::int64_t kNearElements = 4096;

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
template <class T, int R, class A, class G, class B>
struct RowBlock {
  const T* gy;
  const T* x;
  T* gx;
  std::int64_t length;
  std::int64_t stride;  // from one row to the next
  std::int64_t ahead;   // to the block that follows, which is fetched meanwhile
  A activation;
  G gamma;
  B beta;
  Statistic<Uniform> stats[R];
  SetTerms terms[R];

  // gy of the elements from j on, after the activation; d: their x - mean.
  template <class V>
  V gradient(int r, std::int64_t j, const V& d, const V& scale, const V& shift) const {
    return activation.of_gy(muladd(d, scale, shift), load_as<V>(gy + r * stride + j));
  }

  void find_terms(bool centre) {
    const RowBlock self(*this);
    double sums[2 * R];
    reduce<1>(  // whatever R is, so that no row's sums depend on its neighbours
        Segments{1, 0, length},
        [self]<class V>(std::int64_t, std::int64_t j, V(&s)[2 * R]) {
          const V gamma_j = self.gamma.template at<V>(j);
          const V beta_j = self.beta.template at<V>(j);
          for (int r = 0; r < R; ++r) {
            const V d = difference(load_as<V>(self.x + r * self.stride + j), V(self.stats[r].mean.value));
            const V g = gamma_j * self.gradient(r, j, d, V(self.stats[r].rstd.value) * gamma_j, beta_j);
            s[2 * r] += g;
            s[2 * r + 1] = muladd(g, d, s[2 * r + 1]);
          }
        },
        sums);
    for (int r = 0; r < R; ++r) {
      const double rstd = stats[r].rstd.value;
      terms[r] = set_terms(rstd, sums[2 * r], sums[2 * r + 1] * rstd, static_cast<double>(length), centre);
    }
  }

  // What is done for the columns from j on; those of the first `seen` lanes are done already.
  template <class V, bool kPast, bool kInput, bool kAffine>
  void columns(std::int64_t j, std::int64_t seen, double* ggamma, double* gbeta) const {
    V sum_gy_xhat(0.0);
    V sum_gy(0.0);
    const V gamma_j = gamma.template at<V>(j);
    const V beta_j = beta.template at<V>(j);
    for (int r = 0; r < R; ++r) {
      const V rstd(stats[r].rstd.value);
      const V scale = rstd * gamma_j;
      const V d = difference(load_as<V>(x + r * stride + j), V(stats[r].mean.value));
      const V gyv = gradient(r, j, d, scale, beta_j);
      if constexpr (kAffine) {
        sum_gy_xhat = muladd(gyv, d * rstd, sum_gy_xhat);
        sum_gy += gyv;
      }
      if constexpr (kInput) {
        const V v = muladd(gyv, scale, muladd(d, V(terms[r].slope.value), V(terms[r].shift.value)));
        T* to = gx + r * stride + j;
        if constexpr (std::is_arithmetic_v<V>) {
          *to = static_cast<T>(v);
        } else if constexpr (kPast) {
          seen == 0 ? stream(to, v) : store_wide(to, v);
        } else {
          store_wide(to, v);
        }
      }
    }
    if constexpr (kAffine && std::is_arithmetic_v<V>) {
      ggamma[j] += sum_gy_xhat;
      gbeta[j] += sum_gy;
    } else if constexpr (kAffine) {
      store_wide(ggamma + j, load_wide(ggamma + j) + (seen == 0 ? sum_gy_xhat : clear_first(sum_gy_xhat, seen)));
      store_wide(gbeta + j, load_wide(gbeta + j) + (seen == 0 ? sum_gy : clear_first(sum_gy, seen)));
    }
  }

  template <bool kPast, bool kInput, bool kAffine>
  void run(double* ggamma, double* gbeta) const {
    const RowBlock self(*this);  // nothing else points to it: its numbers stay in registers
    constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
    std::int64_t j = 0;
    for (; j + kWide <= length; j += kWide) {
      for (int r = 0; j % kLine == 0 && r < R; ++r) {
        prefetch(self.gy + r * self.stride + j, self.ahead);
        prefetch(self.x + r * self.stride + j, self.ahead);
      }
      self.template columns<Wide, kPast, kInput, kAffine>(j, 0, ggamma, gbeta);
    }
    if (j < length && length >= kWide) {  // the last batch overlaps the one before
      self.template columns<Wide, kPast, kInput, kAffine>(length - kWide, j + kWide - length, ggamma, gbeta);
      return;
    }
    for (; j < length; ++j) {
      self.template columns<double, kPast, kInput, kAffine>(j, 0, ggamma, gbeta);
    }
  }

  void backward(bool centre, bool past, double* ggamma, double* gbeta) {
    if (gx == nullptr) {
      run<false, false, true>(ggamma, gbeta);
      return;
    }
    find_terms(centre);
    constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
    past = past && reinterpret_cast<std::uintptr_t>(gx) % 64 == 0 && stride % kLine == 0;
    if (ggamma == nullptr) {
      past ? run<true, true, false>(ggamma, gbeta) : run<false, true, false>(ggamma, gbeta);
    } else {
      past ? run<true, true, true>(ggamma, gbeta) : run<false, true, true>(ggamma, gbeta);
    }
  }
};

// Longer rows leave no room in the second cache for the ones that follow.
constexpr std::int64_t kLongRow = std::int64_t{1} << 14;

// Backward of rows from `first` on, `stride` rows apart and R at a time; returns the first row that is left.
template <int R, class T, class A, class G, class B>
std::int64_t backward_in_blocks(const RowGeometry& g, const NormBackward<T>& a, const A& activation, const G& gamma,
                                const B& beta, std::int64_t first, std::int64_t end, double* ggamma, double* gbeta) {
  const std::int64_t length = g.length();
  const std::int64_t stride = g.cycle;
  const std::int64_t ahead = length > kLongRow ? 0 : (stride == 1 ? R * length : length);
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
    block.backward(a.centre, a.past_caches, ggamma, gbeta);
  }
  return r;
}

// Rows with a parameter per element.
template <class T, class A>
void rows_backward_elements(const RowGeometry& g, const NormBackward<T>& a, const A& activation, std::int64_t begin,
                            std::int64_t end, double* partial) {
  constexpr int kTogether = 2;  // more would not stay in the first cache with rows of 4 KB
  for (std::int64_t run = begin; run < end;) {
    const std::int64_t run_end = end - run < kRowRun * g.cycle ? end : run + kRowRun * g.cycle;
    for (std::int64_t phase = 0; phase < g.cycle; ++phase) {
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

// One row with a parameter per span; gamma and beta have a value per span or, `per_element`, per element.
template <class T, class A>
void row_backward_spans(const RowGeometry& g, const NormBackward<T>& a, const A& activation, std::int64_t r,
                        double* ggamma, double* gbeta) {
  // Without parameters the row is one span.
  const bool whole = a.gamma == nullptr && a.beta == nullptr && ggamma == nullptr;
  const std::int64_t per_row = whole ? 1 : g.per_row;
  const std::int64_t length = whole ? g.length() : g.span;
  const std::int64_t step = a.per_element ? g.span : 1;
  const std::int64_t first = r % g.cycle * g.per_row * step;
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
  const SetTerms terms = set_terms(stat.rstd.value, sum_g, sum_g_xhat, static_cast<double>(g.length()), a.centre);
  const auto gradient = [&](const Segments& spans, const auto& gamma, const auto& beta) {
    input_gradient(gy, x, spans, stat, gamma, beta, activation, terms, a.gx + r * g.length(), a.past_caches,
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

// One row of short spans: what gx needs, while sum(gy) and sum(gy * xhat) of each span are added to `lanes`, unless
// null, lane by lane; first: the row's first parameter.
template <class T, class A>
SetTerms short_span_terms(const RowGeometry& g, const NormBackward<T>& a, const A& activation, std::int64_t r,
                          std::int64_t first, double* lanes) {
  const Statistic<Uniform> stat{{a.mean[r]}, {a.rstd[r]}};
  const Wide mean(stat.mean.value);
  const Wide rstd(stat.rstd.value);
  const T* gy = a.gy + r * g.length();
  const T* x = a.x + r * g.length();
  Wide sum_g(0.0);
  Wide sum_g_xhat(0.0);
  for (std::int64_t k = 0; k < g.per_row; ++k, gy += g.span, x += g.span) {
    const Uniform gamma{at_or(a.gamma, first + k, 1.0)};
    const SharedParams params = params_of(stat.rstd, gamma, Uniform{at_or(a.beta, first + k, 0.0)});
    Wide of_gy(0.0);
    Wide of_gy_d(0.0);
    const auto add = [&](std::int64_t j, std::int64_t seen) {
      const Wide d = difference(load_wide(x + j), mean);
      const Wide gyv = activation.of_gy(params.y(d, j), load_wide(gy + j));
      const Wide counted = seen == 0 ? gyv : clear_first(gyv, seen);
      of_gy += counted;
      of_gy_d = muladd(counted, d, of_gy_d);
    };
    std::int64_t j = 0;
    for (; j + kWide <= g.span; j += kWide) {
      add(j, 0);
    }
    if (j < g.span) {  // the last batch overlaps the one before
      add(g.span - kWide, j + kWide - g.span);
    }
    const Wide of_gy_xhat = of_gy_d * rstd;
    sum_g = muladd(Wide(gamma.value), of_gy, sum_g);
    sum_g_xhat = muladd(Wide(gamma.value), of_gy_xhat, sum_g_xhat);
    if (lanes != nullptr) {
      double* to_gy_xhat = lanes + (first + k) * kWide;
      double* to_gy = to_gy_xhat + g.params() * kWide;
      store_wide(to_gy_xhat, load_wide(to_gy_xhat) + of_gy_xhat);
      store_wide(to_gy, load_wide(to_gy) + of_gy);
    }
  }
  return set_terms(stat.rstd.value, sum_lanes(sum_g), sum_lanes(sum_g_xhat), static_cast<double>(g.length()), a.centre);
}

// Rows of short spans; what is summed over the samples is kept lane by lane until the end.
template <class T, class A>
void rows_backward_short_spans(const RowGeometry& g, const NormBackward<T>& a, const A& activation, std::int64_t begin,
                               std::int64_t end, double* partial) {
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int64_t first = r % g.cycle * g.per_row;
    const std::int64_t i = r * g.length();
    const SetTerms terms = short_span_terms(g, a, activation, r, first, partial);
    if (a.gx != nullptr) {
      input_gradient(a.gy + i, a.x + i, Segments{g.per_row, g.span, g.span}, {{a.mean[r]}, {a.rstd[r]}},
                     PerSegment<T>{from(a.gamma, first), 1.0}, PerSegment<T>{from(a.beta, first), 0.0}, activation,
                     terms, a.gx + i, a.past_caches, fetch_ahead<T>(g, 1));
    }
  }
  for (std::int64_t p = 0; partial != nullptr && p < 2 * g.params(); ++p) {
    partial[p] = sum_lanes(load_wide(partial + p * kWide));
  }
}

// Mean, rstd and var of `size` rows from row `first` on.
template <class T>
void rows_moments(const RowGeometry& g, const NormForward<T>& a, std::int64_t first, std::int64_t size) {
  for (std::int64_t r = first; r < first + size; ++r) {
    const Moments m = moments_of(a.x + r * g.length(), Segments{1, 0, g.length()}, a.centre);
    a.mean[r] = m.mean;
    a.rstd[r] = m.rstd(a.eps);
    if (a.var != nullptr) {
      a.var[r] = m.var;
    }
  }
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
    row({g.per_row, g.span, g.span}, PerSegment<T>{from(a.gamma, first), 1.0}, PerSegment<T>{from(a.beta, first), 0.0});
  }
}

}  // namespace

template <class T>
void norm_rows_forward_task(const RowGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t near = kNearElements / (g.length() > 0 ? g.length() : 1);
  const std::int64_t together = near < 1 ? 1 : (near < kMostRows ? near : kMostRows);
  const std::int64_t ahead = fetch_ahead<T>(g, together);
  with_activation<T>(a.relu, [&](const auto& activation) {
    for (std::int64_t r = begin; r < end; r += together) {
      const std::int64_t size = end - r < together ? end - r : together;
      rows_moments(g, a, r, size);
      for (std::int64_t i = 0; i < size; ++i) {
        normalise_row(g, a, activation, r + i, ahead);
      }
    }
  });
  if (a.past_caches) {
    end_stream();
  }
}

template <class T>
void norm_rows_backward_task(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                             double* partial) {
  const bool lanes = sums_lanes(g);
  const std::int64_t sums = partial == nullptr ? 0 : 2 * g.params() * (lanes ? kWide : 1);
  for (std::int64_t p = 0; p < sums; ++p) {
    partial[p] = 0.0;
  }
  with_activation<T>(a.relu, [&](const auto& activation) {
    if (g.span == 1 && (a.gamma != nullptr || a.beta != nullptr || partial != nullptr)) {
      rows_backward_elements(g, a, activation, begin, end, partial);
      return;
    }
    if (lanes) {
      rows_backward_short_spans(g, a, activation, begin, end, partial);
      return;
    }
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t first = r % g.cycle * g.per_row;
      row_backward_spans(g, a, activation, r, partial == nullptr ? nullptr : partial + first,
                         partial == nullptr ? nullptr : partial + g.params() + first);
    }
  });
  if (a.past_caches) {
    end_stream();
  }
}

#define NORMGRAD_INSTANTIATE(T)                                                                                    \
  template void norm_rows_forward_task<T>(const RowGeometry&, const NormForward<T>&, std::int64_t, std::int64_t);  \
  template void norm_rows_backward_task<T>(const RowGeometry&, const NormBackward<T>&, std::int64_t, std::int64_t, \
                                           double*);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
