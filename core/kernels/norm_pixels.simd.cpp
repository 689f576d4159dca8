#include "normgrad/core/kernels/norm.hpp"
#include "normgrad/core/kernels/norm_columns_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// What the columns of a sample have in common, one number each.
template <class T>
struct Columns {
  T *high, *rstd, *low_term, *gamma, *beta, *xhat_term, *term;

  Columns(T* p, std::int64_t n)
      : high(p),
        rstd(p + n),
        low_term(p + 2 * n),
        gamma(p + 3 * n),
        beta(p + 4 * n),
        xhat_term(p + 5 * n),
        term(p + 6 * n) {}
  Statistic<PerElement<T>> statistics(std::int64_t c) const { return {{high + c}, {rstd + c}, {low_term + c}}; }
  void set_params(const T* g, const T* b, std::int64_t n) const {
    for (std::int64_t c = 0; c < n; ++c) {
      gamma[c] = g == nullptr ? T(1) : g[c];
      beta[c] = b == nullptr ? T(0) : b[c];
    }
  }
  void set_statistics(const double* mean, const double* r, std::int64_t groups, std::int64_t per_group) const {
    for (std::int64_t g = 0; g < groups; ++g) {
      const Statistic<Uniform> s = statistic<T>(mean[g], r[g]);
      for (std::int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
        high[c] = static_cast<T>(s.high.value);
        rstd[c] = static_cast<T>(r[g]);
        low_term[c] = static_cast<T>(s.low_term.value);
      }
    }
  }
};

// sums[k * channels + c] over the positions of one sample; make(c) gives the terms of the columns from c on.
template <class T, int K, class F>
void sum_columns(const PixelGeometry& g, const F& make, double* sums) {
  for_tiles<T>(0, g.channels, [&]<int W>(std::int64_t c) {
    double of_tile[K][W * kLanes<T>];
    reduce_columns<T, K, W>(g.positions, g.channels, make(c), of_tile);
    for (int k = 0; k < K; ++k) {
      for (std::int64_t j = 0; j < W * kLanes<T>; ++j) {
        sums[k * g.channels + c + j] = of_tile[k][j];
      }
    }
  });
}

double sum_range(const double* p, std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    sum += p[i];
  }
  return sum;
}

// Moments of the groups of one sample into mean, rstd and var.
template <class T>
void sample_moments(const PixelGeometry& g, const T* x, const NormForward<T>& a, std::int64_t first, double* sums,
                    T* pivot) {
  const std::int64_t per_group = g.per_group();
  const Segments set{g.positions, g.channels, per_group};
  const double n = set.size();
  if (a.centre) {
    sum_columns<T, 1>(
        g,
        [=](std::int64_t c) {
          return [=]<class V>(std::int64_t i, std::int64_t, V(&v)[1]) { v[0] = load_as<V>(x + c + i); };
        },
        sums);
  }
  for (std::int64_t group = 0; group < g.groups; ++group) {
    const T mean = a.centre ? static_cast<T>(sum_range(sums + group * per_group, per_group) / n) : T(0);
    for (std::int64_t c = group * per_group; c < (group + 1) * per_group; ++c) {
      pivot[c] = mean;
    }
  }
  sum_columns<T, 2>(
      g,
      [=](std::int64_t c) {
        return [=]<class V>(std::int64_t i, std::int64_t j, V(&v)[2]) {
          v[0] = load_as<V>(x + c + i) - load_as<V>(pivot + c + j);
          v[1] = v[0] * v[0];
        };
      },
      sums);
  for (std::int64_t group = 0; group < g.groups; ++group) {
    const std::int64_t c = group * per_group;
    const double deviations = sum_range(sums + c, per_group);
    const double squares = sum_range(sums + g.channels + c, per_group);
    const bool exact = is_tiny<T>(n) || (std::is_same_v<T, float> && is_out_of_range(squares, n, a.eps));
    const Moments m = exact ? exact_moments(x + c, set, a.centre)
                            : finish_moments(static_cast<double>(pivot[c]), deviations, squares, n, a.centre);
    a.mean[first + group] = m.mean;
    a.rstd[first + group] = m.rstd(a.eps);
    if (a.var != nullptr) {
      a.var[first + group] = m.var;
    }
  }
}

