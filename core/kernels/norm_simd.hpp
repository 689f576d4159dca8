// Building blocks of the norm kernels: sums and maps over sets of elements, and moments. For norm_*.simd.cpp only.
//
// An expression f(i, j) is a generic lambda over V: Wide, or double for what is shorter than that. i indexes the data,
// j the place within the segment, which is where per-element parameters are. All of it is double: y and gx are rounded
// once, when they are stored.
#pragma once

#include <cstdint>
#include <type_traits>

#include "normgrad/core/kernels/wide_simd.hpp"

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
    return load_wide(p);
  }
}
/// As for Wide, to the last bit.
inline double muladd(double a, double b, double c) {
#if defined(__FMA__)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}
inline double difference(double a, double b) { return a - b; }
inline double zero_unless_above(double least, double decides, double v) { return decides <= least ? 0.0 : v; }

/// A number that is the same for all elements of a set.
struct Uniform {
  double value;
  Uniform of_segment(std::int64_t) const { return *this; }
  template <class V>
  V at(std::int64_t) const {
    return V(value);
  }
};
/// A number per segment; `missing` where p is null.
template <class T>
struct PerSegment {
  const T* p;
  double missing;
  Uniform of_segment(std::int64_t s) const { return {p == nullptr ? missing : static_cast<double>(p[s])}; }
};
/// A number per place in the segment.
template <class T>
struct PerElement {
  const T* p;
  PerElement of_segment(std::int64_t) const { return *this; }
  template <class V>
  V at(std::int64_t j) const {
    return load_as<V>(p + j);
  }
};

/// xhat = (x - mean) * rstd.
template <class S>
struct Statistic {
  S mean, rstd;
};

/// What becomes of y, and so of gy: nothing.
struct NoActivation {
  template <class V>
  V of_y(const V& y) const {
    return y;
  }
  template <class V>
  V of_gy(const V&, const V& gy) const {
    return gy;
  }
};
/// y becomes 0 where it is not above it, as stored in T, and gy likewise; NaN stays.
template <class T>
struct Rectified {
  static constexpr double kLeast =
      std::is_same_v<T, float> ? 0x1p-150 : 0.0;  // this rounds to 0, what is above does not

  template <class V>
  V of_y(const V& y) const {
    return zero_unless_above(V(kLeast), y, y);
  }
  template <class V>
  V of_gy(const V& y, const V& gy) const {
    return zero_unless_above(V(kLeast), y, gy);
  }
};
/// Calls f(activation).
template <class T, class F>
void with_activation(bool relu, const F& f) {
  relu ? f(Rectified<T>()) : f(NoActivation());
}

/// Batches that are summed side by side, so that none waits for the one before.
inline constexpr int kUnroll = sizeof(Batch<double>) == 64 ? 4 : 2;

/// Sums over segments, one after the other.
template <int K>
struct Sums {
  Wide lanes[K];
  double singles[K] = {};

  Sums() {
    for (int k = 0; k < K; ++k) {
      lanes[k] = Wide(0.0);
    }
  }

  /// Adds what f(base + j, j, sums) adds to sums[k], for all j of a segment.
  template <int kSums = kUnroll, class F>
  void add(std::int64_t base, std::int64_t length, const F& f) {
    if (length < kWide) {
      for (std::int64_t j = 0; j < length; ++j) {
        f.template operator()<double>(base + j, j, singles);
      }
      return;
    }
    Wide sums[kSums][K];
    for (int u = 0; u < kSums; ++u) {
      for (int k = 0; k < K; ++k) {
        sums[u][k] = Wide(0.0);
      }
    }
    std::int64_t j = 0;
    for (; j + kSums * kWide <= length; j += kSums * kWide) {
      for (int u = 0; u < kSums; ++u) {
        f.template operator()<Wide>(base + j + u * kWide, j + u * kWide, sums[u]);
      }
    }
    for (; j + kWide <= length; j += kWide) {
      f.template operator()<Wide>(base + j, j, sums[0]);
    }
    if (j < length) {  // the last batch overlaps the one before
      Wide v[K];
      for (int k = 0; k < K; ++k) {
        v[k] = Wide(0.0);
      }
      f.template operator()<Wide>(base + length - kWide, length - kWide, v);
      for (int k = 0; k < K; ++k) {
        sums[kSums - 1][k] += clear_first(v[k], j + kWide - length);
      }
    }
    for (int k = 0; k < K; ++k) {
      for (int u = 0; u < kSums; ++u) {
        lanes[k] += sums[u][k];
      }
    }
  }

  void total(double (&out)[K]) const {
    for (int k = 0; k < K; ++k) {
      out[k] = singles[k] + sum_lanes(lanes[k]);
    }
  }
};

/// out[k] = the sum of what f(i, j, sums) adds to sums[k], over all elements.
template <int kSums = kUnroll, int K, class F>
void reduce(const Segments& g, const F& f, double (&out)[K]) {
  Sums<K> sums;
  for (std::int64_t s = 0; s < g.count; ++s) {
    sums.template add<kSums>(s * g.stride, g.length, f);
  }
  sums.total(out);
}

/// y[i] = f(i, j) for all elements, where make(s) gives the f of segment s; y must not overlap what f reads. kPast:
/// written past the caches. kAtOnce: batches at a time, for each of which fetch(i) is called once. Everything comes by
/// value: what lies behind a reference would be read again after every store.
template <bool kPast, int kAtOnce, class T, class Make, class Fetch>
void map_segments(const Segments g, T* y, const Make make, const Fetch fetch) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  for (std::int64_t s = 0; s < g.count; ++s) {
    const auto f = make(s);
    const std::int64_t base = s * g.stride;
    std::int64_t i = 0;
    if (g.length >= kWide) {
      if (kPast) {  // up to the start of a line
        const auto beyond = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(y + base) / sizeof(T)) % kLine;
        const std::int64_t before = beyond == 0 ? 0 : kLine - beyond;
        for (; i < before && i + kWide <= g.length; i += kWide) {
          store_wide(y + base + i, f.template operator()<Wide>(base + i, i));
        }
        i = i < before ? i : before;
      }
      const auto put = [&](std::int64_t j) {
        const Wide v = f.template operator()<Wide>(base + j, j);
        if constexpr (kPast) {
          stream(y + base + j, v);
        } else {
          store_wide(y + base + j, v);
        }
      };
      for (; i + kAtOnce * kWide <= g.length; i += kAtOnce * kWide) {
        fetch(base + i);
        for (int u = 0; u < kAtOnce; ++u) {
          put(i + u * kWide);
        }
      }
      for (; i + kWide <= g.length; i += kWide) {
        put(i);
      }
      if (i < g.length) {  // the last batch overlaps the one before
        i = g.length - kWide;
        store_wide(y + base + i, f.template operator()<Wide>(base + i, i));
        i = g.length;
      }
    }
    for (; i < g.length; ++i) {
      y[base + i] = static_cast<T>(f.template operator()<double>(base + i, i));
    }
  }
}

