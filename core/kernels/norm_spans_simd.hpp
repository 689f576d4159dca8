// Short spans that lie one after the other: kWide of them are as many batches as a span has elements, so that every
// batch is loaded, computed and stored once, those that two spans share too. For norm_rows_*.simd.cpp only.
#pragma once

#include "normgrad/core/kernels/norm_rows_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// Calls whole(c, j) for the batches of elements from j on that belong to span c, 0 <= c < kWide, and
/// shared(c, j, n) for those of which the first n belong to span c, the others to the next, or, after a span that ends
/// with a batch, ended(c); span >= kWide.
template <class Whole, class Shared, class Ended>
inline void for_batches_of_spans(std::int64_t span, const Whole whole, const Shared shared, const Ended ended) {
  std::int64_t j = 0;
  for (std::int64_t c = 0; c < kWide; ++c) {
    const std::int64_t end = (c + 1) * span;
    for (; j + kWide <= end; j += kWide) {
      whole(c, j);
    }
    if (j < end) {
      shared(c, j, end - j);
      j += kWide;
    } else {
      ended(c);
    }
  }
}

/// What kWide spans make of x - mean: see SharedParams.
struct SpanParams {
  double scale[kWide];
  double beta[kWide];

  template <class T>
  SpanParams(const T* gammas, const T* betas, std::int64_t first, double rstd) {
    store_wide(scale, Wide(rstd) * (gammas == nullptr ? Wide(1.0) : load_wide(gammas + first)));
    store_wide(beta, betas == nullptr ? Wide(0.0) : load_wide(betas + first));
  }
};

/// The parameters of one batch.
struct BatchParams {
  Wide scale, beta;

  BatchParams(const SpanParams& p, std::int64_t c) : scale(p.scale[c]), beta(p.beta[c]) {}
  /// The first n lanes are of span c, the others of the next.
  BatchParams(const SpanParams& p, std::int64_t c, std::int64_t n)
      : scale(choose(lanes_from(n), Wide(p.scale[c + 1]), Wide(p.scale[c]))),
        beta(choose(lanes_from(n), Wide(p.beta[c + 1]), Wide(p.beta[c]))) {}
};

/// y[j] = f(j, params) for the elements of kWide spans; what lies `ahead` of each of `from` is fetched, unless 0.
template <bool kPast, class T, class F, class... From>
void map_spans(std::int64_t span, const SpanParams p, T* y, std::int64_t ahead, const F f, const From*... from) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  for (std::int64_t j = 0; ahead != 0 && j < kWide * span; j += kLine) {
    (prefetch(from + j, ahead), ...);
  }
  const auto put = [=](std::int64_t j, const BatchParams& params) {
    const Wide v = f(j, params);
    if constexpr (kPast) {
      stream(y + j, v);
    } else {
      store_wide(y + j, v);
    }
  };
  for_batches_of_spans(
      span, [=, &p](std::int64_t c, std::int64_t j) { put(j, BatchParams(p, c)); },
      [=, &p](std::int64_t c, std::int64_t j, std::int64_t n) { put(j, BatchParams(p, c, n)); }, [](std::int64_t) {});
}
template <class T>
bool takes_streams(const T* y, bool past) {
  return past && reinterpret_cast<std::uintptr_t>(y) % (kWide * sizeof(T)) == 0;
}

/// y = activation(xhat * gamma + beta) for kWide spans.
template <class T, class A>
void normalise_spans(std::int64_t span, const T* x, const Statistic<Uniform>& stat, const SpanParams& p,
                     const A& activation, T* y, bool past, std::int64_t ahead) {
  const auto f = [=, mean = Wide(stat.mean.value)](std::int64_t j, const BatchParams& params) {
    return activation.of_y(muladd(difference(load_wide(x + j), mean), params.scale, params.beta));
  };
  takes_streams(y, past) ? map_spans<true>(span, p, y, ahead, f, x) : map_spans<false>(span, p, y, ahead, f, x);
}

/// gx of kWide spans; see input_gradient.
template <class T, class A>
void spans_input_gradient(std::int64_t span, const T* gy, const T* x, const Statistic<Uniform>& stat,
                          const SpanParams& p, const A& activation, const SetTerms& terms, T* gx, bool past,
                          std::int64_t ahead) {
  const auto f = [=, mean = Wide(stat.mean.value), slope = Wide(terms.slope.value), shift = Wide(terms.shift.value)](
                     std::int64_t j, const BatchParams& params) {
    const Wide d = difference(load_wide(x + j), mean);
    const Wide gyv = activation.of_gy(muladd(d, params.scale, params.beta), load_wide(gy + j));
    return muladd(gyv, params.scale, muladd(d, slope, shift));
  };
  takes_streams(gx, past) ? map_spans<true>(span, p, gx, ahead, f, gy, x)
                          : map_spans<false>(span, p, gx, ahead, f, gy, x);
}

/// A sum per span.
struct SpanSums {
  Wide gy;    ///< sum(gy)
  Wide gy_d;  ///< sum(gy * (x - mean))
};
template <class T, class A>
SpanSums spans_gradient_sums(std::int64_t span, const T* gy, const T* x, double mean, const SpanParams& p,
                             const A& activation) {
  WideHalf of_gy[kWide];
  WideHalf of_gy_d[kWide];
  Wide sum(0.0);
  Wide sum_d(0.0);
  const auto finish = [&](std::int64_t c, const Wide& last, const Wide& last_d) {
    of_gy[c] = last.low + last.high;
    of_gy_d[c] = last_d.low + last_d.high;
  };
  const auto deviation = [x, mean = Wide(mean)](std::int64_t j) { return difference(load_wide(x + j), mean); };
  const auto gradient = [&](std::int64_t j, const Wide& d, const BatchParams& params) {
    return activation.of_gy(muladd(d, params.scale, params.beta), load_wide(gy + j));
  };
  for_batches_of_spans(
      span,
      [&](std::int64_t c, std::int64_t j) {
        const Wide d = deviation(j);
        const Wide g = gradient(j, d, BatchParams(p, c));
        sum += g;
        sum_d = muladd(g, d, sum_d);
      },
      [&](std::int64_t c, std::int64_t j, std::int64_t n) {
        const Wide d = deviation(j);
        const Wide g = gradient(j, d, BatchParams(p, c, n));
        const Wide g_d = g * d;
        const Wide next = lanes_from(n);
        const Wide none(0.0);
        finish(c, sum + choose(next, none, g), sum_d + choose(next, none, g_d));
        sum = choose(next, g, none);
        sum_d = choose(next, g_d, none);
      },
      [&](std::int64_t c) {
        finish(c, sum, sum_d);
        sum = sum_d = Wide(0.0);
      });
  SpanSums sums;
  for (std::int64_t half = 0; half < kWide; half += kHalf) {
    WideHalf four[kHalf];
    WideHalf four_d[kHalf];
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
