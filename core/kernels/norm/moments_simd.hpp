// The moments of a set of elements, its normalization and its gradients. R is the arithmetic: float or double. Only for
// the *.simd.cpp files in this folder.
#pragma once

#include "normgrad/core/kernels/norm/passes_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// Whether the pivot is so far from the mean that the correction loses digits that T, or sums in R, have.
template <class T, class R>
inline bool is_far(double pivot, const Moments& m) {
  constexpr double kDeviations = std::is_same_v<R, float> ? 2.0 : (std::is_same_v<T, float> ? 1024.0 : 1.0);
  const double off = m.mean - pivot;
  return off * off > kDeviations * kDeviations * m.var;
}
/// A pivot must be a number in R: then the deviations of large numbers from it are exact.
template <class R>
inline double as_pivot(double v) {
  return static_cast<double>(static_cast<R>(v));
}

/// The terms of the sums of x - pivot and of its square.
template <class T>
auto deviation_terms(const T* x, const Uniform& pivot) {
  return [=]<class V>(std::int64_t i, std::int64_t j, V(&sums)[2]) {
    const V d = difference(load_as<V>(x + i), pivot.at<V>(j));
    add_deviation(d, sums[0], sums[1]);
  };
}
/// sums = those of the deviations and of their squares, in batches of V. Few elements are summed in double, because the
/// errors of few do not average out.
inline constexpr double kFewElements = 128;
template <class R, class V = Lanes<R>, class T>
void deviation_sums(const T* x, const Segments& g, const Uniform& pivot, double (&sums)[2]) {
  if (std::is_same_v<R, float> && g.size() <= kFewElements) {
    reduce<double>(g, deviation_terms(x, pivot), sums);
    return;
  }
  reduce<R, kUnroll<R>, double, V>(g, deviation_terms(x, pivot), sums);
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

/// Moments in one pass around a pivot. moments_of() uses an element, or in float32 the mean of the first few, and
/// repeats the pass around the mean if the pivot is far from it.
template <class R, class T>
Moments moments_around(const T* x, const Segments& g, bool center, const Uniform& pivot) {
  double deviations[2];
  deviation_sums<R>(x, g, pivot, deviations);
  return moments_from_sums(pivot.value, deviations[0], deviations[1], g.size(), center);
}
/// The elements whose mean is a pivot in float32. Fewer would be farther from the mean of all, and the sums less exact.
inline constexpr std::int64_t kPivotElements = 8;
static_assert(kPivotElements % kAccumulatorLanes == 0);
template <class R, class T>
Uniform first_pivot(const T* x, const Segments& g, bool center) {
  if (!center || g.count == 0 || g.length == 0) {
    return {0.0};
  }
  if (std::is_same_v<R, float> && g.length >= kPivotElements) {
    Accumulator sum = load_accumulator(x);
    for (std::int64_t i = kAccumulatorLanes; i < kPivotElements; i += kAccumulatorLanes) {
      sum += load_accumulator(x + i);
    }
    return {as_pivot<R>(sum_lanes(sum) * (1.0 / static_cast<double>(kPivotElements)))};
  }
  if (std::is_same_v<R, float> && g.count > 1) {
    const std::int64_t few = smaller(g.count, kPivotElements);
    double sum = 0.0;
    for (std::int64_t s = 0; s < few; ++s) {
      sum += static_cast<double>(x[s * g.stride + s % g.length]);
    }
    return {as_pivot<R>(sum / static_cast<double>(few))};
  }
  return {static_cast<double>(x[0])};
}
template <class T>
Moments moments_in_double(const T* x, const Segments& g, bool center);
template <class R, class T>
[[gnu::noinline]] Moments moments_again(const T* x, const Segments& g, bool center, const Moments& first) {
  const Moments m = center ? moments_around<R>(x, g, center, {as_pivot<R>(first.mean)}) : first;
  if constexpr (std::is_same_v<R, float>) {
    return is_exact_in_float32(m.var) ? m : moments_in_double(x, g, center);
  } else {
    return m;
  }
}
/// The moments of a set from those around its first pivot.
template <class R, class T>
Moments corrected_moments(const T* x, const Segments& g, bool center, double pivot, const Moments& m) {
  const bool far = center && is_far<T, R>(pivot, m);
  return far || (std::is_same_v<R, float> && !is_exact_in_float32(m.var)) ? moments_again<R>(x, g, center, m) : m;
}
template <class R, class T>
Moments moments_of(const T* x, const Segments& g, bool center) {
  const Uniform pivot = first_pivot<R>(x, g, center);
  return corrected_moments<R>(x, g, center, pivot.value, moments_around<R>(x, g, center, pivot));
}
template <class T>
Moments moments_in_double(const T* x, const Segments& g, bool center) {
  return moments_of<double>(x, g, center);
}
/// Computes and stores the moments of set i, the elements g of x, from the sums of their deviations from a pivot and of
/// the squares of these. Inlined, because a call takes noticeable time where sets are short.
template <class R, class T>
[[gnu::always_inline]] inline void finish_moments(const NormForward<T>& a, std::int64_t i, const T* x,
                                                  const Segments& g, double pivot, double sum, double squares) {
  const Moments m = moments_from_sums(pivot, sum, squares, g.size(), a.center);
  store_moments(a, i, corrected_moments<R>(x, g, a.center, pivot, m));
}

/// y from d, where all elements of the set share gamma and beta: d * scale + addend, with scale = rstd * gamma.
template <class R>
struct SharedParams {
  R scale, addend;

  SharedParams() = default;
  SharedParams(const Statistic<R>& stat, double gamma, double beta) {
    const double exact = stat.rstd * gamma;
    scale = static_cast<R>(exact);
    addend = static_cast<R>(stat.shared_addend(exact, beta));
  }
  template <class V>
  V scale_at(std::int64_t /*j*/) const {
    return V(scale);
  }
  template <class V>
  V y(const V& d, std::int64_t /*j*/) const {
    return output_of(d, V(scale), V(addend));
  }
};
/// As above, with a gamma and a beta per element.
template <class R, class G, class B>
struct ElementParams {
  Statistic<R> stat;
  G gamma;
  B beta;

  template <class V>
  V scale_at(std::int64_t j) const {
    return stat.scaled(gamma.template at<V>(j));
  }
  template <class V>
  V y(const V& d, std::int64_t j) const {
    const V scale = scale_at<V>(j);
    return output_of(d, scale, stat.addend(scale, beta.template at<V>(j)));
  }
};
template <class R, class G, class B>
auto params_of(const Statistic<R>& stat, const G& gamma, const B& beta) {
  if constexpr (std::is_same_v<G, Uniform> && std::is_same_v<B, Uniform>) {
    return SharedParams<R>(stat, gamma.value, beta.value);
  } else {
    return ElementParams<R, G, B>{stat, gamma, beta};
  }
}

/// y = activation(xhat * gamma + beta) over a set or a part of it. Prefetches x `ahead` elements ahead; 0 disables it.
template <class R, class T, class A, class G, class B>
void normalize(const T* x, const Segments& g, const Statistic<R>& stat, const G& gamma, const B& beta,
               const A& activation, T* y, bool past, std::int64_t ahead = 0) {
  const R mean = stat.mean_part();
  map<R, kMapBatches<decltype(gamma.of_segment(0)), decltype(beta.of_segment(0))>>(
      g, y, past, ahead,
      [=](std::int64_t s) {
        const auto params = params_of(stat, gamma.of_segment(s), beta.of_segment(s));
        return [=]<class V>(std::int64_t i, std::int64_t j) {
          return activation.of_y(params.y(difference(load_as<V>(x + i), V(mean)), j));
        };
      },
      x);
}

/// gx over a set or a part of it. beta is used only with an activation.
template <class R, class T, class A, class G, class B>
void input_gradient(const T* gy, const T* x, const Segments& g, const Statistic<R>& stat, const G& gamma, const B& beta,
                    const A& activation, const SetTerms& terms, T* gx, bool past, std::int64_t ahead = 0) {
  const SetTerms of_elements = stat.element_terms(terms);
  const auto slope = static_cast<R>(of_elements.slope);
  const auto shift = static_cast<R>(of_elements.shift);
  const R mean = stat.mean_part();
  map<R, kMapBatches<decltype(gamma.of_segment(0)), decltype(beta.of_segment(0))>>(
      g, gx, past, ahead,
      [=](std::int64_t s) {
        const auto params = params_of(stat, gamma.of_segment(s), beta.of_segment(s));
        return [=]<class V>(std::int64_t i, std::int64_t j) {
          const V d = difference(load_as<V>(x + i), V(mean));
          const V gyv = activation.of_gy(params.y(d, j), load_as<V>(gy + i));
          return input_gradient_of(gyv, params.template scale_at<V>(j), d, V(slope), V(shift));
        };
      },
      gy, x);
}

/// gx = gy * gamma * rstd, for given statistics.
template <class R, class T>
void given_input_gradient(const T* gy, const Segments& g, const Statistic<R>& stat, const Uniform& gamma, T* gx,
                          bool past) {
  const auto scale = static_cast<R>(stat.rstd * gamma.value);
  map<R, kMapBatches<Uniform, Uniform>>(g, gx, past, 0, [=](std::int64_t) {
    return [=]<class V>(std::int64_t i, std::int64_t) { return load_as<V>(gy + i) * V(scale); };
  });
}

/// The terms of sum(gy) and of sum(gy * d).
template <class R, class T, class A, class P>
auto gradient_terms(const T* gy, const T* x, const Statistic<R>& stat, const P& params, const A& activation) {
  return [=, mean = stat.mean_part()]<class V>(std::int64_t i, std::int64_t j, V(&sums)[2]) {
    const V d = difference(load_as<V>(x + i), V(mean));
    const V g = activation.of_gy(params.y(d, j), load_as<V>(gy + i));
    add_gradient(g, d, sums[0], sums[1]);
  };
}
/// Turns the second sum into sum(gy * xhat). An empty set has no statistics.
template <class R>
void finish_gradient_sums(const Statistic<R>& stat, double (&sums)[2]) {
  const double centered = stat.centered(sums[0], sums[1]);
  sums[1] = centered == 0.0 ? 0.0 : centered * stat.rstd;
}
/// sums = {sum(gy), sum(gy * xhat)}, where all elements share gamma and beta.
template <class R, class T, class A>
void gradient_sums(const T* gy, const T* x, const Segments& g, const Statistic<R>& stat, const Uniform& gamma,
                   const Uniform& beta, const A& activation, double (&sums)[2]) {
  reduce<R>(g, gradient_terms(gy, x, stat, params_of(stat, gamma, beta), activation), sums);
  if constexpr (std::is_same_v<R, float>) {
    if (!are_finite(sums, 2)) {
      const Statistic<double> exact{stat.mean, stat.rstd};
      gradient_sums(gy, x, g, exact, gamma, beta, activation.in_double(), sums);
      return;
    }
  }
  finish_gradient_sums(stat, sums);
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
