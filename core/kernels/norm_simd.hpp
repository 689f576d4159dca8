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
    return muladd(a, b, c);
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
/// Batches in a row of one set: twice as many, in at least four sums.
inline constexpr std::int64_t kLongRun = 64;

/// Sums over segments, one after the other.
template <class T, int K>
struct Sums {
  WideSum<T> batches[K];
  double singles[K] = {};

  /// Adds what f(base + j, j, sums) adds to sums[k], for all j of a segment.
  template <class F>
  void add(std::int64_t base, std::int64_t length, const F& f) {
    using V = Batch<T>;
    constexpr std::int64_t kWidth = kLanes<T>;
    constexpr int kUnroll = 4;
    for (std::int64_t j = 0; j + kWidth <= length;) {
      V sums[kUnroll][K];
      for (int u = 0; u < kUnroll; ++u) {
        for (int k = 0; k < K; ++k) {
          sums[u][k] = V(T(0));
        }
      }
      const auto step = [&](int u, std::int64_t at) { f(base + at, at, sums[u]); };
      std::int64_t steps = (length - j) / kWidth;
      steps = steps < kLongRun ? steps : kLongRun;
      for (; steps >= kUnroll; steps -= kUnroll) {
        for (int u = 0; u < kUnroll; ++u, j += kWidth) {
          step(u, j);
        }
      }
      if (steps > 0) {
        step(0, j);
      }
      if (steps > 1) {
        step(1, j + kWidth);
      }
      if (steps > 2) {
        step(2, j + 2 * kWidth);
      }
      j += steps * kWidth;
      if (j < length && j + kWidth > length) {  // the last batch overlaps the one before
        V v[K];
        for (int k = 0; k < K; ++k) {
          v[k] = V(T(0));
        }
        f(base + length - kWidth, length - kWidth, v);
        for (int k = 0; k < K; ++k) {
          sums[kUnroll - 1][k] += clear_first(v[k], j + kWidth - length);
        }
        j = length;
      }
      for (int k = 0; k < K; ++k) {
        for (int u = 1; u < kUnroll; ++u) {
          sums[0][k] += sums[u][k];
        }
        batches[k].add(sums[0][k]);
      }
    }
    if (length < kWidth) {
      for (std::int64_t j = 0; j < length; ++j) {
        T v[K] = {};
        f(base + j, j, v);
        for (int k = 0; k < K; ++k) {
          singles[k] += static_cast<double>(v[k]);
        }
      }
    }
  }

  void total(double (&out)[K]) const {
    for (int k = 0; k < K; ++k) {
      out[k] = singles[k] + batches[k].total();
    }
  }
};

/// out[k] = the sum of what f(i, j, sums) adds to sums[k], over all elements.
template <class T, int K, class F>
void reduce(const Segments& g, const F& f, double (&out)[K]) {
  Sums<T, K> sums;
  for (std::int64_t s = 0; s < g.count; ++s) {
    sums.add(s * g.stride, g.length, f);
  }
  sums.total(out);
}

/// The same, element by element in double.
template <int K, class F>
void reduce_exact(const Segments& g, const F& f, double (&out)[K]) {
  for (int k = 0; k < K; ++k) {
    out[k] = 0.0;
  }
  for (std::int64_t s = 0; s < g.count; ++s) {
    for (std::int64_t i = 0; i < g.length; ++i) {
      f(s * g.stride + i, i, out);
    }
  }
}

/// Whether batches can be written past the caches from p on.
template <class T>
inline bool is_aligned(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % (static_cast<std::size_t>(kLanes<T>) * sizeof(T)) == 0;
}

