#include "normgrad/core/kernels/norm/moments_simd.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Adjacent channels of a sample are processed together, so that short ones cause no scattered memory access. Those of
// the whole batch fit in the cache.
constexpr std::int64_t kMaxTogether = 32;

Segments channel(const ChannelGeometry& g) { return {g.batch, g.channels * g.spatial, g.spatial}; }

// out[c] = the sums of the terms of make(c), for `size` channels.
template <class R, class Few, class Make>
void reduce_channels(const ChannelGeometry& g, std::int64_t size, const Make& make, double (*out)[2]) {
  Sums<2, R> sums[kMaxTogether];
  for (std::int64_t n = 0; n < g.batch; ++n) {
    for (std::int64_t c = 0; c < size; ++c) {
      sums[c].template add<kUnroll<R>, Few>(n * g.channels * g.spatial, g.spatial, make(c));
    }
  }
  for (std::int64_t c = 0; c < size; ++c) {
    sums[c].total(out[c]);
  }
}

template <class R, class T>
void channel_moments(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t first, std::int64_t size) {
  const Segments set = channel(g);
  const T* x = a.x + first * g.spatial;
  Uniform pivots[kMaxTogether];
  for (std::int64_t c = 0; c < size; ++c) {
    pivots[c] = first_pivot<R>(x + c * g.spatial, set, a.center);
  }
  double deviations[kMaxTogether][2];
  reduce_channels<R, double>(
      g, size, [&](std::int64_t c) { return deviation_terms(x + c * g.spatial, pivots[c]); }, deviations);
  for (std::int64_t c = 0; c < size; ++c) {
    finish_moments<R>(a, first + c, x + c * g.spatial, set, pivots[c].value, deviations[c][0], deviations[c][1]);
  }
}

// Calls f(c, i, segment) for the channels of one sample after another; i is the first element of the channel.
template <class F>
void for_segments(const ChannelGeometry& g, std::int64_t first, std::int64_t size, const F& f) {
  for (std::int64_t n = 0; n < g.batch; ++n) {
    for (std::int64_t c = 0; c < size; ++c) {
      f(c, (n * g.channels + first + c) * g.spatial, Segments{1, 0, g.spatial});
    }
  }
}

// The statistics and parameters of channels that are processed together.
template <class R>
struct Together {
  Statistic<R> stats[kMaxTogether];
  Uniform gamma[kMaxTogether];
  Uniform beta[kMaxTogether];

  template <class Args>
  Together(const Args& a, const double* mean, const double* rstd, std::int64_t first, std::int64_t size) {
    for (std::int64_t c = 0; c < size; ++c) {
      stats[c] = {mean[first + c], rstd[first + c]};
      gamma[c].value = at_or(a.gamma, first + c, 1.0);
      beta[c].value = at_or(a.beta, first + c, 0.0);
    }
  }
};

// Calls f(first, size, R()) for `size` channels from `first` on if R suits all of them, or for each channel with the
// arithmetic that suits it.
template <class R, class F>
void in_suitable(const double* mean, const double* rstd, std::int64_t first, std::int64_t size, const F& f) {
  if constexpr (std::is_same_v<R, float>) {
    const bool all = suits<R>(mean + first, rstd + first, size);
    for (std::int64_t c = first; !all && c < first + size; ++c) {
      suits_float32(mean[c], rstd[c]) ? f(c, std::int64_t{1}, R()) : f(c, std::int64_t{1}, double());
    }
    if (!all) {
      return;
    }
  }
  f(first, size, R());
}

template <class R, class T>
void channels_forward(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t from_channel, std::int64_t n) {
  if (!a.is_given()) {
    channel_moments<R>(g, a, from_channel, n);
  }
  if (a.y == nullptr) {
    return;
  }
  in_suitable<R>(a.mean(), a.rstd(), from_channel, n, [&]<class S>(std::int64_t first, std::int64_t size, S) {
    const Together<S> of(a, a.mean(), a.rstd(), first, size);
    with_activation<T, S>(a.relu, [&](const auto& activation) {
      for_segments(g, first, size, [&](std::int64_t c, std::int64_t i, const Segments& segment) {
        normalize(a.x + i, segment, of.stats[c], of.gamma[c], of.beta[c], activation, a.y + i, a.non_temporal);
      });
    });
  });
}

