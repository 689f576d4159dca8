#include "normgrad/core/kernels/norm/columns_simd.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Per-channel terms of a sample.
struct Channels {
  double *mean, *rstd, *slope, *shift;

  Channels(double* p, std::int64_t n) : mean(p), rstd(p + n), slope(p + 2 * n), shift(p + 3 * n) {}
  void set_statistics(const double* means, const double* rstds, std::int64_t groups, std::int64_t per_group) const {
    for (std::int64_t g = 0; g < groups; ++g) {
      for (std::int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
        mean[c] = means[g];
        rstd[c] = rstds[g];
      }
    }
  }
  template <class R, class T>
  Tile<R> tile(std::int64_t c, const Columns& columns, const T* gamma, const T* beta) const {
    return Tile<R>(columns, mean + c, rstd + c, from(gamma, c), from(beta, c));
  }
};

// Computes sums[c] and sums[channels + c] over the positions of one sample; add(c, columns, sums) computes those of the
// columns from c on.
template <class F>
void sum_columns(const ChannelsLastGeometry& g, const F& add, double* sums) {
  for_tiles(0, g.channels, [&](std::int64_t c, const Columns& columns) {
    ColumnSums of_tile;
    add(c, columns, of_tile);
    for (std::int64_t p = 0; p < columns.places(); ++p) {
      sums[c + columns.at(p)] = of_tile.first[p];
      sums[g.channels + c + columns.at(p)] = of_tile.second[p];
    }
  });
}

double sum_range(const double* p, std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    sum += p[i];
  }
  return sum;
}

// Stores the moments of the groups of one sample in mean, rstd and var.
template <class R, class T>
void sample_moments(const ChannelsLastGeometry& g, const T* x, const NormForward<T>& a, std::int64_t first,
                    double* sums, double* pivots) {
  const std::int64_t per_group = g.per_group();
  const Segments set{g.positions, g.channels, per_group};
  for (std::int64_t c = 0; c < g.channels; c += per_group) {
    const double pivot = first_pivot<R>(x + c, set, a.center).value;
    for (std::int64_t j = c; j < c + per_group; ++j) {
      pivots[j] = pivot;
    }
  }
  sum_columns(
      g,
      [=](std::int64_t c, const Columns& columns, ColumnSums& of_tile) {
        R of_places[Tile<R>::kPlaces];
        for (std::int64_t p = 0; p < columns.places(); ++p) {
          of_places[p] = static_cast<R>(pivots[c + columns.at(p)]);
        }
        column_deviations<R>(g.positions, g.channels, columns, x + c, of_places, of_tile);
      },
      sums);
  for (std::int64_t group = 0; group < g.groups; ++group) {
    const std::int64_t c = group * per_group;
    finish_moments<R>(a, first + group, x + c, set, pivots[c], sum_range(sums + c, per_group),
                      sum_range(sums + g.channels + c, per_group));
  }
}

// Computes slope and shift of each column from the sums of one sample, and adds the affine gradients to `partial`.
template <class T>
void finish_sums(const ChannelsLastGeometry& g, const NormBackward<T>& a, std::int64_t first, double* sums,
                 const Channels& channels, double* partial) {
  const std::int64_t per_group = g.per_group();
  const double n = static_cast<double>(g.positions) * static_cast<double>(per_group);
  for (std::int64_t group = 0; group < g.groups; ++group) {
    double sum_g = 0.0;
    double sum_g_xhat = 0.0;
    for (std::int64_t c = group * per_group; c < (group + 1) * per_group; ++c) {
      const double gamma = at_or(a.gamma, c, 1.0);
      const double gy_xhat = sums[g.channels + c] * channels.rstd[c];
      sum_g += gamma * sums[c];
      sum_g_xhat += gamma * gy_xhat;
      if (partial != nullptr) {
        partial[c] += gy_xhat;
        partial[g.channels + c] += sums[c];
      }
    }
    const SetTerms terms = set_terms(a.rstd[first + group], sum_g, sum_g_xhat, n, a.center);
    for (std::int64_t c = group * per_group; c < (group + 1) * per_group; ++c) {
      channels.slope[c] = terms.slope;
      channels.shift[c] = terms.shift;
    }
  }
}