/// y[i] = f(i, j) for all elements; y must not overlap what f reads. kPast: written past the caches.
template <bool kPast, class T, class F>
void map_segments(const Segments& g, T* y, const F& f) {
  using V = Batch<T>;
  constexpr std::int64_t kWidth = kLanes<T>;
  for (std::int64_t s = 0; s < g.count; ++s) {
    const std::int64_t base = s * g.stride;
    std::int64_t i = 0;
    if (kPast && g.length >= kWidth) {
      const auto beyond = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(y + base) / sizeof(T)) % kWidth;
      if (beyond != 0) {  // up to an aligned address
        store(y + base, f.template operator()<V>(base, 0));
        i = kWidth - beyond;
      }
    }
    for (; i + kWidth <= g.length; i += kWidth) {
      const V v = f.template operator()<V>(base + i, i);
      if constexpr (kPast) {
        stream(y + base + i, v);
      } else {
        store(y + base + i, v);
      }
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
void map(const Segments& g, T* y, bool past, const F& f) {
  past ? map_segments<true>(g, y, f) : map_segments<false>(g, y, f);
}

/// The same, while what lies `ahead` of each of `from` is fetched; 0: nothing is.
template <class T, class F, class... From>
void map_fetching(const Segments& g, T* y, bool past, std::int64_t ahead, const F& f, const From*... from) {
  if (ahead == 0) {
    map(g, y, past, f);
    return;
  }
  map(g, y, past, [=]<class V>(std::int64_t i, std::int64_t j) {
    (prefetch(from + i, ahead), ...);
    return f.template operator()<V>(i, j);
  });
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
        g, [=]<class V>(std::int64_t i, std::int64_t, V(&sums)[1]) { sums[0] += load_as<V>(x + i); }, sum);
    pivot = sum[0] / n;
  }
  double sums[2];
  reduce_exact(
      g,
      [=]<class V>(std::int64_t i, std::int64_t, V(&s)[2]) {
        const V d = load_as<V>(x + i) - V(pivot);
        s[0] += d;
        s[1] = fused<V>(d, d, s[1]);
      },
      sums);
  return finish_moments(pivot, sums[0], sums[1], n, centre);
}

/// Whether sums of squares of n float32 deviations are out of range: overflowed, or so small that squares
/// vanished and `eps` does not hide it.
inline bool is_out_of_range(double squares, double n, double eps) {
  return !(squares <= 1e300) || (squares < n * 1e-30 && eps < 1e-20);
}

/// The terms of sum(x), and of the sums of x - pivot and of its square.
template <class T>
auto value_terms(const T* x) {
  return [=]<class V>(std::int64_t i, std::int64_t, V(&sums)[1]) { sums[0] += load_as<V>(x + i); };
}
template <class T>
auto deviation_terms(const T* x, const Uniform& pivot) {
  return [=]<class V>(std::int64_t i, std::int64_t j, V(&sums)[2]) {
    const V d = load_as<V>(x + i) - pivot.at<V>(j);
    sums[0] += d;
    sums[1] = fused<V>(d, d, sums[1]);
  };
}
/// The value of T next to the mean of n elements.
template <class T>
Uniform pivot_of(double sum, double n) {
  return {static_cast<double>(static_cast<T>(sum / n))};
}
template <class T>
Moments moments_of(const T* x, const Segments& g, bool centre, double eps, const Uniform& pivot,
                   const double (&deviations)[2]) {
  if (std::is_same_v<T, float> && is_out_of_range(deviations[1], g.size(), eps)) {
    return exact_moments(x, g, centre);
  }
  return finish_moments(pivot.value, deviations[0], deviations[1], g.size(), centre);
}

/// Whether a product of numbers of a set, rounded to T, keeps its digits.
template <class T>
inline bool is_in_range(double v) {
  const double size = v < 0.0 ? -v : v;
  return !std::is_same_v<T, float> || v == 0.0 || (size > 1e-37 && size < 1e37);
}

