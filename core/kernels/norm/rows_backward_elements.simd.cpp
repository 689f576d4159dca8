#include "normgrad/core/kernels/norm/rows_simd.hpp"

// Rows with a parameter per element.

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Samples whose rows are processed phase by phase: they fit in the level 2 cache.
constexpr std::int64_t kRowRun = 16;

// kRows rows; each parameter gradient is loaded and stored once for all of them.
template <class T, class R, int kRows, class A, class G, class B>
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
  Statistic<R> stats[kRows];
  R slopes[kRows], shifts[kRows];

  // gy of the elements from j on, after the activation.
  template <class V>
  V gradient(int r, std::int64_t j, const V& d, const V& gamma_j, const V& beta_j) const {
    const V scale = stats[r].scaled(gamma_j);
    return activation.of_gy(output_of(d, scale, stats[r].addend(scale, beta_j)), load_as<V>(gy + r * stride + j));
  }

  // Returns whether all sums are finite.
  template <class Long>
  bool find_terms(bool center) {
    const RowBlock self(*this);
    double sums[2 * kRows];
    constexpr int kChains = std::is_same_v<R, float> ? 2 : 1;  // for all kRows: no row's sums depend on its neighbors
    const Segments row{1, 0, length};
    const auto add = [self]<class V>(std::int64_t, std::int64_t j, V(&s)[2 * kRows]) {
      const V gamma_j = self.gamma.template at<V>(j);
      const V beta_j = self.beta.template at<V>(j);
      for (int r = 0; r < kRows; ++r) {
        const V d = self.stats[r].deviation(load_as<V>(self.x + r * self.stride + j));
        const V g = gamma_j * self.gradient(r, j, d, gamma_j, beta_j);
        add_gradient(g, d, s[2 * r], s[2 * r + 1]);
      }
    };
    reduce<R, kChains, R, Long>(row, add, sums);
    bool finite = true;
    for (int r = 0; r < kRows; ++r) {
      const double rstd = stats[r].rstd;
      const double* of_row = sums + 2 * r;
      finite = finite && are_finite(of_row, 2);
      const SetTerms terms = stats[r].element_terms(set_terms(
          rstd, of_row[0], stats[r].centered(of_row[0], of_row[1]) * rstd, static_cast<double>(length), center));
      slopes[r] = static_cast<R>(terms.slope);
      shifts[r] = static_cast<R>(terms.shift);
    }
    return finite;
  }

  // Processes the columns from j on; the first `seen` lanes have been processed already.
  template <class V, bool kPast, bool kInput, bool kAffine>
  void columns(std::int64_t j, std::int64_t seen, double* ggamma, double* gbeta) const {
    V sum_gy_xhat;
    V sum_gy;
    const V gamma_j = gamma.template at<V>(j);
    const V beta_j = beta.template at<V>(j);
    for (int r = 0; r < kRows; ++r) {
      const V d = stats[r].deviation(load_as<V>(x + r * stride + j));
      const V gyv = gradient(r, j, d, gamma_j, beta_j);
      const V scaled = stats[r].scaled(gyv);
      if constexpr (kAffine) {
        const V full = stats[r].full_deviation(d);
        sum_gy_xhat = r == 0 ? scaled * full : muladd(scaled, full, sum_gy_xhat);
        sum_gy = r == 0 ? gyv : sum_gy + gyv;
      }
      if constexpr (kInput) {
        const V v = input_gradient_of(scaled, gamma_j, d, V(slopes[r]), V(shifts[r]));
        T* to = gx + r * stride + j;
        if constexpr (std::is_arithmetic_v<V>) {
          *to = static_cast<T>(v);
        } else if constexpr (kPast) {
          seen == 0 ? stream(to, v) : store_lanes(to, v);
        } else {
          store_lanes(to, v);
        }
      }
    }
    if constexpr (kAffine && std::is_arithmetic_v<V>) {
      ggamma[j] += static_cast<double>(sum_gy_xhat);
      gbeta[j] += static_cast<double>(sum_gy);
    } else if constexpr (kAffine) {
      const V counted_gy_xhat = seen == 0 ? sum_gy_xhat : clear_first(sum_gy_xhat, seen);
      const V counted_gy = seen == 0 ? sum_gy : clear_first(sum_gy, seen);
      add_widened(ggamma + j, counted_gy_xhat);
      add_widened(gbeta + j, counted_gy);
    }
  }

  template <class Long, bool kPast, bool kInput, bool kAffine>
  void run(double* ggamma, double* gbeta) const {
    using V = Lanes<R>;
    constexpr std::int64_t kLong = kCountOf<Long>;
    const RowBlock self(*this);  // a local copy without aliases: its members stay in registers
    constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
    std::int64_t j = 0;
    for (; j + kLong <= length; j += kLong) {
      for (int r = 0; self.ahead != 0 && j % kLine == 0 && r < kRows; ++r) {
        prefetch(self.gy + r * self.stride + j, self.ahead);
        prefetch(self.x + r * self.stride + j, self.ahead);
      }
      self.template columns<Long, kPast, kInput, kAffine>(j, 0, ggamma, gbeta);
    }
    for (; kLong > kAccumulatorLanes && j + kAccumulatorLanes <= length; j += kAccumulatorLanes) {
      self.template columns<V, kPast, kInput, kAffine>(j, 0, ggamma, gbeta);
    }
    if (j < length && length >= kAccumulatorLanes) {  // the last batch overlaps the one before
      self.template columns<V, kPast, kInput, kAffine>(length - kAccumulatorLanes, j + kAccumulatorLanes - length,
                                                       ggamma, gbeta);
      return;
    }
    for (; j < length; ++j) {
      self.template columns<R, kPast, kInput, kAffine>(j, 0, ggamma, gbeta);
    }
  }

  // Returns false, having written nothing, if sums are not finite in float32.
  template <class Long>
  bool backward(bool center, bool past, double* ggamma, double* gbeta) {
    if (gx == nullptr) {
      run<Long, false, false, true>(ggamma, gbeta);
      return true;
    }
    if (!find_terms<Long>(center) && std::is_same_v<R, float>) {
      return false;
    }
    constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
    past = past && reinterpret_cast<std::uintptr_t>(gx) % 64 == 0 && stride % kLine == 0;
    if (ggamma == nullptr) {
      past ? run<Long, true, true, false>(ggamma, gbeta) : run<Long, false, true, false>(ggamma, gbeta);
    } else {
      past ? run<Long, true, true, true>(ggamma, gbeta) : run<Long, false, true, true>(ggamma, gbeta);
    }
    return true;
  }
};