template <class R, class T>
void normalize_sample(const ChannelsLastGeometry& g, const NormForward<T>& a, const T* x, T* y,
                      const Channels& channels) {
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    for_tiles(0, g.channels, [&](std::int64_t c, const Columns& columns) {
      normalize_columns(g.positions, g.channels, columns, x + c, channels.tile<R>(c, columns, a.gamma, a.beta),
                        activation, y + c);
    });
  });
}

// sum(gy) and sum(gy * (x - mean)) of each channel of a sample.
template <class R, class T>
void sample_sums(const ChannelsLastGeometry& g, const NormBackward<T>& a, const T* gy, const T* x,
                 const Channels& channels, double* sums) {
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    sum_columns(
        g,
        [&](std::int64_t c, const Columns& columns, ColumnSums& of_tile) {
          column_gradients(g.positions, g.channels, columns, gy + c, x + c,
                           channels.tile<R>(c, columns, a.gamma, a.beta), activation, of_tile);
        },
        sums);
  });
  for (std::int64_t c = 0; c < g.channels; ++c) {
    const Statistic<R> stat{channels.mean[c], channels.rstd[c]};
    sums[g.channels + c] = stat.centered(sums[c], sums[g.channels + c]);
  }
}

template <class R, class T>
void sample_gradient(const ChannelsLastGeometry& g, const NormBackward<T>& a, const T* gy, const T* x, T* gx,
                     const Channels& channels) {
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    for_tiles(0, g.channels, [&](std::int64_t c, const Columns& columns) {
      TileTerms<R> terms;
      for (std::int64_t p = 0; p < columns.places(); ++p) {
        const std::int64_t j = c + columns.at(p);
        terms.set(p, Statistic<R>{channels.mean[j], channels.rstd[j]}, {channels.slope[j], channels.shift[j]});
      }
      columns_input_gradient(g.positions, g.channels, columns, gy + c, x + c,
                             channels.tile<R>(c, columns, a.gamma, a.beta), activation, terms, gx + c);
    });
  });
}

}  // namespace

template <class T, class R>
void norm_pixels_forward_task(const ChannelsLastGeometry& g, const NormForward<T>& a, std::int64_t begin,
                              std::int64_t end, double* sums, double* scratch) {
  const Channels channels(scratch, g.channels);
  for (std::int64_t s = begin; s < end; ++s) {
    const T* x = a.x + s * g.positions * g.channels;
    const std::int64_t first = s * g.groups;
    sample_moments<R>(g, x, a, first, sums, channels.mean);
    if (a.y == nullptr) {
      continue;
    }
    channels.set_statistics(a.computed.mean + first, a.computed.rstd + first, g.groups, g.per_group());
    T* y = a.y + s * g.positions * g.channels;
    if (suits<R>(a.computed.mean + first, a.computed.rstd + first, g.groups)) {
      normalize_sample<R>(g, a, x, y, channels);
    } else {
      normalize_sample<double>(g, a, x, y, channels);
    }
  }
}

template <class T, class R>
void norm_pixels_backward_task(const ChannelsLastGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                               std::int64_t end, double* partial, double* sums, double* scratch) {
  const Channels channels(scratch, g.channels);
  for (std::int64_t s = begin; s < end; ++s) {
    const std::int64_t offset = s * g.positions * g.channels;
    const T* x = a.x + offset;
    const T* gy = a.gy + offset;
    const std::int64_t first = s * g.groups;
    channels.set_statistics(a.mean + first, a.rstd + first, g.groups, g.per_group());
    const bool suitable = suits<R>(a.mean + first, a.rstd + first, g.groups);
    if (suitable) {
      sample_sums<R>(g, a, gy, x, channels, sums);
    } else {
      sample_sums<double>(g, a, gy, x, channels, sums);
    }
    finish_sums(g, a, first, sums, channels, partial);
    if (a.gx == nullptr) {
      continue;
    }
    if (suitable) {
      sample_gradient<R>(g, a, gy, x, a.gx + offset, channels);
    } else {
      sample_gradient<double>(g, a, gy, x, a.gx + offset, channels);
    }
  }
}

#define NORMGRAD_INSTANTIATE(T, R)                                                                                 \
  template void norm_pixels_forward_task<T, R>(const ChannelsLastGeometry&, const NormForward<T>&, std::int64_t,   \
                                               std::int64_t, double*, double*);                                    \
  template void norm_pixels_backward_task<T, R>(const ChannelsLastGeometry&, const NormBackward<T>&, std::int64_t, \
                                                std::int64_t, double*, double*, double*);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
