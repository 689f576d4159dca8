// The norm of the columns of a matrix [N, C], many columns at a time: batch norm without positions. The sums and maps
// are also those of channels-last samples. Only for the *.simd.cpp files in this folder.
#pragma once

#include "normgrad/core/kernels/norm/columns_passes_simd.hpp"
#include "normgrad/core/kernels/norm/moments_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// Column parameters: y = d * scale + addend; see SharedParams.
template <class R>
struct Tile {
  static constexpr std::int64_t kPlaces = Columns::kMax + kAccumulatorLanes;
  R mean[kPlaces], scale[kPlaces], addend[kPlaces];

  template <class T>
  Tile(const Columns& columns, const double* means, const double* rstds, const T* gammas, const T* betas) {
    for (std::int64_t b = 0; b < columns.batches(); ++b) {
      const std::int64_t c = columns.first(b);
      const std::int64_t p = b * kAccumulatorLanes;
      const Accumulator exact_mean = load_accumulator(means + c);
      const Accumulator exact_scale =
          load_accumulator(rstds + c) * (gammas == nullptr ? Accumulator(1.0) : load_accumulator(gammas + c));
      const Accumulator beta = betas == nullptr ? Accumulator(0.0) : load_accumulator(betas + c);
      store_accumulator(mean + p, exact_mean);
      store_accumulator(scale + p, exact_scale);
      if constexpr (std::is_same_v<R, float>) {
        store_accumulator(addend + p, excess(p, exact_mean) * exact_scale + beta);
      } else {
        store_accumulator(addend + p, beta);
      }
    }
  }

 private:
  // What the stored mean exceeds the exact one by, rounded to float32; see Statistic.
  Accumulator excess(std::int64_t p, const Accumulator& exact_mean) const {
    const Accumulator high = load_accumulator(mean + p);
    float rounded[kAccumulatorLanes];
    store_accumulator(rounded, Accumulator(high.low - exact_mean.low, high.high - exact_mean.high));
    return load_accumulator(rounded);
  }
};
/// One batch of a Tile, from an array index on.
template <class V>
struct TileBatch {
  V mean, scale, addend;
  template <class R>
  TileBatch(const Tile<R>& tile, std::int64_t place)
      : mean(load_lanes<V>(tile.mean + place)),
        scale(load_lanes<V>(tile.scale + place)),
        addend(load_lanes<V>(tile.addend + place)) {}
  V y(const V& d) const { return output_of(d, scale, addend); }
};

/// sum(x - pivot) and sum((x - pivot)^2), with one pivot per array index.
template <class V, class T>
struct Deviations : SumsBatch<V> {
  const T* x;
  V pivot;
  template <class R>
  Deviations(ColumnSums& sums, std::int64_t place, const T* values, const R* pivots)
      : SumsBatch<V>(sums, place), x(values), pivot(load_lanes<V>(pivots + place)) {}
  void operator()(std::int64_t i) {
    const V d = difference(load_lanes<V>(x + i), pivot);
    add_deviation(d, this->first, this->second);
  }
};
/// So few rows are summed in double, because the errors of few do not average out.
inline constexpr std::int64_t kFewRows = 32;
template <class R, class T>
void column_deviations(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* x, const R* pivots,
                       ColumnSums& sums) {
  if constexpr (std::is_same_v<R, float>) {
    if (rows <= kFewRows) {
      double exact[Tile<double>::kPlaces];
      for (std::int64_t p = 0; p < columns.places(); ++p) {
        exact[p] = static_cast<double>(pivots[p]);
      }
      column_deviations(rows, stride, columns, x, exact, sums);
      return;
    }
  }
  clear(columns, sums);
  constexpr std::int64_t kRows = std::is_same_v<R, float> ? 2 * kSumRows : kSumRows;
  for_rows<kRows, Lanes<R>, LongLanes<R>>(
      rows, stride, columns, [&]<class V>(std::int64_t place, V) { return Deviations<V, T>(sums, place, x, pivots); });
}

