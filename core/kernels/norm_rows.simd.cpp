#include "normgrad/core/kernels/norm.hpp"
#include "normgrad/core/kernels/norm_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Rows whose float32 sums are taken before they are added in double.
constexpr std::int64_t kRowRun = 16;

double at_or(const float* p, std::int64_t i, double missing) { return p == nullptr ? missing : double{p[i]}; }
double at_or(const double* p, std::int64_t i, double missing) { return p == nullptr ? missing : p[i]; }

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

// One row of at most kLanes elements or computed in double: gx and, unless null, what it adds to the gradients of the
// parameters, one per element.
template <class V, class T, class G>
void short_row_backward(const T* gy, const T* x, std::int64_t length, const Statistic<Uniform>& stat, bool centre,
                        const G& gamma, T* gx, T* ggamma, T* gbeta) {
  double sum_g = 0.0;
  double sum_g_xhat = 0.0;
  for (std::int64_t j = 0; j < length; ++j) {
    const V gyv = load_as<V>(gy + j);
    const V gy_xhat = gyv * stat.xhat(load_as<V>(x + j), j);
    if (ggamma != nullptr) {
      ggamma[j] += static_cast<T>(gy_xhat);
      gbeta[j] += gy[j];
    }
    sum_g += static_cast<double>(gyv * gamma.template at<V>(j));
    sum_g_xhat += static_cast<double>(gy_xhat * gamma.template at<V>(j));
  }
  if (gx == nullptr) {
    return;
  }
  const SetTerms terms = set_terms(stat.rstd.value, sum_g, sum_g_xhat, static_cast<double>(length), centre);
  for (std::int64_t j = 0; j < length; ++j) {
    const V xhat = stat.xhat(load_as<V>(x + j), j);
    gx[j] = static_cast<T>(fused<V>(load_as<V>(gy + j) * gamma.template at<V>(j), stat.rstd.at<V>(j),
                                    fused<V>(xhat, terms.xhat_term.at<V>(j), terms.term.at<V>(j))));
  }
}

// R rows of a parameter per element, so that each gradient of a parameter is read and written once for them all.
template <class T, int R>
struct RowBlock {
  const T* gy;
  const T* x;
  T* gx;
  std::int64_t length;
  Statistic<Uniform> stats[R];
  SetTerms terms[R];

