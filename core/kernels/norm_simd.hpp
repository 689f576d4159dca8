// Building blocks of the norm kernels: sums and maps over sets of elements, and moments. For norm_*.simd.cpp only.
//
// An expression f(i, j) is a generic lambda over V: a batch of T, a T, or double (the exact path of float32 data). i
// indexes the data, j the place within the segment, which is where per-element parameters are.
#pragma once

#include <cstdint>
#include <type_traits>

#include "normgrad/core/base/simd_batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// The elements of a set: `count` runs of `length` neighbours, `stride` apart.
struct Segments {
  std::int64_t count;
  std::int64_t stride;
  std::int64_t length;

  double size() const { return static_cast<double>(count) * static_cast<double>(length); }
};

template <class V, class T>
inline V load_as(const T* p) {
  if constexpr (std::is_arithmetic_v<V>) {
    return static_cast<V>(*p);
  } else {
    return V::load_unaligned(p);
  }
}
template <class V, class T>
inline void store_as(T* p, const V& v) {
  if constexpr (std::is_arithmetic_v<V>) {
    *p = static_cast<T>(v);
  } else {
    v.store_unaligned(p);
  }
}
/// a * b + c; with one rounding in batches, where the instruction set has it.
template <class V>
inline V fused(const V& a, const V& b, const V& c) {
  if constexpr (std::is_arithmetic_v<V>) {
    return a * b + c;
  } else {
    return xsimd::fma(a, b, c);
  }
}

/// A number that is the same for all elements of a set.
struct Uniform {
  double value;
  template <class V>
  V at(std::int64_t) const {
    if constexpr (std::is_arithmetic_v<V>) {
      return static_cast<V>(value);
    } else {
      return V(static_cast<typename V::value_type>(value));
    }
  }
};
/// A number per place in the segment.
template <class T>
struct PerElement {
  const T* p;
  template <class V>
  V at(std::int64_t j) const {
    return load_as<V>(p + j);
  }
};

/// xhat = (x - mean) * rstd, computed as ((x - high) * rstd - low * rstd) with mean = high + low, high of type T: the
/// first difference is exact where it matters.
template <class S>
struct Statistic {
  S high, rstd, low_term;  // low_term = -low * rstd

  template <class V>
  V xhat(const V& x, std::int64_t j) const {
    return fused<V>(x - high.template at<V>(j), rstd.template at<V>(j), low_term.template at<V>(j));
  }
};
template <class T>
Statistic<Uniform> statistic(double mean, double rstd) {
  const double high = static_cast<double>(static_cast<T>(mean));
  return {{high}, {rstd}, {-(mean - high) * rstd}};
}

/// Batches that are summed in T before they are added in double.
inline constexpr std::int64_t kRun = 32;