/// y = activation(d * scale + addend).
template <class V, class T, class A>
struct Normalize : MapBatch {
  const T* x;
  T* y;
  TileBatch<V> tile;
  A activation;
  template <class R>
  Normalize(std::int64_t place, const T* values, const Tile<R>& of, const A& act, T* to)
      : x(values), y(to), tile(of, place), activation(act) {}
  void operator()(std::int64_t i) const {
    store_lanes(y + i, activation.of_y(tile.y(difference(load_lanes<V>(x + i), tile.mean))));
  }
};
template <class R, class T, class A>
void normalize_columns(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* x, const Tile<R>& tile,
                       const A& activation, T* y) {
  for_rows<kMapRows, Lanes<R>, LongLanes<R>>(rows, stride, columns, [&]<class V>(std::int64_t place, V) {
    return Normalize<V, T, A>(place, x, tile, activation, y);
  });
}

/// Column terms of gx; see Statistic::element_terms.
template <class R>
struct TileTerms {
  R slope[Tile<R>::kPlaces], shift[Tile<R>::kPlaces];

  void set(std::int64_t place, const Statistic<R>& stat, const SetTerms& terms) {
    const SetTerms of_elements = stat.element_terms(terms);
    slope[place] = static_cast<R>(of_elements.slope);
    shift[place] = static_cast<R>(of_elements.shift);
  }
};

/// sum(gy) and sum(gy * d).
template <class V, class T, class A>
struct Gradients : SumsBatch<DoubleOf<V>> {
  const T *gy, *x;
  TileBatch<V> tile;
  A activation;
  template <class R>
  Gradients(ColumnSums& sums, std::int64_t place, const T* gradients, const T* values, const Tile<R>& of, const A& act)
      : SumsBatch<DoubleOf<V>>(sums, place), gy(gradients), x(values), tile(of, place), activation(act) {}
  void operator()(std::int64_t i) {
    const V d = difference(load_lanes<V>(x + i), tile.mean);
    const V g = activation.of_gy(tile.y(d), load_lanes<V>(gy + i));
    add_column_gradient(g, d, this->first, this->second);
  }
};
template <class R, class T, class A>
void column_gradients(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* gy, const T* x,
                      const Tile<R>& tile, const A& activation, ColumnSums& sums) {
  clear(columns, sums);
  for_rows<kSumRows, Lanes<R>, LongLanes<R>>(rows, stride, columns, [&]<class V>(std::int64_t place, V) {
    return Gradients<V, T, A>(sums, place, gy, x, tile, activation);
  });
}

/// gx = gy * scale + d * slope + shift.
template <class V, class T, class A>
struct InputGradient : MapBatch {
  const T *gy, *x;
  T* gx;
  TileBatch<V> tile;
  V slope, shift;
  A activation;
  template <class R>
  InputGradient(std::int64_t place, const T* gradients, const T* values, const Tile<R>& of, const A& act,
                const TileTerms<R>& terms, T* to)
      : gy(gradients),
        x(values),
        gx(to),
        tile(of, place),
        slope(load_lanes<V>(terms.slope + place)),
        shift(load_lanes<V>(terms.shift + place)),
        activation(act) {}
  void operator()(std::int64_t i) const {
    const V d = difference(load_lanes<V>(x + i), tile.mean);
    const V g = activation.of_gy(tile.y(d), load_lanes<V>(gy + i));
    store_lanes(gx + i, input_gradient_of(g, tile.scale, d, slope, shift));
  }
};
template <class R, class T, class A>
void columns_input_gradient(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* gy, const T* x,
                            const Tile<R>& tile, const A& activation, const TileTerms<R>& terms, T* gx) {
  for_rows<kSumRows, Lanes<R>, LongLanes<R>>(rows, stride, columns, [&]<class V>(std::int64_t place, V) {
    return InputGradient<V, T, A>(place, gy, x, tile, activation, terms, gx);
  });
}

/// gx = gy * scale, with given statistics.
template <class V, class T>
struct GivenGradient : MapBatch {
  const T* gy;
  T* gx;
  V scale;
  template <class R>
  GivenGradient(std::int64_t place, const T* gradients, const Tile<R>& of, T* to)
      : gy(gradients), gx(to), scale(load_lanes<V>(of.scale + place)) {}
  void operator()(std::int64_t i) const { store_lanes(gx + i, load_lanes<V>(gy + i) * scale); }
};
template <class R, class T>
void columns_given_gradient(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* gy,
                            const Tile<R>& tile, T* gx) {
  for_rows<kMapRows, Lanes<R>, LongLanes<R>>(
      rows, stride, columns, [&]<class V>(std::int64_t place, V) { return GivenGradient<V, T>(place, gy, tile, gx); });
}

