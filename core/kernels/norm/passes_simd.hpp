// Building blocks of the norm kernels: sums and maps over sets of elements. Only for the *.simd.cpp files
// in this folder.
//
// R is the arithmetic: float or double. An expression f(i, j) is a generic lambda over V, which is Lanes<R>, for some
// sums LongLanes<R>, or R for shorter lengths. i indexes the data; j is the index within the segment, which selects
// per-element parameters. In double, y and gx are rounded once, when stored. In float, sums are folded into doubles
// after short runs.
#pragma once

#include <cstdint>
#include <type_traits>

#include "normgrad/core/kernels/norm/formulas.hpp"
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
    return load_lanes<V>(p);
  }
}
/// A number in the arithmetic of V.
template <class V>
inline V number(double value) {
  if constexpr (std::is_same_v<V, double> || std::is_same_v<V, Accumulator>) {
    return V(value);
  } else {
    return V(static_cast<float>(value));
  }
}
/// A number shared by all elements of a set.
struct Uniform {
  double value;
  Uniform of_segment(std::int64_t) const { return *this; }
  template <class V>
  V at(std::int64_t) const {
    return number<V>(value);
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

/// No activation: y and gy are unchanged.
struct NoActivation {
  static NoActivation in_double() { return {}; }
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
template <class T, class R>
struct Rectified {
  static constexpr double kMin = std::is_same_v<T, float> && std::is_same_v<R, double>
                                     ? 0x1p-150  // this rounds to 0 as a float, anything above does not
                                     : 0.0;

  static Rectified<T, double> in_double() { return {}; }
  template <class V>
  V of_y(const V& y) const {
    return zero_unless_above(number<V>(kMin), y, y);
  }
  template <class V>
  V of_gy(const V& y, const V& gy) const {
    return zero_unless_above(number<V>(kMin), y, gy);
  }
};
/// Calls f(activation).
template <class T, class R, class F>
void with_activation(bool relu, const F& f) {
  relu ? f(Rectified<T, R>()) : f(NoActivation());
}

/// Batches summed in parallel, so that none waits for the one before.
template <class R>
inline constexpr int kUnroll = std::is_same_v<R, float> || sizeof(Batch<double>) == 64 ? 4 : 2;
/// Batches that each of these adds up in float32 before the sum is folded into doubles.
inline constexpr int kRun = 8;

/// Minimum length of a row that is processed in LongLanes. For shorter ones, the last steps and adding up the lanes
/// cost more than the others save.
inline constexpr std::int64_t kMinForLong = 256;

/// Sums over consecutive segments.
template <int K, class R>
struct Sums {
  Accumulator lanes[K];
  double singles[K] = {};

  Sums() { clear(lanes); }

  /// Adds the terms that f(base + j, j, sums) adds to sums[k], for all j of a segment, in batches of V. Few is the
  /// arithmetic of segments shorter than a batch.
  template <int kSums = kUnroll<R>, class Few = R, class V = Lanes<R>, class F>
  void add(std::int64_t base, std::int64_t length, const F& f) {
    constexpr std::int64_t kBatch = kCountOf<V>;
    if (length < kBatch) {
      add_few<Few>(base, length, f);
      return;
    }
    V sums[kSums][K];
    std::int64_t j = 0;
    const auto step = [&] {
      for (int u = 0; u < kSums; ++u) {
        f.template operator()<V>(base + j + u * kBatch, j + u * kBatch, sums[u]);
      }
      j += kSums * kBatch;
    };
    clear_each(sums);
    if constexpr (std::is_same_v<R, float>) {
      while (j + kRun * kSums * kBatch <= length) {
        for (int run = 0; run < kRun; ++run) {
          step();
        }
        fold(sums);
        clear_each(sums);
      }
    }
    while (j + kSums * kBatch <= length) {
      step();
    }
    for (; j + kBatch <= length; j += kBatch) {
      f.template operator()<V>(base + j, j, sums[0]);
    }
    if (j < length) {  // the last batch overlaps the one before
      V v[K];
      clear(v);
      f.template operator()<V>(base + length - kBatch, length - kBatch, v);
      for (int k = 0; k < K; ++k) {
        sums[kSums - 1][k] += clear_first(v[k], j + kBatch - length);
      }
    }
    fold(sums);
  }

  void total(double (&out)[K]) const {
    for (int k = 0; k < K; ++k) {
      out[k] = singles[k] + sum_lanes(lanes[k]);
    }
  }

 private:
  template <class V>
  static void clear(V (&sums)[K]) {
    for (int k = 0; k < K; ++k) {
      sums[k] = number<V>(0.0);
    }
  }
  template <class V, int kSums>
  static void clear_each(V (&sums)[kSums][K]) {
    for (int u = 0; u < kSums; ++u) {
      clear(sums[u]);
    }
  }
  template <int kSums>
  void fold(const Accumulator (&sums)[kSums][K]) {
    for (int k = 0; k < K; ++k) {
      for (int u = 0; u < kSums; ++u) {
        lanes[k] += sums[u][k];
      }
    }
  }
  template <int kSums, class V>
  void fold(const V (&sums)[kSums][K]) {
    static_assert(kSums == 2 || kSums == 4);
    for (int k = 0; k < K; ++k) {
      if constexpr (kSums == 4) {
        lanes[k] += folded(sums[0][k] + sums[1][k]) + folded(sums[2][k] + sums[3][k]);
      } else {
        lanes[k] += folded(sums[0][k]) + folded(sums[1][k]);
      }
    }
  }
  template <class Few, class F>
  void add_few(std::int64_t base, std::int64_t length, const F& f) {
    if constexpr (std::is_same_v<Few, double>) {
      for (std::int64_t j = 0; j < length; ++j) {
        f.template operator()<double>(base + j, j, singles);
      }
    } else {
      Few few[K] = {};
      for (std::int64_t j = 0; j < length; ++j) {
        f.template operator()<Few>(base + j, j, few);
      }
      for (int k = 0; k < K; ++k) {
        singles[k] += static_cast<double>(few[k]);
      }
    }
  }
};

/// out[k] = the sum of the terms that f(i, j, sums) adds to sums[k], over all elements.
template <class R, int kSums = kUnroll<R>, class Few = R, class V = Lanes<R>, int K, class F>
void reduce(const Segments& g, const F& f, double (&out)[K]) {
  Sums<K, R> sums;
  for (std::int64_t s = 0; s < g.count; ++s) {
    sums.template add<kSums, Few, V>(s * g.stride, g.length, f);
  }
  sums.total(out);
}

/// y[i] = f(i, j) for all elements, where make(s) returns the f of segment s. y must not overlap the inputs of f.
/// kPast: uses non-temporal stores. kAtOnce: batches per step; fetch(i) is called once per step. All arguments are
/// passed by value: data behind a reference would be reloaded after every store.
template <class R, bool kPast, int kAtOnce, class T, class Make, class Fetch>
void map_segments(const Segments g, T* y, const Make make, const Fetch fetch) {
  using V = Lanes<R>;
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
          store_lanes(y + base + i, f.template operator()<V>(base + i, i));
        }
        i = i < before ? i : before;
      }
      const auto put = [&](std::int64_t j) {
        const V v = f.template operator()<V>(base + j, j);
        if constexpr (kPast) {
          stream(y + base + j, v);
        } else {
          store_lanes(y + base + j, v);
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
        store_lanes(y + base + i, f.template operator()<V>(base + i, i));
        i = g.length;
      }
    }
    for (; i < g.length; ++i) {
      y[base + i] = static_cast<T>(f.template operator()<R>(base + i, i));
    }
  }
}