// xhat_term and term of each column from the sums of one sample, whose affine gradients are added to `partial`.
template <class T>
void finish_sums(const PixelGeometry& g, const NormBackward<T>& a, std::int64_t first, const double* sums,
                 const Columns<T>& columns, double* partial) {
  const std::int64_t per_group = g.per_group();
  const double n = static_cast<double>(g.positions) * static_cast<double>(per_group);
  for (std::int64_t group = 0; group < g.groups; ++group) {
    double sum_g = 0.0;
    double sum_g_xhat = 0.0;
    for (std::int64_t c = group * per_group; c < (group + 1) * per_group; ++c) {
      const double gamma = static_cast<double>(columns.gamma[c]);
      sum_g += gamma * sums[c];
      sum_g_xhat += gamma * sums[g.channels + c];
      if (partial != nullptr) {
        partial[c] += sums[g.channels + c];
        partial[g.channels + c] += sums[c];
      }
    }
    const SetTerms terms = set_terms(a.rstd[first + group], sum_g, sum_g_xhat, n, a.centre);
    for (std::int64_t c = group * per_group; c < (group + 1) * per_group; ++c) {
      columns.xhat_term[c] = static_cast<T>(terms.xhat_term.value);
      columns.term[c] = static_cast<T>(terms.term.value);
    }
  }
}

}  // namespace

template <class T>
void norm_pixels_forward_task(const PixelGeometry& g, const NormForward<T>& a, std::int64_t begin, std::int64_t end,
                              double* sums, T* scratch) {
  const Columns<T> columns(scratch, g.channels);
  columns.set_params(a.gamma, a.beta, g.channels);
  for (std::int64_t s = begin; s < end; ++s) {
    const T* x = a.x + s * g.positions * g.channels;
    const std::int64_t first = s * g.groups;
    sample_moments(g, x, a, first, sums, columns.high);
    columns.set_statistics(a.mean + first, a.rstd + first, g.groups, g.per_group());
    T* y = a.y + s * g.positions * g.channels;
    for_tiles<T>(0, g.channels, [&]<int W>(std::int64_t c) {
      const Statistic<PerElement<T>> stat = columns.statistics(c);
      const PerElement<T> gamma{columns.gamma + c};
      const PerElement<T> beta{columns.beta + c};
      map_columns<T, W>(g.positions, g.channels, y + c, [=]<class V>(std::int64_t i, std::int64_t j) {
        return fused<V>(stat.xhat(load_as<V>(x + c + i), j), gamma.template at<V>(j), beta.template at<V>(j));
      });
    });
  }
}

template <class T>
void norm_pixels_backward_task(const PixelGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                               double* partial, double* sums, T* scratch) {
  const Columns<T> columns(scratch, g.channels);
  columns.set_params(a.gamma, nullptr, g.channels);
  for (std::int64_t s = begin; s < end; ++s) {
    const std::int64_t offset = s * g.positions * g.channels;
    const T* x = a.x + offset;
    const T* gy = a.gy + offset;
    const std::int64_t first = s * g.groups;
    columns.set_statistics(a.mean + first, a.rstd + first, g.groups, g.per_group());
    sum_columns<T, 2>(
        g,
        [&](std::int64_t c) {
          const Statistic<PerElement<T>> stat = columns.statistics(c);
          return [=]<class V>(std::int64_t i, std::int64_t j, V(&v)[2]) {
            v[0] = load_as<V>(gy + c + i);
            v[1] = v[0] * stat.xhat(load_as<V>(x + c + i), j);
          };
        },
        sums);
    finish_sums(g, a, first, sums, columns, partial);
    if (a.gx == nullptr) {
      continue;
    }
    for_tiles<T>(0, g.channels, [&]<int W>(std::int64_t c) {
      const Statistic<PerElement<T>> stat = columns.statistics(c);
      const PerElement<T> gamma{columns.gamma + c};
      const PerElement<T> xhat_term{columns.xhat_term + c};
      const PerElement<T> term{columns.term + c};
      map_columns<T, W>(g.positions, g.channels, a.gx + offset + c, [=]<class V>(std::int64_t i, std::int64_t j) {
        const V xhat = stat.xhat(load_as<V>(x + c + i), j);
        return fused<V>(load_as<V>(gy + c + i) * gamma.template at<V>(j), stat.rstd.template at<V>(j),
                        fused<V>(xhat, xhat_term.template at<V>(j), term.template at<V>(j)));
      });
    });
  }
}

#define NORMGRAD_INSTANTIATE(T)                                                                                        \
  template void norm_pixels_forward_task<T>(const PixelGeometry&, const NormForward<T>&, std::int64_t, std::int64_t,   \
                                            double*, T*);                                                              \
  template void norm_pixels_backward_task<T>(const PixelGeometry&, const NormBackward<T>&, std::int64_t, std::int64_t, \
                                             double*, double*, T*);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
