#include "normgrad/core/kernels/norm/columns_simd.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// sum(gy) and sum(gy * xhat) are in gy[j] and gy_xhat[j] for column j of those processed together.

// The pivots of columns. In float32, the mean of the first rows.
template <class R, class T>
void column_pivots(const ChannelGeometry& g, const T* x, bool center, const Columns& columns, R* pivots) {
  const std::int64_t rows = std::is_same_v<R, float> && g.batch >= kAccumulatorLanes ? kAccumulatorLanes : 1;
  const Accumulator weight(center ? 1.0 / static_cast<double>(rows) : 0.0);
  for (std::int64_t b = 0; b < columns.batches(); ++b) {
    const T* first = x + columns.first(b);
    Accumulator sum = load_accumulator(first);
    for (std::int64_t r = 1; r < rows; ++r) {
      sum += load_accumulator(first + r * g.channels);
    }
    store_accumulator(pivots + b * kAccumulatorLanes, center ? sum * weight : Accumulator(0.0));
  }
}

template <class R, class T>
void column_moments(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t c, const Columns& columns) {
  const T* x = a.x + c;
  R pivots[Tile<R>::kPlaces];
  column_pivots(g, x, a.center, columns, pivots);
  ColumnSums sums;
  column_deviations<R>(g.batch, g.channels, columns, x, pivots, sums);
  for (std::int64_t p = 0; p < columns.places(); ++p) {
    const std::int64_t j = columns.at(p);
    const auto pivot = static_cast<double>(pivots[p]);
    const Moments m = moments_from_sums(pivot, sums.first[p], sums.second[p], static_cast<double>(g.batch), a.center);
    store_moments(a, c + j, corrected_moments<R>(x + j, Segments{g.batch, g.channels, 1}, a.center, pivot, m));
  }
}

// Calls f(j, stat, gamma, beta) for the columns c + j that R does not suit, in double.
template <class R, class Args, class F>
void for_unsuited(const Args& a, const double* mean, const double* rstd, std::int64_t c, const Columns& columns,
                  const F& f) {
  if (suits<R>(mean + c, rstd + c, columns.width)) {
    return;
  }
  for (std::int64_t j = 0; j < columns.width; ++j) {
    if (!suits_float32(mean[c + j], rstd[c + j])) {
      f(j, Statistic<double>{mean[c + j], rstd[c + j]}, Uniform{at_or(a.gamma, c + j, 1.0)},
        Uniform{at_or(a.beta, c + j, 0.0)});
    }
  }
}
Segments column_of(const ChannelGeometry& g) { return {g.batch, g.channels, 1}; }

template <class R, class T>
void columns_forward(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t c, const Columns& columns) {
  if (!a.is_given()) {
    column_moments<R>(g, a, c, columns);
  }
  if (a.y == nullptr) {
    return;
  }
  const Tile<R> tile(columns, a.mean() + c, a.rstd() + c, from(a.gamma, c), from(a.beta, c));
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    normalize_columns(g.batch, g.channels, columns, a.x + c, tile, activation, a.y + c);
    for_unsuited<R>(a, a.mean(), a.rstd(), c, columns,
                    [&](std::int64_t j, const auto& stat, const Uniform& gamma, const Uniform& beta) {
                      normalize(a.x + c + j, column_of(g), stat, gamma, beta, activation.in_double(), a.y + c + j,
                                false);
                    });
  });
}

template <class R, class T>
void columns_sums(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t c, const Columns& columns,
                  double* gy, double* gy_xhat) {
  const Tile<R> tile(columns, a.mean + c, a.rstd + c, from(a.gamma, c), from(a.beta, c));
  ColumnSums sums;
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    column_gradients(g.batch, g.channels, columns, a.gy + c, a.x + c, tile, activation, sums);
    for (std::int64_t p = 0; p < columns.places(); ++p) {
      const std::int64_t j = columns.at(p);
      const Statistic<R> stat{a.mean[c + j], a.rstd[c + j]};
      gy[j] = sums.first[p];
      gy_xhat[j] = stat.centered(sums.first[p], sums.second[p]) * stat.rstd;
    }
    for_unsuited<R>(a, a.mean, a.rstd, c, columns,
                    [&](std::int64_t j, const auto& stat, const Uniform& gamma, const Uniform& beta) {
                      double exact[2];
                      gradient_sums(a.gy + c + j, a.x + c + j, column_of(g), stat, gamma, beta, activation.in_double(),
                                    exact);
                      gy[j] = exact[0];
                      gy_xhat[j] = exact[1];
                    });
  });
}