  template <class G>
  void find_terms(const G& gamma, bool centre) {
    for (int r = 0; r < R; ++r) {
      const T* gy_row = gy + r * length;
      const T* x_row = x + r * length;
      const Statistic<Uniform> stat = stats[r];
      double sums[2];
      reduce<T>(
          Segments{1, 0, length},
          [=]<class V>(std::int64_t i, std::int64_t j, V(&v)[2]) {
            v[0] = load_as<V>(gy_row + i) * gamma.template at<V>(j);
            v[1] = v[0] * stat.xhat(load_as<V>(x_row + i), j);
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
        const V gyv = load_as<V>(gy + r * length + j);
        const V xhat = muladd(load_as<V>(x + r * length + j) - high[r], rstd[r], low_term[r]);
        if constexpr (kAffine) {
          sum_gy_xhat = muladd(gyv, xhat, sum_gy_xhat);
          sum_gy += gyv;
        }
        if constexpr (kInput) {
          const V v = muladd(gyv * scale, rstd[r], muladd(xhat, xhat_term[r], term[r]));
          T* to = gx + r * length + j;
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
    if (ggamma == nullptr) {
      past ? run<true, true, false>(gamma, ggamma, gbeta) : run<false, true, false>(gamma, ggamma, gbeta);
    } else {
      past ? run<true, true, true>(gamma, ggamma, gbeta) : run<false, true, true>(gamma, ggamma, gbeta);
    }
  }
};

// Backward of `rows` rows from row `first` on; those whose parameters are the same are taken R at a time.
template <class T, int R, class G>
std::int64_t rows_backward_elements(const RowGeometry& g, const NormBackward<T>& a, const G& gamma, std::int64_t first,
                                    std::int64_t end, T* ggamma, T* gbeta) {
  const std::int64_t length = g.length();
  std::int64_t r = first;
  for (; r + R <= end; r += R) {
    const T* gy = a.gy + r * length;
    const T* x = a.x + r * length;
    T* gx = a.gx == nullptr ? nullptr : a.gx + r * length;
    if (length < kLanes<T> || is_tiny<T>(static_cast<double>(length))) {
      for (std::int64_t i = 0; i < R; ++i) {
        const Statistic<Uniform> stat = statistic<T>(a.mean[r + i], a.rstd[r + i]);
        T* gx_row = gx == nullptr ? nullptr : gx + i * length;
        if (is_tiny<T>(static_cast<double>(length))) {
          short_row_backward<double>(gy + i * length, x + i * length, length, stat, a.centre, gamma, gx_row, ggamma,
                                     gbeta);
        } else {
          short_row_backward<T>(gy + i * length, x + i * length, length, stat, a.centre, gamma, gx_row, ggamma, gbeta);
        }
      }
      continue;
    }
    RowBlock<T, R> block{gy, x, gx, length, {}, {}};
    for (int i = 0; i < R; ++i) {
      block.stats[i] = statistic<T>(a.mean[r + i], a.rstd[r + i]);
    }
    block.backward(gamma, a.centre, a.past_caches, ggamma, gbeta);
  }
  return r;
}

// One row with a parameter per span.
template <class T>
void row_backward_spans(const T* gy, const T* x, std::int64_t per_row, std::int64_t span,
                        const Statistic<Uniform>& stat, bool centre, const T* gamma, T* gx, bool past, double* ggamma,
                        double* gbeta) {
  const Segments g{1, 0, span};
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
    sum_g += sums[0] * at_or(gamma, k, 1.0);
    sum_g_xhat += sums[1] * at_or(gamma, k, 1.0);
  }
  if (gx == nullptr) {
    return;
  }
  const SetTerms terms = set_terms(stat.rstd.value, sum_g, sum_g_xhat, size, centre);
  for (std::int64_t k = 0; k < per_row; ++k) {
    input_gradient(gy + k * span, x + k * span, g, exact, stat, Uniform{at_or(gamma, k, 1.0)}, terms, gx + k * span,
                   past);
  }
}

// Rows with a parameter per element: gradients of the parameters are summed in T over a few rows, then in double.
template <class T>
void rows_backward_elements(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                            double* partial, T* scratch) {
  constexpr std::int64_t kTogether = 4;
  constexpr std::int64_t kNear = 1 << 14;  // elements of a row, up to which four rows and the sums stay in the cache
  const std::int64_t params = g.params();
  for (std::int64_t r = begin; r < end;) {
    const std::int64_t run_end = end - r < kRowRun * g.cycle ? end : r + kRowRun * g.cycle;
    while (r < run_end) {
      const std::int64_t first = r % g.cycle * g.per_row;
      T* ggamma = partial == nullptr ? nullptr : scratch + first;
      T* gbeta = partial == nullptr ? nullptr : scratch + params + first;
      const std::int64_t last = g.cycle == 1 ? run_end : r + 1;
      const auto with_gamma = [&](const auto& gamma) {
        if (g.length() <= kNear) {
          r = rows_backward_elements<T, kTogether>(g, a, gamma, r, last, ggamma, gbeta);
        } else {
          r = rows_backward_elements<T, kTogether / 2>(g, a, gamma, r, last, ggamma, gbeta);
        }
        r = rows_backward_elements<T, 1>(g, a, gamma, r, last, ggamma, gbeta);
      };
      a.gamma == nullptr ? with_gamma(Uniform{1.0}) : with_gamma(PerElement<T>{a.gamma + first});
    }
    for (std::int64_t p = 0; partial != nullptr && p < 2 * params; ++p) {
      partial[p] += static_cast<double>(scratch[p]);
      scratch[p] = T(0);
    }
  }
}

}  // namespace

template <class T>
void norm_rows_forward_task(const RowGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t length = g.length();
  const Segments row{1, 0, length};
  const bool exact = is_tiny<T>(row.size());
  for (std::int64_t r = begin; r < end; ++r) {
    const T* x = a.x + r * length;
    const Moments m = moments(x, row, a.centre, a.eps);
    a.mean[r] = m.mean;
    a.rstd[r] = m.rstd(a.eps);
    if (a.var != nullptr) {
      a.var[r] = m.var;
    }
    const Statistic<Uniform> stat = statistic<T>(m.mean, a.rstd[r]);
    const std::int64_t first = r % g.cycle * g.per_row;
    T* y = a.y + r * length;
    if (a.gamma == nullptr && a.beta == nullptr) {
      normalise(x, row, exact, stat, Uniform{1.0}, Uniform{0.0}, y, a.past_caches);
    } else if (g.span == 1) {
      with_params(a.gamma, a.beta, first,
                  [&](auto gamma, auto beta) { normalise(x, row, exact, stat, gamma, beta, y, a.past_caches); });
    } else {
      for (std::int64_t k = 0; k < g.per_row; ++k) {
        normalise(x + k * g.span, Segments{1, 0, g.span}, exact, stat, Uniform{at_or(a.gamma, first + k, 1.0)},
                  Uniform{at_or(a.beta, first + k, 0.0)}, y + k * g.span, a.past_caches);
      }
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
  } else {
    const bool whole = a.gamma == nullptr && partial == nullptr;
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t first = r % g.cycle * g.per_row;
      row_backward_spans(a.gy + r * length, a.x + r * length, whole ? 1 : g.per_row, whole ? length : g.span,
                         statistic<T>(a.mean[r], a.rstd[r]), a.centre, a.gamma == nullptr ? nullptr : a.gamma + first,
                         a.gx == nullptr ? nullptr : a.gx + r * length, a.past_caches,
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
