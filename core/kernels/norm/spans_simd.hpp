// Contiguous short runs (spans), each with its own parameter. kAccumulatorLanes runs make as many batches as a run has
// elements, so every batch is loaded, computed and stored once, including those shared by two runs. Only for
// rows_*.simd.cpp.
#pragma once

#include "normgrad/core/kernels/norm/rows_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// Calls whole(c, j) for the batches from element j on that belong to run c, 0 <= c < kAccumulatorLanes. Calls
/// shared(c, j, n) for batches whose first n elements belong to run c and the others to the next, and ended(c) after a
/// run that ends with a batch. span, the length of a run, is >= kAccumulatorLanes.
template <class Whole, class Shared, class Ended>
inline void for_batches_of_spans(std::int64_t span, const Whole whole, const Shared shared, const Ended ended) {
  std::int64_t j = 0;
  for (std::int64_t c = 0; c < kAccumulatorLanes; ++c) {
    const std::int64_t end = (c + 1) * span;
    for (; j + kAccumulatorLanes <= end; j += kAccumulatorLanes) {
      whole(c, j);
    }
    if (j < end) {
      shared(c, j, end - j);
      j += kAccumulatorLanes;
    } else {
      ended(c);
    }
  }
}

/// The parameters of kAccumulatorLanes runs; see SharedParams.
template <class R>
struct SpanParams {
  R scale[kAccumulatorLanes];
  R addend[kAccumulatorLanes];

  template <class T>
  SpanParams(const T* gammas, const T* betas, std::int64_t first, const Statistic<R>& stat) {
    const Accumulator exact =
        Accumulator(stat.rstd) * (gammas == nullptr ? Accumulator(1.0) : load_accumulator(gammas + first));
    const Accumulator beta = betas == nullptr ? Accumulator(0.0) : load_accumulator(betas + first);
    store_accumulator(scale, exact);
    store_accumulator(addend, stat.shared_addend(exact, beta));
  }
};

/// The parameters of one batch.
template <class R>
struct BatchParams {
  using V = Lanes<R>;
  V scale, addend;

  BatchParams(const SpanParams<R>& p, std::int64_t c) : scale(p.scale[c]), addend(p.addend[c]) {}
  /// The first n lanes belong to run c, the others to the next.
  BatchParams(const SpanParams<R>& p, std::int64_t c, std::int64_t n)
      : scale(choose(mask_from<V>(n), V(p.scale[c + 1]), V(p.scale[c]))),
        addend(choose(mask_from<V>(n), V(p.addend[c + 1]), V(p.addend[c]))) {}
};

/// y[j] = f(j, params) for the elements of kAccumulatorLanes runs. Prefetches `from` by `ahead` elements; 0 disables
/// it.
template <bool kPast, class R, class T, class F, class... From>
void map_spans(std::int64_t span, const SpanParams<R> p, T* y, std::int64_t ahead, const F f, const From*... from) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  for (std::int64_t j = 0; ahead != 0 && j < kAccumulatorLanes * span; j += kLine) {
    (prefetch(from + j, ahead), ...);
  }
  const auto put = [=](std::int64_t j, const BatchParams<R>& params) {
    const Lanes<R> v = f(j, params);
    if constexpr (kPast) {
      stream(y + j, v);
    } else {
      store_lanes(y + j, v);
    }
  };
  for_batches_of_spans(
      span, [=, &p](std::int64_t c, std::int64_t j) { put(j, BatchParams<R>(p, c)); },
      [=, &p](std::int64_t c, std::int64_t j, std::int64_t n) { put(j, BatchParams<R>(p, c, n)); },
      [](std::int64_t) {});
}
template <class T>
bool takes_streams(const T* y, bool past) {
  return past && reinterpret_cast<std::uintptr_t>(y) % (kAccumulatorLanes * sizeof(T)) == 0;
}

