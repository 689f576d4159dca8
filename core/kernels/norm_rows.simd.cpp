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

// One row with a parameter per element, affine gradients into the scratch sums (or not: gx is the same bit for bit).
template <class T, class G>
void row_backward_elements(const T* gy, const T* x, std::int64_t length, const Statistic<Uniform>& stat, bool centre,
                           const G& gamma, T* gx, T* ggamma, T* gbeta) {
  const Segments g{1, 0, length};
  const bool exact = is_tiny<T>(g.size());
  double sums[2];
  const auto plain = [=]<class V>(std::int64_t i, std::int64_t j, V(&v)[2]) {
    const V gyv = load_as<V>(gy + i);
    v[0] = gyv * gamma.template at<V>(j);
    v[1] = gyv * stat.xhat(load_as<V>(x + i), j) * gamma.template at<V>(j);
  };
  const auto with_affine = [=]<class V>(std::int64_t i, std::int64_t j, V(&v)[2]) {
    const V gyv = load_as<V>(gy + i);
    const V gy_xhat = gyv * stat.xhat(load_as<V>(x + i), j);
    store_as<V>(ggamma + j, load_as<V>(ggamma + j) + gy_xhat);
    store_as<V>(gbeta + j, load_as<V>(gbeta + j) + gyv);
    v[0] = gyv * gamma.template at<V>(j);
    v[1] = gy_xhat * gamma.template at<V>(j);
  };
  if (exact) {
    ggamma != nullptr ? reduce_exact(g, with_affine, sums) : reduce_exact(g, plain, sums);
  } else {
    ggamma != nullptr ? reduce<T>(g, with_affine, sums) : reduce<T>(g, plain, sums);
  }
  if (gx != nullptr) {
    input_gradient(gy, x, g, exact, stat, gamma, set_terms(stat.rstd.value, sums[0], sums[1], g.size(), centre), gx);
  }
}

// One row with a parameter per span.
template <class T>
void row_backward_spans(const T* gy, const T* x, std::int64_t per_row, std::int64_t span,
                        const Statistic<Uniform>& stat, bool centre, const T* gamma, T* gx, double* ggamma,
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
    input_gradient(gy + k * span, x + k * span, g, exact, stat, Uniform{at_or(gamma, k, 1.0)}, terms, gx + k * span);
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
      normalise(x, row, exact, stat, Uniform{1.0}, Uniform{0.0}, y);
    } else if (g.span == 1) {
      with_params(a.gamma, a.beta, first,
                  [&](auto gamma, auto beta) { normalise(x, row, exact, stat, gamma, beta, y); });
    } else {
      for (std::int64_t k = 0; k < g.per_row; ++k) {
        normalise(x + k * g.span, Segments{1, 0, g.span}, exact, stat, Uniform{at_or(a.gamma, first + k, 1.0)},
                  Uniform{at_or(a.beta, first + k, 0.0)}, y + k * g.span);
      }
    }
  }
}

template <class T>
void norm_rows_backward_task(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                             double* partial, T* scratch) {
  const std::int64_t length = g.length();
  const std::int64_t params = g.params();
  const bool per_element = g.span == 1 && (a.gamma != nullptr || partial != nullptr);
  const auto flush = [&] {
    for (std::int64_t p = 0; p < 2 * params; ++p) {
      partial[p] += static_cast<double>(scratch[p]);
      scratch[p] = T(0);
    }
  };
  std::int64_t run = 0;
  for (std::int64_t r = begin; r < end; ++r) {
    const T* gy = a.gy + r * length;
    const T* x = a.x + r * length;
    T* gx = a.gx == nullptr ? nullptr : a.gx + r * length;
    const Statistic<Uniform> stat = statistic<T>(a.mean[r], a.rstd[r]);
    const std::int64_t first = r % g.cycle * g.per_row;
    if (per_element) {
      T* ggamma = partial == nullptr ? nullptr : scratch + first;
      T* gbeta = partial == nullptr ? nullptr : scratch + params + first;
      if (a.gamma == nullptr) {
        row_backward_elements(gy, x, length, stat, a.centre, Uniform{1.0}, gx, ggamma, gbeta);
      } else {
        row_backward_elements(gy, x, length, stat, a.centre, PerElement<T>{a.gamma + first}, gx, ggamma, gbeta);
      }
      if (partial != nullptr && ++run == kRowRun * g.cycle) {
        flush();
        run = 0;
      }
    } else if (a.gamma == nullptr && partial == nullptr) {
      row_backward_spans<T>(gy, x, 1, length, stat, a.centre, nullptr, gx, nullptr, nullptr);
    } else {
      row_backward_spans(gy, x, g.per_row, g.span, stat, a.centre, a.gamma == nullptr ? nullptr : a.gamma + first, gx,
                         partial == nullptr ? nullptr : partial + first,
                         partial == nullptr ? nullptr : partial + params + first);
    }
  }
  if (run > 0) {
    flush();
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
