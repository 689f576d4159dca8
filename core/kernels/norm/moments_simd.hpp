// Building blocks of the norm kernels: moments, and sums and maps over sets of elements. Only for the *.simd.cpp files
// in this folder.
//
// An expression f(i, j) is a generic lambda over V, which is Accumulator, or double for shorter lengths. i indexes the
// data; j is the index within the segment, which selects per-element parameters. All computation is in double: y and gx
// are rounded once, when stored.
#pragma once

#include <cstdint>
#include <type_traits>

#include "normgrad/core/kernels/norm/formulas_simd.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// The elements of a set: `count` runs of `length` contiguous elements, `stride` apart.
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
    return load_accumulator(p);
  }
}
/// A number shared by all elements of a set.
struct Uniform {
  double value;
  Uniform of_segment(std::int64_t) const { return *this; }
  template <class V>
  V at(std::int64_t) const {
    return V(value);
  }
};
/// A number per segment; `missing` if p is null.
template <class T>
struct PerSegment {
  const T* p;
  double missing;
  Uniform of_segment(std::int64_t s) const { return {p == nullptr ? missing : static_cast<double>(p[s])}; }
};
/// A number per index within the segment.
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

/// No activation: y and gy are unchanged.
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
/// ReLU of y as stored in T: y, and with it gy, is 0 unless y is above 0. NaN propagates.
template <class T>
struct Rectified {
  static constexpr double kMin =
      std::is_same_v<T, float> ? 0x1p-150 : 0.0;  // this rounds to 0 as a float, anything above does not

  template <class V>
  V of_y(const V& y) const {
    return zero_unless_above(V(kMin), y, y);
  }
  template <class V>
  V of_gy(const V& y, const V& gy) const {
    return zero_unless_above(V(kMin), y, gy);
  }
};
/// Calls f(activation).
template <class T, class F>
void with_activation(bool relu, const F& f) {
  relu ? f(Rectified<T>()) : f(NoActivation());
}

/// Batches summed in parallel, so that none waits for the one before.
inline constexpr int kUnroll = sizeof(Batch<double>) == 64 ? 4 : 2;

/// Sums over consecutive segments.
template <int K>
struct Sums {
  Accumulator lanes[K];
  double singles[K] = {};

  Sums() {
    for (int k = 0; k < K; ++k) {
      lanes[k] = Accumulator(0.0);
    }
  }

  /// Adds the terms that f(base + j, j, sums) adds to sums[k], for all j of a segment.
  template <int kSums = kUnroll, class F>
  void add(std::int64_t base, std::int64_t length, const F& f) {
    if (length < kAccumulatorLanes) {
      for (std::int64_t j = 0; j < length; ++j) {
        f.template operator()<double>(base + j, j, singles);
      }
      return;
    }
    Accumulator sums[kSums][K];
    for (int u = 0; u < kSums; ++u) {
      for (int k = 0; k < K; ++k) {
        sums[u][k] = Accumulator(0.0);
      }
    }
    std::int64_t j = 0;
    for (; j + kSums * kAccumulatorLanes <= length; j += kSums * kAccumulatorLanes) {
      for (int u = 0; u < kSums; ++u) {
        f.template operator()<Accumulator>(base + j + u * kAccumulatorLanes, j + u * kAccumulatorLanes, sums[u]);
      }
    }
    for (; j + kAccumulatorLanes <= length; j += kAccumulatorLanes) {
      f.template operator()<Accumulator>(base + j, j, sums[0]);
    }
    if (j < length) {  // the last batch overlaps the one before
      Accumulator v[K];
      for (int k = 0; k < K; ++k) {
        v[k] = Accumulator(0.0);
      }
      f.template operator()<Accumulator>(base + length - kAccumulatorLanes, length - kAccumulatorLanes, v);
      for (int k = 0; k < K; ++k) {
        sums[kSums - 1][k] += clear_first(v[k], j + kAccumulatorLanes - length);
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

/// out[k] = the sum of the terms that f(i, j, sums) adds to sums[k], over all elements.
template <int kSums = kUnroll, int K, class F>
void reduce(const Segments& g, const F& f, double (&out)[K]) {
  Sums<K> sums;
  for (std::int64_t s = 0; s < g.count; ++s) {
    sums.template add<kSums>(s * g.stride, g.length, f);
  }
  sums.total(out);
}

/// y[i] = f(i, j) for all elements, where make(s) returns the f of segment s. y must not overlap the inputs of f.
/// kPast: uses non-temporal stores. kAtOnce: batches per step; fetch(i) is called once per step. All arguments are
/// passed by value: data behind a reference would be reloaded after every store.
template <bool kPast, int kAtOnce, class T, class Make, class Fetch>
void map_segments(const Segments g, T* y, const Make make, const Fetch fetch) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  for (std::int64_t s = 0; s < g.count; ++s) {
    const auto f = make(s);
    const std::int64_t base = s * g.stride;
    std::int64_t i = 0;
    if (g.length >= kAccumulatorLanes) {
      if (kPast) {  // up to the start of a cache line
        const auto beyond = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(y + base) / sizeof(T)) % kLine;
        const std::int64_t before = beyond == 0 ? 0 : kLine - beyond;
        for (; i < before && i + kAccumulatorLanes <= g.length; i += kAccumulatorLanes) {
          store_accumulator(y + base + i, f.template operator()<Accumulator>(base + i, i));
        }
        i = i < before ? i : before;
      }
      const auto put = [&](std::int64_t j) {
        const Accumulator v = f.template operator()<Accumulator>(base + j, j);
        if constexpr (kPast) {
          stream(y + base + j, v);
        } else {
          store_accumulator(y + base + j, v);
        }
      };
      for (; i + kAtOnce * kAccumulatorLanes <= g.length; i += kAtOnce * kAccumulatorLanes) {
        fetch(base + i);
        for (int u = 0; u < kAtOnce; ++u) {
          put(i + u * kAccumulatorLanes);
        }
      }
      for (; i + kAccumulatorLanes <= g.length; i += kAccumulatorLanes) {
        put(i);
      }
      if (i < g.length) {  // the last batch overlaps the one before
        i = g.length - kAccumulatorLanes;
        store_accumulator(y + base + i, f.template operator()<Accumulator>(base + i, i));
        i = g.length;
      }
    }
    for (; i < g.length; ++i) {
      y[base + i] = static_cast<T>(f.template operator()<double>(base + i, i));
    }
  }
}

/// map_segments() with prefetching: fetches the elements `ahead` of each of `from`; 0 disables it.
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

/// Several batches per step if registers permit: for parameters that all elements share.
template <class G, class B>
inline constexpr int kMapBatches = std::is_same_v<G, Uniform>&& std::is_same_v<B, Uniform> ? 2 : 1;

/// Whether the pivot is so far from the mean that the correction loses digits that T has.
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
    add_deviation(d, sums[0], sums[1]);
  };
}