/// y = xhat * gamma + beta over one set or a part of it; unless 0, what lies `ahead` of x is fetched meanwhile. What
/// all elements share is multiplied out in double: y = (x - high) * scale + shift, with one rounding less than by way
/// of xhat.
template <class T, class G, class B>
void normalise(const T* x, const Segments& g, bool exact, const Statistic<Uniform>& stat, const G& gamma, const B& beta,
               T* y, bool past, std::int64_t ahead = 0) {
  if constexpr (std::is_same_v<G, Uniform> && std::is_same_v<B, Uniform>) {
    const Uniform scale{stat.rstd.value * gamma.value};
    const Uniform shift{stat.low_term.value * gamma.value + beta.value};
    const auto f = [=]<class V>(std::int64_t i, std::int64_t j) {
      return fused<V>(load_as<V>(x + i) - stat.high.template at<V>(j), scale.template at<V>(j),
                      shift.template at<V>(j));
    };
    exact || !is_in_range<T>(scale.value) ? map_exact(g, y, f) : map_fetching(g, y, past, ahead, f, x);
  } else {
    const auto f = [=]<class V>(std::int64_t i, std::int64_t j) {
      return fused<V>(stat.xhat(load_as<V>(x + i), j), gamma.template at<V>(j), beta.template at<V>(j));
    };
    exact ? map_exact(g, y, f) : map_fetching(g, y, past, ahead, f, x);
  }
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
                    const G& gamma, const SetTerms& terms, T* gx, bool past, std::int64_t ahead = 0) {
  if constexpr (std::is_same_v<G, Uniform>) {  // gx = gy * scale + (x - high) * slope + shift
    const Uniform scale{gamma.value * stat.rstd.value};
    const Uniform slope{stat.rstd.value * terms.xhat_term.value};
    const Uniform shift{stat.low_term.value * terms.xhat_term.value + terms.term.value};
    const auto f = [=]<class V>(std::int64_t i, std::int64_t j) {
      return fused<V>(
          load_as<V>(gy + i), scale.template at<V>(j),
          fused<V>(load_as<V>(x + i) - stat.high.template at<V>(j), slope.template at<V>(j), shift.template at<V>(j)));
    };
    exact || !is_in_range<T>(scale.value) || !is_in_range<T>(slope.value) ? map_exact(g, gx, f)
                                                                          : map_fetching(g, gx, past, ahead, f, gy, x);
  } else {
    const auto f = [=]<class V>(std::int64_t i, std::int64_t j) {
      const V xhat = stat.xhat(load_as<V>(x + i), j);
      return fused<V>(load_as<V>(gy + i) * gamma.template at<V>(j), stat.rstd.at<V>(j),
                      fused<V>(xhat, terms.xhat_term.at<V>(j), terms.term.at<V>(j)));
    };
    exact ? map_exact(g, gx, f) : map_fetching(g, gx, past, ahead, f, gy, x);
  }
}

/// The terms of sum(gy) and of sum(gy * (x - high)), from which finish_gradient_sums() makes sum(gy * xhat).
template <class T>
auto gradient_terms(const T* gy, const T* x, const Statistic<Uniform>& stat) {
  return [=]<class V>(std::int64_t i, std::int64_t j, V(&sums)[2]) {
    const V g = load_as<V>(gy + i);
    sums[0] += g;
    sums[1] = fused<V>(g, load_as<V>(x + i) - stat.high.template at<V>(j), sums[1]);
  };
}
inline void finish_gradient_sums(const Statistic<Uniform>& stat, double (&sums)[2]) {
  if (sums[0] != 0.0 || sums[1] != 0.0) {  // an empty set has no statistics
    sums[1] = sums[1] * stat.rstd.value + sums[0] * stat.low_term.value;
  }
}
/// Whether the deviations from the mean are so large or small that their products with gradients might not fit T.
template <class T>
inline bool is_extreme(const Statistic<Uniform>& stat) {
  return std::is_same_v<T, float> && !(stat.rstd.value > 1e-12 && stat.rstd.value < 1e12);
}
template <class T>
void gradient_sums(const T* gy, const T* x, const Segments& g, bool exact, const Statistic<Uniform>& stat,
                   double (&sums)[2]) {
  const auto f = gradient_terms(gy, x, stat);
  exact || is_extreme<T>(stat) ? reduce_exact(g, f, sums) : reduce<T>(g, f, sums);
  finish_gradient_sums(stat, sums);
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
