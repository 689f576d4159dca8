#include "normgrad/core/kernels/norm/columns_simd.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

template <class T>
void column_moments(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t c, const Columns& columns) {
  const T* x = a.x + c;
  double pivots[Columns::kMax + kAccumulatorLanes];
  for (std::int64_t p = 0; p < columns.places(); ++p) {
    pivots[p] = a.center ? static_cast<double>(x[columns.at(p)]) : 0.0;
  }
  ColumnSums sums;
  column_deviations(g.batch, g.channels, columns, x, pivots, sums);
  for (std::int64_t p = 0; p < columns.places(); ++p) {
    const std::int64_t j = columns.at(p);
    Moments m = moments_from_sums(pivots[p], sums.first[p], sums.second[p], static_cast<double>(g.batch), a.center);
    if (a.center && is_far<T>(pivots[p], m)) {
      m = moments_around(x + j, Segments{g.batch, g.channels, 1}, a.center, {m.mean});
    }
    store_moments(a, c + j, m);
  }
}

template <class T>
void columns_forward(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t c, const Columns& columns) {
  if (!a.is_given()) {
    column_moments(g, a, c, columns);
  }
  if (a.y == nullptr) {
    return;
  }
  const Tile tile(columns, a.mean() + c, a.rstd() + c, from(a.gamma, c), from(a.beta, c));
  with_activation<T>(a.relu, [&](const auto& activation) {
    normalize_columns(g.batch, g.channels, columns, a.x + c, tile, activation, a.y + c);
  });
}

// sum(gy) and sum(gy * xhat) of the columns from c on, into gy[j] and gy_xhat[j].
template <class T>
void columns_sums(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t c, const Columns& columns,
                  double* gy, double* gy_xhat) {
  const Tile tile(columns, a.mean + c, a.rstd + c, from(a.gamma, c), from(a.beta, c));
  ColumnSums sums;
  with_activation<T>(a.relu, [&](const auto& activation) {
    column_gradients(g.batch, g.channels, columns, a.gy + c, a.x + c, tile, activation, sums);
  });
  for (std::int64_t p = 0; p < columns.places(); ++p) {
    const std::int64_t j = columns.at(p);
    gy[j] = sums.first[p];
    gy_xhat[j] = sums.second[p] * a.rstd[c + j];
  }
}

// gx of the columns from c on, given sum(gy) and sum(gy * xhat) over the whole sets, which have n elements. Null sums
// mean constant statistics.
template <class T>
void columns_gradient(const ChannelGeometry& g, const NormBackward<T>& a, const double* gy, const double* gy_xhat,
                      double n, std::int64_t c, const Columns& columns) {
  const Tile tile(columns, a.mean + c, a.rstd + c, from(a.gamma, c), from(a.beta, c));
  if (gy == nullptr) {
    columns_given_gradient(g.batch, g.channels, columns, a.gy + c, tile, a.gx + c);
    return;
  }
  double slopes[Columns::kMax + kAccumulatorLanes], shifts[Columns::kMax + kAccumulatorLanes];
  for (std::int64_t p = 0; p < columns.places(); ++p) {
    const std::int64_t j = columns.at(p);
    const double gamma = at_or(a.gamma, c + j, 1.0);
    const SetTerms terms = set_terms(a.rstd[c + j], gamma * gy[j], gamma * gy_xhat[j], n, a.center);
    slopes[p] = terms.slope;
    shifts[p] = terms.shift;
  }
  with_activation<T>(a.relu, [&](const auto& activation) {
    columns_input_gradient(g.batch, g.channels, columns, a.gy + c, a.x + c, tile, activation, slopes, shifts, a.gx + c);
  });
}

template <class T>
void columns_backward(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t c, const Columns& columns) {
  double gy[Columns::kMax], gy_xhat[Columns::kMax];
  if (!a.constant_statistics || a.ggamma != nullptr || a.gbeta != nullptr) {
    columns_sums(g, a, c, columns, gy, gy_xhat);
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
    columns_gradient(g, a, a.constant_statistics ? nullptr : gy, gy_xhat, static_cast<double>(g.batch), c, columns);
  }
}

// Adjacent channels of a sample are processed together, so that short ones cause no scattered memory access. Those of
// the whole batch fit in the cache.
constexpr std::int64_t kMaxTogether = 32;

Segments channel(const ChannelGeometry& g) { return {g.batch, g.channels * g.spatial, g.spatial}; }

// out[c] = the sums of the terms of make(c), for `size` channels.
template <class Make>
void reduce_channels(const ChannelGeometry& g, std::int64_t size, const Make& make, double (*out)[2]) {
  Sums<2> sums[kMaxTogether];
  for (std::int64_t n = 0; n < g.batch; ++n) {
    for (std::int64_t c = 0; c < size; ++c) {
      sums[c].add(n * g.channels * g.spatial, g.spatial, make(c));
    }
  }
  for (std::int64_t c = 0; c < size; ++c) {
    sums[c].total(out[c]);
  }
}