// Backward of rows from `first` on, g.param_period rows apart and kRows at a time. Returns the first remaining row.
template <class R, int kRows, class Long, class T, class A, class G, class B>
std::int64_t backward_in_blocks(const RowGeometry& g, const NormBackward<T>& a, const A& activation, const G& gamma,
                                const B& beta, std::int64_t first, std::int64_t end, double* partial) {
  const std::int64_t length = g.length();
  const std::int64_t stride = g.param_period;
  const std::int64_t ahead = fetch_ahead<T>(g, stride == 1 ? kRows : 1);
  double* ggamma = from(partial, first % stride * length);
  double* gbeta = from(partial, g.params() + first % stride * length);
  std::int64_t r = first;
  for (; r + (kRows - 1) * stride < end; r += kRows * stride) {
    bool suitable = true;
    for (std::int64_t i = 0; i < kRows; ++i) {
      suitable = suitable && suits<R>(a.mean + r + i * stride, a.rstd + r + i * stride, 1);
    }
    if (suitable) {
      RowBlock<T, R, kRows, A, G, B> block{a.gy + r * length,
                                           a.x + r * length,
                                           a.gx == nullptr ? nullptr : a.gx + r * length,
                                           length,
                                           stride * length,
                                           ahead,
                                           activation,
                                           gamma,
                                           beta,
                                           {},
                                           {},
                                           {}};
      for (int i = 0; i < kRows; ++i) {
        block.stats[i] = {a.mean[r + i * stride], a.rstd[r + i * stride]};
      }
      if (block.template backward<Long>(a.center, a.non_temporal, ggamma, gbeta)) {
        continue;
      }
    }
    for (std::int64_t row = r; row < r + kRows * stride; row += stride) {
      if constexpr (kRows > 1) {
        backward_in_blocks<R, 1, Long>(g, a, activation, gamma, beta, row, row + 1, partial);
      } else {
        norm_rows_backward_elements_task<T, double>(g, a, row, row + 1, partial);
      }
    }
  }
  return r;
}

template <class R, class Long, class T>
void backward_elements(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin, std::int64_t end,
                       double* partial) {
  constexpr int kTogether = 2;  // more would not fit in the level 1 cache with rows of 4 KB
  const auto run_rows = [&](const auto& activation, std::int64_t first, std::int64_t run_end) {
    const std::int64_t offset = first % g.param_period * g.length();
    with_backward_params(activation, a.gamma, a.beta, offset, [&](const auto& gamma, const auto& beta) {
      const std::int64_t r =
          backward_in_blocks<R, kTogether, Long>(g, a, activation, gamma, beta, first, run_end, partial);
      backward_in_blocks<R, 1, Long>(g, a, activation, gamma, beta, r, run_end, partial);
    });
  };
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    for (std::int64_t run = begin; run < end;) {
      const std::int64_t run_end = end - run < kRowRun * g.param_period ? end : run + kRowRun * g.param_period;
      for (std::int64_t first = run; first < run_end && first < run + g.param_period; ++first) {
        run_rows(activation, first, run_end);
      }
      run = run_end;
    }
  });
}

}  // namespace

template <class T, class R>
void norm_rows_backward_elements_task(const RowGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                      std::int64_t end, double* partial) {
  g.length() >= kMinForLong ? backward_elements<R, LongLanes<R>>(g, a, begin, end, partial)
                            : backward_elements<R, Lanes<R>>(g, a, begin, end, partial);
  if (a.non_temporal) {
    store_fence();
  }
}

#define NORMGRAD_INSTANTIATE(T, R)                                                                               \
  template void norm_rows_backward_elements_task<T, R>(const RowGeometry&, const NormBackward<T>&, std::int64_t, \
                                                       std::int64_t, double*);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