// Batch norm of [N, C]. The functions are static like those of a *.simd.cpp file: only columns.simd.cpp has them.

static inline Segments column_of(const ChannelGeometry& g) { return {g.batch, g.channels, 1}; }

// The pivots of columns. In float32, the mean of the first rows.
template <class R, class T>
static void column_pivots(const ChannelGeometry& g, const T* x, bool center, const Columns& columns, R* pivots) {
  const std::int64_t rows = std::is_same_v<R, float> && g.batch >= kPivotElements ? kPivotElements : 1;
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
static void column_moments(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t c, const Columns& columns) {
  const T* x = a.x + c;
  R pivots[Tile<R>::kPlaces];
  column_pivots(g, x, a.center, columns, pivots);
  ColumnSums sums;
  column_deviations<R>(g.batch, g.channels, columns, x, pivots, sums);
  for (std::int64_t p = 0; p < columns.places(); ++p) {
    const std::int64_t j = columns.at(p);
    const auto pivot = static_cast<double>(pivots[p]);
    finish_moments<R>(a, c + j, x + j, column_of(g), pivot, sums.first[p], sums.second[p]);
  }
}

// Calls f(j, stat, gamma, beta) for the columns c + j that R does not suit, in double.
template <class R, class Args, class F>
static void for_unsuited(const Args& a, const double* mean, const double* rstd, std::int64_t c, const Columns& columns,
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
template <class R, class T>
static void columns_forward(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t c, const Columns& columns) {
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
static void columns_sums(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t c, const Columns& columns,
                         double* gy, double* gy_xhat) {
  const Tile<R> tile(columns, a.mean + c, a.rstd + c, from(a.gamma, c), from(a.beta, c));
  ColumnSums sums;
  with_activation<T, R>(a.relu, [&](const auto& activation) {
    column_gradients(g.batch, g.channels, columns, a.gy + c, a.x + c, tile, activation, sums);
    for (std::int64_t p = 0; p < columns.places(); ++p) {
      const std::int64_t j = columns.at(p);
      const Statistic<R> stat{a.mean[c + j], a.rstd[c + j]};
      gy[j] = sums.first[p];
      gy_xhat[j] = stat.centered(sums.first[p], sums.second[p]) * stat.rstd;  // sum(gy * (x - mean)) * rstd
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
static void columns_gradient(const ChannelGeometry& g, const NormBackward<T>& a, const double* gy,
                             const double* gy_xhat, double n, std::int64_t c, const Columns& columns) {
  const Tile<R> tile(columns, a.mean + c, a.rstd + c, from(a.gamma, c), from(a.beta, c));
  if (gy == nullptr) {
    columns_given_gradient(g.batch, g.channels, columns, a.gy + c, tile, a.gx + c);
    for_unsuited<R>(a, a.mean, a.rstd, c, columns,
                    [&](std::int64_t j, const auto& stat, const Uniform& gamma, const Uniform&) {
                      given_input_gradient(a.gy + c + j, column_of(g), stat, gamma, a.gx + c + j, false);
                    });
    return;
  }
  // Those of gx: slope from mean(g * xhat), shift from mean(g).
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
static void columns_backward(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t c,
                             const Columns& columns) {
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

template <class T, class R>
void norm_columns_forward_task(const ChannelGeometry& g, const NormForward<T>& a, std::int64_t begin,
                               std::int64_t end) {
  if (end - begin < kAccumulatorLanes) {  // not one batch of columns
    norm_channels_forward_task<T, R>(g, a, begin, end);
    return;
  }
  for_tiles(begin, end, [&](std::int64_t c, const Columns& columns) { columns_forward<R>(g, a, c, columns); });
}

template <class T, class R>
void norm_columns_backward_task(const ChannelGeometry& g, const NormBackward<T>& a, std::int64_t begin,
                                std::int64_t end) {
  if (end - begin < kAccumulatorLanes) {
    norm_channels_backward_task<T, R>(g, a, begin, end);
    return;
  }
  for_tiles(begin, end, [&](std::int64_t c, const Columns& columns) { columns_backward<R>(g, a, c, columns); });
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

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