template <class T>
void channel_moments(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t first, std::int64_t size) {
  const Segments set = channel(g);
  const T* x = a.x + first * g.spatial;
  Uniform pivots[kMaxTogether];
  for (std::int64_t c = 0; c < size; ++c) {
    pivots[c] = first_pivot(x + c * g.spatial, set, a.center);
  }
  double deviations[kMaxTogether][2];
  reduce_channels(
      g, size, [&](std::int64_t c) { return deviation_terms(x + c * g.spatial, pivots[c]); }, deviations);
  for (std::int64_t c = 0; c < size; ++c) {
    Moments m = moments_from_sums(pivots[c].value, deviations[c][0], deviations[c][1], set.size(), a.center);
    if (a.center && is_far<T>(pivots[c].value, m)) {
      m = moments_around(x + c * g.spatial, set, a.center, {m.mean});
    }
    store_moments(a, first + c, m);
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

template <class Args>
void load_params(const Args& a, const double* mean, const double* rstd, std::int64_t first, std::int64_t size,
                 Statistic<Uniform>* stats, Uniform* gamma, Uniform* beta) {
  for (std::int64_t c = 0; c < size; ++c) {
    stats[c] = {{mean[first + c]}, {rstd[first + c]}};
    gamma[c].value = at_or(a.gamma, first + c, 1.0);
    beta[c].value = at_or(a.beta, first + c, 0.0);
  }
}

template <class T>
void channels_forward(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t first, std::int64_t size) {
  if (!a.is_given()) {
    channel_moments(g, a, first, size);
  }
  if (a.y == nullptr) {
    return;
  }
  Statistic<Uniform> stats[kMaxTogether];
  Uniform gamma[kMaxTogether];
  Uniform beta[kMaxTogether];
  load_params(a, a.mean(), a.rstd(), first, size, stats, gamma, beta);
  with_activation<T>(a.relu, [&](const auto& activation) {
    for_segments(g, first, size, [&](std::int64_t c, std::int64_t i, const Segments& segment) {
      normalize(a.x + i, segment, stats[c], gamma[c], beta[c], activation, a.y + i, a.non_temporal);
    });
  });
}

template <class T>
void channels_backward(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t first, std::int64_t size) {
  Statistic<Uniform> stats[kMaxTogether];
  Uniform gamma[kMaxTogether];
  Uniform beta[kMaxTogether];
  load_params(a, a.mean, a.rstd, first, size, stats, gamma, beta);
  with_activation<T>(a.relu, [&](const auto& activation) {
    double sums[kMaxTogether][2];
    if (!a.constant_statistics || a.ggamma != nullptr || a.gbeta != nullptr) {
      reduce_channels(
          g, size,
          [&](std::int64_t c) {
            return gradient_terms(a.gy + (first + c) * g.spatial, a.x + (first + c) * g.spatial, stats[c].mean,
                                  params_of(stats[c].rstd, gamma[c], beta[c]), activation);
          },
          sums);
      for (std::int64_t c = 0; c < size; ++c) {
        finish_gradient_sums(stats[c], sums[c]);
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
        given_input_gradient(a.gy + i, segment, stats[c].rstd, gamma[c], a.gx + i, a.non_temporal);
        return;
      }
      const SetTerms terms =
          set_terms(stats[c].rstd.value, gamma[c].value * sums[c][0], gamma[c].value * sums[c][1], n, a.center);
      input_gradient(a.gy + i, a.x + i, segment, stats[c], gamma[c], beta[c], activation, terms, a.gx + i,
                     a.non_temporal);
    });
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

template <class T>
void norm_channels_forward_task(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t begin,
                                std::int64_t end) {
  if (in_columns(g, begin, end)) {
    for_tiles(begin, end, [&](std::int64_t c, const Columns& columns) { columns_forward(g, a, c, columns); });
    return;
  }
  for_blocks(g, begin, end, [&](std::int64_t first, std::int64_t size) { channels_forward(g, a, first, size); });
  if (a.non_temporal) {
    store_fence();
  }
}

template <class T>
void norm_channels_backward_task(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                 std::int64_t end) {
  if (in_columns(g, begin, end)) {
    for_tiles(begin, end, [&](std::int64_t c, const Columns& columns) { columns_backward(g, a, c, columns); });
    return;
  }
  for_blocks(g, begin, end, [&](std::int64_t first, std::int64_t size) { channels_backward(g, a, first, size); });
  if (a.non_temporal) {
    store_fence();
  }
}

template <class T>
void norm_columns_sums_task(const ChannelGeometry& g, const NormBackward<T>& a, double* sums) {
  for_tiles(0, g.channels, [&](std::int64_t c, const Columns& columns) {
    columns_sums(g, a, c, columns, sums + c, sums + g.channels + c);
  });
}

template <class T>
void norm_columns_gradient_task(const ChannelGeometry& g, const NormBackward<T>& a, const double* sums, double n) {
  for_tiles(0, g.channels, [&](std::int64_t c, const Columns& columns) {
    columns_gradient(g, a, from(sums, c), from(sums, g.channels + c), n, c, columns);
  });
}

#define NORMGRAD_INSTANTIATE(T)                                                                              \
  template void norm_channels_forward_task<T>(const ChannelGeometry&, const NormForward<T>&, std::int64_t,   \
                                              std::int64_t);                                                 \
  template void norm_channels_backward_task<T>(const ChannelGeometry&, const NormBackward<T>&, std::int64_t, \
                                               std::int64_t);                                                \
  template void norm_columns_sums_task<T>(const ChannelGeometry&, const NormBackward<T>&, double*);          \
  template void norm_columns_gradient_task<T>(const ChannelGeometry&, const NormBackward<T>&, const double*, double);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
