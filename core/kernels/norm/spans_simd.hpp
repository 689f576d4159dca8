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
struct SpanParams {
  double scale[kAccumulatorLanes];
  double beta[kAccumulatorLanes];

  template <class T>
  SpanParams(const T* gammas, const T* betas, std::int64_t first, double rstd) {
    store_accumulator(scale,
                      Accumulator(rstd) * (gammas == nullptr ? Accumulator(1.0) : load_accumulator(gammas + first)));
    store_accumulator(beta, betas == nullptr ? Accumulator(0.0) : load_accumulator(betas + first));
  }
};

/// The parameters of one batch.
struct BatchParams {
  Accumulator scale, beta;

  BatchParams(const SpanParams& p, std::int64_t c) : scale(p.scale[c]), beta(p.beta[c]) {}
  /// The first n lanes belong to run c, the others to the next.
  BatchParams(const SpanParams& p, std::int64_t c, std::int64_t n)
      : scale(choose(lanes_from(n), Accumulator(p.scale[c + 1]), Accumulator(p.scale[c]))),
        beta(choose(lanes_from(n), Accumulator(p.beta[c + 1]), Accumulator(p.beta[c]))) {}
};

/// y[j] = f(j, params) for the elements of kAccumulatorLanes runs. Prefetches `from` by `ahead` elements; 0 disables
/// it.
template <bool kPast, class T, class F, class... From>
void map_spans(std::int64_t span, const SpanParams p, T* y, std::int64_t ahead, const F f, const From*... from) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  for (std::int64_t j = 0; ahead != 0 && j < kAccumulatorLanes * span; j += kLine) {
    (prefetch(from + j, ahead), ...);
  }
  const auto put = [=](std::int64_t j, const BatchParams& params) {
    const Accumulator v = f(j, params);
    if constexpr (kPast) {
      stream(y + j, v);
    } else {
      store_accumulator(y + j, v);
    }
  };
  for_batches_of_spans(
      span, [=, &p](std::int64_t c, std::int64_t j) { put(j, BatchParams(p, c)); },
      [=, &p](std::int64_t c, std::int64_t j, std::int64_t n) { put(j, BatchParams(p, c, n)); }, [](std::int64_t) {});
}
template <class T>
bool takes_streams(const T* y, bool past) {
  return past && reinterpret_cast<std::uintptr_t>(y) % (kAccumulatorLanes * sizeof(T)) == 0;
}

/// y = activation(xhat * gamma + beta) for kAccumulatorLanes runs.
template <class T, class A>
void normalize_spans(std::int64_t span, const T* x, const Statistic<Uniform>& stat, const SpanParams& p,
                     const A& activation, T* y, bool past, std::int64_t ahead) {
  const auto f = [=, mean = Accumulator(stat.mean.value)](std::int64_t j, const BatchParams& params) {
    return activation.of_y(output_of(difference(load_accumulator(x + j), mean), params.scale, params.beta));
  };
  takes_streams(y, past) ? map_spans<true>(span, p, y, ahead, f, x) : map_spans<false>(span, p, y, ahead, f, x);
}

/// gx of kAccumulatorLanes runs; see input_gradient().
template <class T, class A>
void spans_input_gradient(std::int64_t span, const T* gy, const T* x, const Statistic<Uniform>& stat,
                          const SpanParams& p, const A& activation, const SetTerms& terms, T* gx, bool past,
                          std::int64_t ahead) {
  const auto f = [=, mean = Accumulator(stat.mean.value), slope = Accumulator(terms.slope),
                  shift = Accumulator(terms.shift)](std::int64_t j, const BatchParams& params) {
    const Accumulator d = difference(load_accumulator(x + j), mean);
    const Accumulator gyv = activation.of_gy(output_of(d, params.scale, params.beta), load_accumulator(gy + j));
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
template <class T, class A>
SpanSums spans_gradient_sums(std::int64_t span, const T* gy, const T* x, double mean, const SpanParams& p,
                             const A& activation) {
  AccumulatorHalf of_gy[kAccumulatorLanes];
  AccumulatorHalf of_gy_d[kAccumulatorLanes];
  Accumulator sum(0.0);
  Accumulator sum_d(0.0);
  const auto finish = [&](std::int64_t c, const Accumulator& last, const Accumulator& last_d) {
    of_gy[c] = last.low + last.high;
    of_gy_d[c] = last_d.low + last_d.high;
  };
  const auto deviation = [x, mean = Accumulator(mean)](std::int64_t j) {
    return difference(load_accumulator(x + j), mean);
  };
  const auto gradient = [&](std::int64_t j, const Accumulator& d, const BatchParams& params) {
    return activation.of_gy(output_of(d, params.scale, params.beta), load_accumulator(gy + j));
  };
  for_batches_of_spans(
      span,
      [&](std::int64_t c, std::int64_t j) {
        const Accumulator d = deviation(j);
        const Accumulator g = gradient(j, d, BatchParams(p, c));
        add_gradient(g, d, sum, sum_d);
      },
      [&](std::int64_t c, std::int64_t j, std::int64_t n) {
        const Accumulator d = deviation(j);
        const Accumulator g = gradient(j, d, BatchParams(p, c, n));
        const Accumulator g_d = g * d;
        const Accumulator next = lanes_from(n);
        const Accumulator none(0.0);
        finish(c, sum + choose(next, none, g), sum_d + choose(next, none, g_d));
        sum = choose(next, g, none);
        sum_d = choose(next, g_d, none);
      },
      [&](std::int64_t c) {
        finish(c, sum, sum_d);
        sum = sum_d = Accumulator(0.0);
      });
  SpanSums sums;
  for (std::int64_t half = 0; half < kAccumulatorLanes; half += kHalf) {
    AccumulatorHalf four[kHalf];
    AccumulatorHalf four_d[kHalf];
    for (std::int64_t c = 0; c < kHalf; ++c) {
      four[c] = of_gy[half + c];
      four_d[c] = of_gy_d[half + c];
    }
    (half == 0 ? sums.gy.low : sums.gy.high) = add_each(four);
    (half == 0 ? sums.gy_d.low : sums.gy_d.high) = add_each(four_d);
  }
  return sums;
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