/// The same, while what lies `ahead` of each of `from` is fetched; 0: nothing is.
template <int kAtOnce, class T, class Make, class... From>
void map(const Segments& g, T* y, bool past, std::int64_t ahead, const Make& make, const From*... from) {
  const auto none = [](std::int64_t) {};
  const auto next = [=]([[maybe_unused]] std::int64_t i) { (prefetch(from + i, ahead), ...); };
  if (ahead == 0) {
    past ? map_segments<true, kAtOnce>(g, y, make, none) : map_segments<false, kAtOnce>(g, y, make, none);
  } else {
    past ? map_segments<true, kAtOnce>(g, y, make, next) : map_segments<false, kAtOnce>(g, y, make, next);
  }
}

/// More than one batch at a time where that leaves registers: with parameters that all elements share.
template <class G, class B>
inline constexpr int kMapBatches = std::is_same_v<G, Uniform>&& std::is_same_v<B, Uniform> ? 2 : 1;

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

/// Whether a pivot is so far from the mean that the correction costs digits that T has.
template <class T>
inline bool is_far(double pivot, const Moments& m) {
  constexpr double kDeviations = std::is_same_v<T, float> ? 1024.0 : 1.0;
  const double off = m.mean - pivot;
  return off * off > kDeviations * kDeviations * m.var;
}

/// The terms of the sums of x - pivot and of its square.
template <class T>
auto deviation_terms(const T* x, const Uniform& pivot) {
  return [=]<class V>(std::int64_t i, std::int64_t j, V(&sums)[2]) {
    const V d = difference(load_as<V>(x + i), pivot.at<V>(j));
    sums[0] += d;
    sums[1] = muladd(d, d, sums[1]);
  };
}

/// In one pass, around the first element; where that turns out to be far from the mean, in a second one around the
/// mean.
template <class T>
Moments moments_around(const T* x, const Segments& g, bool centre, const Uniform& pivot) {
  double deviations[2];
  reduce(g, deviation_terms(x, pivot), deviations);
  return finish_moments(pivot.value, deviations[0], deviations[1], g.size(), centre);
}
template <class T>
Uniform first_pivot(const T* x, const Segments& g, bool centre) {
  return {centre && g.count > 0 && g.length > 0 ? static_cast<double>(x[0]) : 0.0};
}
template <class T>
Moments moments_of(const T* x, const Segments& g, bool centre) {
  const Uniform pivot = first_pivot(x, g, centre);
  const Moments m = moments_around(x, g, centre, pivot);
  return centre && is_far<T>(pivot.value, m) ? moments_around(x, g, centre, {m.mean}) : m;
}

/// x - mean times the scale, plus beta: what a set makes of x where all its elements share gamma and beta.
struct SharedParams {
  Uniform scale, beta;  // scale = rstd * gamma

  template <class V>
  V scale_at(std::int64_t j) const {
    return scale.at<V>(j);
  }
  template <class V>
  V y(const V& d, std::int64_t j) const {
    return muladd(d, scale.at<V>(j), beta.at<V>(j));
  }
};
/// The same, to the last bit, with a gamma and a beta per element.
template <class R, class G, class B>
struct ElementParams {
  R rstd;
  G gamma;
  B beta;