// sums = {sum(gy), sum(gy * xhat)} of each channel. Sums that are not finite in float32 are computed in double.
template <class S, class T, class A>
void channel_sums_of(const ChannelGeometry& g, const NormBackward<T>& a, const Together<S>& of, const A& activation,
                     std::int64_t first, std::int64_t size, double (*sums)[2]) {
  const auto gy = [&](std::int64_t c) { return a.gy + (first + c) * g.spatial; };
  const auto x = [&](std::int64_t c) { return a.x + (first + c) * g.spatial; };
  reduce_channels<S, S>(
      g, size,
      [&](std::int64_t c) {
        return gradient_terms(gy(c), x(c), of.stats[c], params_of(of.stats[c], of.gamma[c], of.beta[c]), activation);
      },
      sums);
  for (std::int64_t c = 0; c < size; ++c) {
    if (std::is_same_v<S, float> && !are_finite(sums[c], 2)) {
      const Statistic<double> exact{of.stats[c].mean, of.stats[c].rstd};
      gradient_sums(gy(c), x(c), channel(g), exact, of.gamma[c], of.beta[c], activation.in_double(), sums[c]);
    } else {
      finish_gradient_sums(of.stats[c], sums[c]);
    }
  }
}

template <class S, class T, class A>
void channels_backward_in(const ChannelGeometry& g, const NormBackward<T>& a, const A& activation, std::int64_t first,
                          std::int64_t size) {
  const Together<S> of(a, a.mean, a.rstd, first, size);
  double sums[kMaxTogether][2];
  if (!a.constant_statistics || a.ggamma != nullptr || a.gbeta != nullptr) {
    channel_sums_of(g, a, of, activation, first, size, sums);
    for (std::int64_t c = 0; c < size; ++c) {
      if (a.ggamma != nullptr) {
        a.ggamma[first + c] = static_cast<T>(sums[c][1]);
      }
      if (a.gbeta != nullptr) {
        a.gbeta[first + c] = static_cast<T>(sums[c][0]);
      }
    }
  }
  if (a.gx == nullptr) {
    return;
  }
  const auto n = static_cast<double>(g.count());
  for_segments(g, first, size, [&](std::int64_t c, std::int64_t i, const Segments& segment) {
    if (a.constant_statistics) {
      given_input_gradient(a.gy + i, segment, of.stats[c], of.gamma[c], a.gx + i, a.non_temporal);
      return;
    }
    const double gamma = of.gamma[c].value;
    const SetTerms terms = set_terms(of.stats[c].rstd, gamma * sums[c][0], gamma * sums[c][1], n, a.center);
    input_gradient(a.gy + i, a.x + i, segment, of.stats[c], of.gamma[c], of.beta[c], activation, terms, a.gx + i,
                   a.non_temporal);
  });
}

template <class R, class T>
void channels_backward(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t from_channel, std::int64_t n) {
  in_suitable<R>(a.mean, a.rstd, from_channel, n, [&]<class S>(std::int64_t first, std::int64_t size, S) {
    with_activation<T, S>(a.relu,
                          [&](const auto& activation) { channels_backward_in<S>(g, a, activation, first, size); });
  });
}

// Calls f(first, size) for blocks of channels that are processed together.
template <class F>
void for_blocks(const ChannelGeometry& g, std::int64_t begin, std::int64_t end, const F& f) {
  const std::int64_t together = g.together() < kMaxTogether ? g.together() : kMaxTogether;
  for (std::int64_t c = begin; c < end; c += together) {
    f(c, end - c < together ? end - c : together);
  }
}

}  // namespace

template <class T, class R>
void norm_channels_forward_task(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t begin,
                                std::int64_t end) {
  for_blocks(g, begin, end, [&](std::int64_t first, std::int64_t size) { channels_forward<R>(g, a, first, size); });
  if (a.non_temporal) {
    store_fence();
  }
}

template <class T, class R>
void norm_channels_backward_task(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                 std::int64_t end) {
  for_blocks(g, begin, end, [&](std::int64_t first, std::int64_t size) { channels_backward<R>(g, a, first, size); });
  if (a.non_temporal) {
    store_fence();
  }
}

#define NORMGRAD_INSTANTIATE(T, R)                                                                              \
  template void norm_channels_forward_task<T, R>(const ChannelGeometry&, const NormForward<T>&, std::int64_t,   \
                                                 std::int64_t);                                                 \
  template void norm_channels_backward_task<T, R>(const ChannelGeometry&, const NormBackward<T>&, std::int64_t, \
                                                  std::int64_t);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