/// out[k] = sum over all elements of what f(i, j, v) puts into v[k].
template <class T, int K, class F>
void reduce(const Segments& g, const F& f, double (&out)[K]) {
  using V = Batch<T>;
  constexpr std::int64_t kWidth = kLanes<T>;
  constexpr int kUnroll = 4 / K;
  double lanes[K][kWidth] = {};
  double tail[K] = {};
  V sums[kUnroll][K];
  for (int u = 0; u < kUnroll; ++u) {
    for (int k = 0; k < K; ++k) {
      sums[u][k] = V(T(0));
    }
  }
  const auto flush = [&] {
    for (int k = 0; k < K; ++k) {
      V all = sums[0][k];
      sums[0][k] = V(T(0));
      for (int u = 1; u < kUnroll; ++u) {
        all += sums[u][k];
        sums[u][k] = V(T(0));
      }
      alignas(64) T part[kWidth];
      all.store_aligned(part);
      for (std::int64_t l = 0; l < kWidth; ++l) {
        lanes[k][l] += static_cast<double>(part[l]);
      }
    }
  };
  std::int64_t run = 0;
  for (std::int64_t s = 0; s < g.count; ++s) {
    const std::int64_t base = s * g.stride;
    std::int64_t i = 0;
    while (i + kWidth <= g.length) {
      std::int64_t steps = (g.length - i) / kWidth;
      steps = steps < kRun - run ? steps : kRun - run;
      run += steps;
      for (; steps >= kUnroll; steps -= kUnroll) {
        for (int u = 0; u < kUnroll; ++u, i += kWidth) {
          V v[K];
          f(base + i, i, v);
          for (int k = 0; k < K; ++k) {
            sums[u][k] += v[k];
          }
        }
      }
      for (; steps > 0; --steps, i += kWidth) {
        V v[K];
        f(base + i, i, v);
        for (int k = 0; k < K; ++k) {
          sums[0][k] += v[k];
        }
      }
      if (run == kRun) {
        flush();
        run = 0;
      }
    }
    for (; i < g.length; ++i) {
      T v[K];
      f(base + i, i, v);
      for (int k = 0; k < K; ++k) {
        tail[k] += static_cast<double>(v[k]);
      }
    }
  }
  flush();
  for (int k = 0; k < K; ++k) {
    out[k] = tail[k];
    for (std::int64_t l = 0; l < kWidth; ++l) {
      out[k] += lanes[k][l];
    }
  }
}

/// The same, element by element in double.
template <int K, class F>
void reduce_exact(const Segments& g, const F& f, double (&out)[K]) {
  for (int k = 0; k < K; ++k) {
    out[k] = 0.0;
  }
  for (std::int64_t s = 0; s < g.count; ++s) {
    for (std::int64_t i = 0; i < g.length; ++i) {
      double v[K];
      f(s * g.stride + i, i, v);
      for (int k = 0; k < K; ++k) {
        out[k] += v[k];
      }
    }
  }
}

/// y[i] = f(i, j) for all elements; y must not overlap what f reads.
template <class T, class F>
void map(const Segments& g, T* y, const F& f) {
  using V = Batch<T>;
  constexpr std::int64_t kWidth = kLanes<T>;
  for (std::int64_t s = 0; s < g.count; ++s) {
    const std::int64_t base = s * g.stride;
    std::int64_t i = 0;
    for (; i + kWidth <= g.length; i += kWidth) {
      store(y + base + i, f.template operator()<V>(base + i, i));
    }
    if (i < g.length && g.length >= kWidth) {
      i = g.length - kWidth;  // the last batch overlaps the one before
      store(y + base + i, f.template operator()<V>(base + i, i));
      i = g.length;
    }
    for (; i < g.length; ++i) {
      y[base + i] = f.template operator()<T>(base + i, i);
    }
  }
}

template <class T, class F>
void map_exact(const Segments& g, T* y, const F& f) {
  for (std::int64_t s = 0; s < g.count; ++s) {
    for (std::int64_t i = 0; i < g.length; ++i) {
      y[s * g.stride + i] = static_cast<T>(f.template operator()<double>(s * g.stride + i, i));
    }
  }
}

/// Whether sets of this many elements are computed element by element in double.
template <class T>
inline bool is_tiny(double size) {
  return std::is_same_v<T, float> && size <= 4.0;
}

struct Moments {
  double mean;
  double var;

  double rstd(double eps) const { return 1.0 / __builtin_sqrt(var + eps); }
};

/// From the sums of deviations from the pivot and of their squares: the pivot's own error is corrected for.
inline Moments finish_moments(double pivot, double sum, double squares, double n, bool centre) {
  if (!centre) {
    return {0.0, squares / n};
  }
  const double delta = sum / n;
  const double var = (squares - sum * delta) / n;
  return {pivot + delta, var < 0.0 ? 0.0 : var};
}