/// y = activation(xhat * gamma + beta) for kAccumulatorLanes runs.
template <class R, class T, class A>
void normalize_spans(std::int64_t span, const T* x, const Statistic<R>& stat, const SpanParams<R>& p,
                     const A& activation, T* y, bool past, std::int64_t ahead) {
  using V = Lanes<R>;
  const auto f = [=, mean = V(stat.mean_part())](std::int64_t j, const BatchParams<R>& params) {
    return activation.of_y(output_of(difference(load_lanes<V>(x + j), mean), params.scale, params.addend));
  };
  takes_streams(y, past) ? map_spans<true>(span, p, y, ahead, f, x) : map_spans<false>(span, p, y, ahead, f, x);
}

/// gx of kAccumulatorLanes runs; see input_gradient().
template <class R, class T, class A>
void spans_input_gradient(std::int64_t span, const T* gy, const T* x, const Statistic<R>& stat, const SpanParams<R>& p,
                          const A& activation, const SetTerms& terms, T* gx, bool past, std::int64_t ahead) {
  using V = Lanes<R>;
  const SetTerms of_elements = stat.element_terms(terms);
  const auto f = [=, mean = V(stat.mean_part()), slope = number<V>(of_elements.slope),
                  shift = number<V>(of_elements.shift)](std::int64_t j, const BatchParams<R>& params) {
    const V d = difference(load_lanes<V>(x + j), mean);
    const V gyv = activation.of_gy(output_of(d, params.scale, params.addend), load_lanes<V>(gy + j));
    return input_gradient_of(gyv, params.scale, d, slope, shift);
  };
  takes_streams(gx, past) ? map_spans<true>(span, p, gx, ahead, f, gy, x)
                          : map_spans<false>(span, p, gx, ahead, f, gy, x);
}

/// One sum per run.
struct SpanSums {
  Accumulator gy;    ///< sum(gy)
  Accumulator gy_d;  ///< sum(gy * (x - mean))
};
/// Lane i is the sum of the lanes of parts[i].
inline Accumulator add_each_half(const AccumulatorHalf (&parts)[kAccumulatorLanes]) {
  AccumulatorHalf first[kHalf];
  AccumulatorHalf second[kHalf];
  for (std::int64_t c = 0; c < kHalf; ++c) {
    first[c] = parts[c];
    second[c] = parts[kHalf + c];
  }
  return {add_each(first), add_each(second)};
}
template <class R, class T, class A>
SpanSums spans_gradient_sums(std::int64_t span, const T* gy, const T* x, const Statistic<R>& stat,
                             const SpanParams<R>& p, const A& activation) {
  using V = Lanes<R>;
  AccumulatorHalf of_gy[kAccumulatorLanes];
  AccumulatorHalf of_gy_d[kAccumulatorLanes];
  const V none = number<V>(0.0);
  V sum = none;
  V sum_d = none;
  const auto finish = [&](std::int64_t c, const V& last, const V& last_d) {
    of_gy[c] = halves_added(last);
    of_gy_d[c] = halves_added(last_d);
  };
  const auto deviation = [x, mean = V(stat.mean_part())](std::int64_t j) {
    return difference(load_lanes<V>(x + j), mean);
  };
  const auto gradient = [&](std::int64_t j, const V& d, const BatchParams<R>& params) {
    return activation.of_gy(output_of(d, params.scale, params.addend), load_lanes<V>(gy + j));
  };
  for_batches_of_spans(
      span,
      [&](std::int64_t c, std::int64_t j) {
        const V d = deviation(j);
        const V g = gradient(j, d, BatchParams<R>(p, c));
        add_gradient(g, d, sum, sum_d);
      },
      [&](std::int64_t c, std::int64_t j, std::int64_t n) {
        const V d = deviation(j);
        const V g = gradient(j, d, BatchParams<R>(p, c, n));
        const V g_d = g * d;
        const V next = mask_from<V>(n);
        finish(c, sum + choose(next, none, g), sum_d + choose(next, none, g_d));
        sum = choose(next, g, none);
        sum_d = choose(next, g_d, none);
      },
      [&](std::int64_t c) {
        finish(c, sum, sum_d);
        sum = none;
        sum_d = none;
      });
  const Accumulator total = add_each_half(of_gy);
  return {total, stat.centered(total, add_each_half(of_gy_d))};
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
