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
  template <class T>
  Tile tile(std::int64_t c, const Columns& columns, const T* gamma, const T* beta) const {
    return Tile(columns, mean + c, rstd + c, from(gamma, c), from(beta, c));
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
template <class T>
void sample_moments(const ChannelsLastGeometry& g, const T* x, const NormForward<T>& a, std::int64_t first,
                    double* sums, double* pivots) {
  const std::int64_t per_group = g.per_group();
  const Segments set{g.positions, g.channels, per_group};
  for (std::int64_t c = 0; c < g.channels; ++c) {
    pivots[c] = first_pivot(x + c / per_group * per_group, set, a.center).value;
  }
  sum_columns(
      g,
      [=](std::int64_t c, const Columns& columns, ColumnSums& of_tile) {
        double of_places[Columns::kMax + kAccumulatorLanes];
        for (std::int64_t p = 0; p < columns.places(); ++p) {
          of_places[p] = pivots[c + columns.at(p)];
        }
        column_deviations(g.positions, g.channels, columns, x + c, of_places, of_tile);
      },
      sums);
  for (std::int64_t group = 0; group < g.groups; ++group) {
    const std::int64_t c = group * per_group;
    Moments m = moments_from_sums(pivots[c], sum_range(sums + c, per_group),
                                  sum_range(sums + g.channels + c, per_group), set.size(), a.center);
    if (a.center && is_far<T>(pivots[c], m)) {
      m = moments_around(x + c, set, a.center, {m.mean});
    }
    store_moments(a, first + group, m);
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

}  // namespace

template <class T>
void norm_pixels_forward_task(const ChannelsLastGeometry& g, const NormForward<T>& a, std::int64_t begin,
                              std::int64_t end, double* sums, double* scratch) {
  const Channels channels(scratch, g.channels);
  for (std::int64_t s = begin; s < end; ++s) {
    const T* x = a.x + s * g.positions * g.channels;
    const std::int64_t first = s * g.groups;
    sample_moments(g, x, a, first, sums, channels.mean);
    if (a.y == nullptr) {
      continue;
    }
    channels.set_statistics(a.computed.mean + first, a.computed.rstd + first, g.groups, g.per_group());
    T* y = a.y + s * g.positions * g.channels;
    with_activation<T>(a.relu, [&](const auto& activation) {
      for_tiles(0, g.channels, [&](std::int64_t c, const Columns& columns) {
        normalize_columns(g.positions, g.channels, columns, x + c, channels.tile(c, columns, a.gamma, a.beta),
                          activation, y + c);
      });
    });
  }
}

template <class T>
void norm_pixels_backward_task(const ChannelsLastGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                               std::int64_t end, double* partial, double* sums, double* scratch) {
  const Channels channels(scratch, g.channels);
  for (std::int64_t s = begin; s < end; ++s) {
    const std::int64_t offset = s * g.positions * g.channels;
    const T* x = a.x + offset;
    const T* gy = a.gy + offset;
    const std::int64_t first = s * g.groups;
    channels.set_statistics(a.mean + first, a.rstd + first, g.groups, g.per_group());
    with_activation<T>(a.relu, [&](const auto& activation) {
      sum_columns(
          g,
          [&](std::int64_t c, const Columns& columns, ColumnSums& of_tile) {
            column_gradients(g.positions, g.channels, columns, gy + c, x + c,
                             channels.tile(c, columns, a.gamma, a.beta), activation, of_tile);
          },
          sums);
      finish_sums(g, a, first, sums, channels, partial);
      if (a.gx == nullptr) {
        return;
      }
      for_tiles(0, g.channels, [&](std::int64_t c, const Columns& columns) {
        double slopes[Columns::kMax + kAccumulatorLanes], shifts[Columns::kMax + kAccumulatorLanes];
        for (std::int64_t p = 0; p < columns.places(); ++p) {
          slopes[p] = channels.slope[c + columns.at(p)];
          shifts[p] = channels.shift[c + columns.at(p)];
        }
        columns_input_gradient(g.positions, g.channels, columns, gy + c, x + c,
                               channels.tile(c, columns, a.gamma, a.beta), activation, slopes, shifts,
                               a.gx + offset + c);
      });
    });
  }
}

#define NORMGRAD_INSTANTIATE(T)                                                                                 \
  template void norm_pixels_forward_task<T>(const ChannelsLastGeometry&, const NormForward<T>&, std::int64_t,   \
                                            std::int64_t, double*, double*);                                    \
  template void norm_pixels_backward_task<T>(const ChannelsLastGeometry&, const NormBackward<T>&, std::int64_t, \
                                             std::int64_t, double*, double*, double*);
NORMGRAD_INSTANTIATE(float)
NORMGRAD_INSTANTIATE(double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