/// Stores the moments of set i.
template <class T>
void store_moments(const NormForward<T>& a, std::int64_t i, const Moments& m) {
  a.computed.mean[i] = m.mean;
  a.computed.rstd[i] = rstd_of(m.var, a.eps);
  if (a.computed.var != nullptr) {
    a.computed.var[i] = m.var;
  }
}

/// Moments in one pass around a pivot. moments_of() uses the first element, and repeats the pass around the mean if
/// that element is far from it.
template <class T>
Moments moments_around(const T* x, const Segments& g, bool center, const Uniform& pivot) {
  double deviations[2];
  reduce(g, deviation_terms(x, pivot), deviations);
  return moments_from_sums(pivot.value, deviations[0], deviations[1], g.size(), center);
}
template <class T>
Uniform first_pivot(const T* x, const Segments& g, bool center) {
  return {center && g.count > 0 && g.length > 0 ? static_cast<double>(x[0]) : 0.0};
}
template <class T>
Moments moments_of(const T* x, const Segments& g, bool center) {
  const Uniform pivot = first_pivot(x, g, center);
  const Moments m = moments_around(x, g, center, pivot);
  return center && is_far<T>(pivot.value, m) ? moments_around(x, g, center, {m.mean}) : m;
}

/// y from x - mean, where all elements of the set share gamma and beta: (x - mean) * scale + beta.
struct SharedParams {
  Uniform scale, beta;  // scale = rstd * gamma

  template <class V>
  V scale_at(std::int64_t j) const {
    return scale.at<V>(j);
  }
  template <class V>
  V y(const V& d, std::int64_t j) const {
    return output_of(d, scale.at<V>(j), beta.at<V>(j));
  }
};
/// As above, to the last bit, with a gamma and a beta per element.
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
    return output_of(d, scale_at<V>(j), beta.template at<V>(j));
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

/// y = activation(xhat * gamma + beta) over a set or a part of it. Prefetches x `ahead` elements ahead; 0 disables it.
template <class T, class A, class G, class B>
void normalize(const T* x, const Segments& g, const Statistic<Uniform>& stat, const G& gamma, const B& beta,
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

/// gx over a set or a part of it. beta is used only with an activation.
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
          return input_gradient_of(gyv, params.template scale_at<V>(j), d, V(terms.slope), V(terms.shift));
        };
      },
      gy, x);
}

/// gx = gy * gamma * rstd, for given statistics.
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
    add_gradient(g, d, sums[0], sums[1]);
  };
}
/// Turns the second sum into sum(gy * xhat). An empty set has no statistics.
inline void finish_gradient_sums(const Statistic<Uniform>& stat, double (&sums)[2]) {
  sums[1] = sums[1] == 0.0 ? 0.0 : sums[1] * stat.rstd.value;
}
/// sums = {sum(gy), sum(gy * xhat)}, where all elements share gamma and beta.
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