template <class T>
Moments exact_moments(const T* x, const Segments& g, bool centre) {
  const double n = g.size();
  double pivot = 0.0;
  if (centre) {
    double sum[1];
    reduce_exact(
        g, [=]<class V>(std::int64_t i, std::int64_t, V(&v)[1]) { v[0] = load_as<V>(x + i); }, sum);
    pivot = sum[0] / n;
  }
  double sums[2];
  reduce_exact(
      g,
      [=]<class V>(std::int64_t i, std::int64_t, V(&v)[2]) {
        v[0] = load_as<V>(x + i) - V(pivot);
        v[1] = v[0] * v[0];
      },
      sums);
  return finish_moments(pivot, sums[0], sums[1], n, centre);
}

/// Whether sums of squares of n float32 deviations are out of range: overflowed, or so small that squares
/// vanished and `eps` does not hide it.
inline bool is_out_of_range(double squares, double n, double eps) {
  return !(squares <= 1e300) || (squares < n * 1e-30 && eps < 1e-20);
}

template <class T>
Moments moments(const T* x, const Segments& g, bool centre, double eps) {
  const double n = g.size();
  if (is_tiny<T>(n)) {
    return exact_moments(x, g, centre);
  }
  Uniform pivot{0.0};
  if (centre) {
    double sum[1];
    reduce<T>(
        g, [=]<class V>(std::int64_t i, std::int64_t, V(&v)[1]) { v[0] = load_as<V>(x + i); }, sum);
    pivot.value = static_cast<double>(static_cast<T>(sum[0] / n));
  }
  double sums[2];
  reduce<T>(
      g,
      [=]<class V>(std::int64_t i, std::int64_t j, V(&v)[2]) {
        v[0] = load_as<V>(x + i) - pivot.at<V>(j);
        v[1] = v[0] * v[0];
      },
      sums);
  if (std::is_same_v<T, float> && is_out_of_range(sums[1], n, eps)) {
    return exact_moments(x, g, centre);
  }
  return finish_moments(pivot.value, sums[0], sums[1], n, centre);
}

/// y = xhat * gamma + beta over one set or a part of it.
template <class T, class G, class B>
void normalise(const T* x, const Segments& g, bool exact, const Statistic<Uniform>& stat, const G& gamma, const B& beta,
               T* y) {
  const auto f = [=]<class V>(std::int64_t i, std::int64_t j) {
    return fused<V>(stat.xhat(load_as<V>(x + i), j), gamma.template at<V>(j), beta.template at<V>(j));
  };
  exact ? map_exact(g, y, f) : map(g, y, f);
}

/// The two terms of gx that a whole set shares: gx = g * rstd + xhat * xhat_term + term.
struct SetTerms {
  Uniform xhat_term, term;
};
inline SetTerms set_terms(double rstd, double sum_g, double sum_g_xhat, double n, bool centre) {
  return {{-rstd * sum_g_xhat / n}, {centre ? -rstd * sum_g / n : 0.0}};
}

template <class T, class G>
void input_gradient(const T* gy, const T* x, const Segments& g, bool exact, const Statistic<Uniform>& stat,
                    const G& gamma, const SetTerms& terms, T* gx) {
  const auto f = [=]<class V>(std::int64_t i, std::int64_t j) {
    const V xhat = stat.xhat(load_as<V>(x + i), j);
    return fused<V>(load_as<V>(gy + i) * gamma.template at<V>(j), stat.rstd.at<V>(j),
                    fused<V>(xhat, terms.xhat_term.at<V>(j), terms.term.at<V>(j)));
  };
  exact ? map_exact(g, gx, f) : map(g, gx, f);
}

/// sums = {sum(gy), sum(gy * xhat)}.
template <class T>
void gradient_sums(const T* gy, const T* x, const Segments& g, bool exact, const Statistic<Uniform>& stat,
                   double (&sums)[2]) {
  const auto f = [=]<class V>(std::int64_t i, std::int64_t j, V(&v)[2]) {
    v[0] = load_as<V>(gy + i);
    v[1] = v[0] * stat.xhat(load_as<V>(x + i), j);
  };
  if (exact) {
    reduce_exact(g, f, sums);
  } else {
    reduce<T>(g, f, sums);
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