/// map_segments() with prefetching: fetches the elements `ahead` of each of `from`; 0 disables it.
template <class R, int kAtOnce, class T, class Make, class... From>
void map(const Segments& g, T* y, bool past, std::int64_t ahead, const Make& make, const From*... from) {
  const auto none = [](std::int64_t) {};
  const auto next = [=]([[maybe_unused]] std::int64_t i) { (prefetch(from + i, ahead), ...); };
  if (ahead == 0) {
    past ? map_segments<R, true, kAtOnce>(g, y, make, none) : map_segments<R, false, kAtOnce>(g, y, make, none);
  } else {
    past ? map_segments<R, true, kAtOnce>(g, y, make, next) : map_segments<R, false, kAtOnce>(g, y, make, next);
  }
}

/// Several batches per step if registers permit: for parameters that all elements share.
template <class G, class B>
inline constexpr int kMapBatches = std::is_same_v<G, Uniform>&& std::is_same_v<B, Uniform> ? 2 : 1;

inline bool are_finite(const double* sums, std::int64_t n) {
  bool all = true;
  for (std::int64_t i = 0; i < n; ++i) {
    all = all && __builtin_isfinite(sums[i]) != 0;
  }
  return all;
}
/// Whether R suits sets with these statistics.
template <class R>
bool suits(const double* means, const double* rstds, std::int64_t n) {
  int unsuited = 0;
  for (std::int64_t i = 0; std::is_same_v<R, float> && i < n; ++i) {
    unsuited += suits_float32(means[i], rstds[i]) ? 0 : 1;
  }
  return unsuited == 0;
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