// gx of the columns from c on, given the sums over the whole sets, which have n elements. Null sums mean constant
// statistics.
template <class R, class T>
void columns_gradient(const ChannelGeometry& g, const NormBackward<T>& a, const double* gy, const double* gy_xhat,
                      double n, std::int64_t c, const Columns& columns) {
  const Tile<R> tile(columns, a.mean + c, a.rstd + c, from(a.gamma, c), from(a.beta, c));
  if (gy == nullptr) {
    columns_given_gradient(g.batch, g.channels, columns, a.gy + c, tile, a.gx + c);
    for_unsuited<R>(a, a.mean, a.rstd, c, columns,
                    [&](std::int64_t j, const auto& stat, const Uniform& gamma, const Uniform&) {
                      given_input_gradient(a.gy + c + j, column_of(g), stat, gamma, a.gx + c + j, false);
                    });
    return;
  }
  const auto terms_of = [&](std::int64_t j) {
    const double gamma = at_or(a.gamma, c + j, 1.0);
    return set_terms(a.rstd[c + j], gamma * gy[j], gamma * gy_xhat[j], n, a.center);
  };
  TileTerms<R> of_tile;
  for (std::int64_t p = 0; p < columns.places(); ++p) {
    const std::int64_t j = columns.at(p);
    of_tile.set(p, Statistic<R>{a.mean[c + j], a.rstd[c + j]}, terms_of(j));
  }
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    columns_input_gradient(g.batch, g.channels, columns, a.gy + c, a.x + c, tile, activation, of_tile, a.gx + c);
    for_unsuited<R>(a, a.mean, a.rstd, c, columns,
                    [&](std::int64_t j, const auto& stat, const Uniform& gamma, const Uniform& beta) {
                      input_gradient(a.gy + c + j, a.x + c + j, column_of(g), stat, gamma, beta, activation.in_double(),
                                     terms_of(j), a.gx + c + j, false);
                    });
  });
}

template <class R, class T>
void columns_backward(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t c, const Columns& columns) {
  double gy[Columns::kMax], gy_xhat[Columns::kMax];
  if (!a.constant_statistics || a.ggamma != nullptr || a.gbeta != nullptr) {
    columns_sums<R>(g, a, c, columns, gy, gy_xhat);
    for (std::int64_t j = 0; j < columns.width; ++j) {
      if (a.ggamma != nullptr) {
        a.ggamma[c + j] = static_cast<T>(gy_xhat[j]);
      }
      if (a.gbeta != nullptr) {
        a.gbeta[c + j] = static_cast<T>(gy[j]);
      }
    }
  }
  if (a.gx != nullptr) {
    columns_gradient<R>(g, a, a.constant_statistics ? nullptr : gy, gy_xhat, static_cast<double>(g.batch), c, columns);
  }
}

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
    const Moments m = moments_from_sums(pivots[c].value, deviations[c][0], deviations[c][1], set.size(), a.center);
    store_moments(a, first + c, corrected_moments<R>(x + c * g.spatial, set, a.center, pivots[c].value, m));
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

// Whether [begin, end) is processed as columns of a matrix [N, C].
bool in_columns(const ChannelGeometry& g, std::int64_t begin, std::int64_t end) {
  return g.spatial == 1 && end - begin >= kAccumulatorLanes && g.batch > 0;
}

}  // namespace

template <class T, class R>
void norm_channels_forward_task(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t begin,
                                std::int64_t end) {
  if (in_columns(g, begin, end)) {
    for_tiles(begin, end, [&](std::int64_t c, const Columns& columns) { columns_forward<R>(g, a, c, columns); });
    return;
  }
  for_blocks(g, begin, end, [&](std::int64_t first, std::int64_t size) { channels_forward<R>(g, a, first, size); });
  if (a.non_temporal) {
    store_fence();
  }
}

template <class T, class R>
void norm_channels_backward_task(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                 std::int64_t end) {
  if (in_columns(g, begin, end)) {
    for_tiles(begin, end, [&](std::int64_t c, const Columns& columns) { columns_backward<R>(g, a, c, columns); });
    return;
  }
  for_blocks(g, begin, end, [&](std::int64_t first, std::int64_t size) { channels_backward<R>(g, a, first, size); });
  if (a.non_temporal) {
    store_fence();
  }
}

template <class T, class R>
void norm_columns_sums_task(const ChannelGeometry& g, const NormBackward<T>& a, double* sums) {
  for_tiles(0, g.channels, [&](std::int64_t c, const Columns& columns) {
    columns_sums<R>(g, a, c, columns, sums + c, sums + g.channels + c);
  });
}

template <class T, class R>
void norm_columns_gradient_task(const ChannelGeometry& g, const NormBackward<T>& a, const double* sums, double n) {
  for_tiles(0, g.channels, [&](std::int64_t c, const Columns& columns) {
    columns_gradient<R>(g, a, from(sums, c), from(sums, g.channels + c), n, c, columns);
  });
}

#define NORMGRAD_INSTANTIATE(T, R)                                                                              \
  template void norm_channels_forward_task<T, R>(const ChannelGeometry&, const NormForward<T>&, std::int64_t,   \
                                                 std::int64_t);                                                 \
  template void norm_channels_backward_task<T, R>(const ChannelGeometry&, const NormBackward<T>&, std::int64_t, \
                                                  std::int64_t);                                                \
  template void norm_columns_sums_task<T, R>(const ChannelGeometry&, const NormBackward<T>&, double*);          \
  template void norm_columns_gradient_task<T, R>(const ChannelGeometry&, const NormBackward<T>&, const double*, double);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