  template <class V>
  V scale_at(std::int64_t j) const {
    return rstd.template at<V>(j) * gamma.template at<V>(j);
  }
  template <class V>
  V y(const V& d, std::int64_t j) const {
    return muladd(d, scale_at<V>(j), beta.template at<V>(j));
  }
};
template <class R, class G, class B>
auto params_of(const R& rstd, const G& gamma, const B& beta) {
  if constexpr (std::is_same_v<R, Uniform> && std::is_same_v<G, Uniform> && std::is_same_v<B, Uniform>) {
    return SharedParams{{rstd.value * gamma.value}, beta};
  } else {
    return ElementParams<R, G, B>{rstd, gamma, beta};
  }
}

/// y = activation(xhat * gamma + beta) over one set or a part of it; unless 0, what lies `ahead` of x is fetched
/// meanwhile.
template <class T, class A, class G, class B>
void normalise(const T* x, const Segments& g, const Statistic<Uniform>& stat, const G& gamma, const B& beta,
               const A& activation, T* y, bool past, std::int64_t ahead = 0) {
  map<kMapBatches<decltype(gamma.of_segment(0)), decltype(beta.of_segment(0))>>(
      g, y, past, ahead,
      [=](std::int64_t s) {
        const auto params = params_of(stat.rstd, gamma.of_segment(s), beta.of_segment(s));
        return [=]<class V>(std::int64_t i, std::int64_t j) {
          return activation.of_y(params.y(difference(load_as<V>(x + i), stat.mean.template at<V>(j)), j));
        };
      },
      x);
}

/// The two terms of gx that a whole set shares: gx = g * rstd + (x - mean) * slope + shift.
struct SetTerms {
  Uniform slope, shift;
};
inline SetTerms set_terms(double rstd, double sum_g, double sum_g_xhat, double n, bool centre) {
  return {{-rstd * (rstd * sum_g_xhat / n)}, {centre ? -rstd * sum_g / n : 0.0}};
}

/// gx over one set or a part of it. beta is looked at with an activation only.
template <class T, class A, class G, class B>
void input_gradient(const T* gy, const T* x, const Segments& g, const Statistic<Uniform>& stat, const G& gamma,
                    const B& beta, const A& activation, const SetTerms& terms, T* gx, bool past,
                    std::int64_t ahead = 0) {
  map<kMapBatches<decltype(gamma.of_segment(0)), decltype(beta.of_segment(0))>>(
      g, gx, past, ahead,
      [=](std::int64_t s) {
        const auto params = params_of(stat.rstd, gamma.of_segment(s), beta.of_segment(s));
        return [=]<class V>(std::int64_t i, std::int64_t j) {
          const V d = difference(load_as<V>(x + i), stat.mean.template at<V>(j));
          const V gyv = activation.of_gy(params.y(d, j), load_as<V>(gy + i));
          return muladd(gyv, params.template scale_at<V>(j),
                        muladd(d, terms.slope.template at<V>(j), terms.shift.template at<V>(j)));
        };
      },
      gy, x);
}

/// gx = gy * gamma * rstd, with given statistics.
template <class T>
void given_input_gradient(const T* gy, const Segments& g, const Uniform& rstd, const Uniform& gamma, T* gx, bool past) {
  const Uniform scale{rstd.value * gamma.value};
  map<kMapBatches<Uniform, Uniform>>(g, gx, past, 0, [=](std::int64_t) {
    return [=]<class V>(std::int64_t i, std::int64_t j) { return load_as<V>(gy + i) * scale.at<V>(j); };
  });
}

/// The terms of sum(gy) and of sum(gy * (x - mean)).
template <class T, class A, class P>
auto gradient_terms(const T* gy, const T* x, const Uniform& mean, const P& params, const A& activation) {
  return [=]<class V>(std::int64_t i, std::int64_t j, V(&sums)[2]) {
    const V d = difference(load_as<V>(x + i), mean.at<V>(j));
    const V g = activation.of_gy(params.y(d, j), load_as<V>(gy + i));
    sums[0] += g;
    sums[1] = muladd(g, d, sums[1]);
  };
}
/// Makes sum(gy * xhat) of the second sum. An empty set has no statistics.
inline void finish_gradient_sums(const Statistic<Uniform>& stat, double (&sums)[2]) {
  sums[1] = sums[1] == 0.0 ? 0.0 : sums[1] * stat.rstd.value;
}
/// sums = {sum(gy), sum(gy * xhat)} where all elements share gamma and beta.
template <class T, class A>
void gradient_sums(const T* gy, const T* x, const Segments& g, const Statistic<Uniform>& stat, const Uniform& gamma,
                   const Uniform& beta, const A& activation, double (&sums)[2]) {
  reduce(g, gradient_terms(gy, x, stat.mean, params_of(stat.rstd, gamma, beta), activation), sums);
  finish_gradient_sums(stat, sums);
}

template <class T>
T* from(T* p, std::int64_t c) {
  return p == nullptr ? nullptr : p + c;
}
template <class T>
double at_or(const T* p, std::int64_t i, double missing) {
  return p == nullptr ? missing : static_cast<double>(p[i]);
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
