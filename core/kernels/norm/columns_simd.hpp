// Sums and maps down the columns of a matrix, many columns at a time. Only for the *.simd.cpp files in this folder.
#pragma once

#include "normgrad/core/kernels/norm/moments_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// The columns processed together, `width` >= kAccumulatorLanes of them, in batches. If the width is not a multiple of
/// kAccumulatorLanes, the last batch overlaps the one before, and its columns are computed twice with equal results.
/// Per-column data is stored in arrays, batch after batch.
struct Columns {
  static constexpr std::int64_t kMax = 128;  // half a kilobyte of a float32 row

  std::int64_t width;

  std::int64_t batches() const { return (width + kAccumulatorLanes - 1) / kAccumulatorLanes; }
  /// The first column of batch b.
  std::int64_t first(std::int64_t b) const {
    return b * kAccumulatorLanes < width - kAccumulatorLanes ? b * kAccumulatorLanes : width - kAccumulatorLanes;
  }
  /// The column at an array index.
  std::int64_t at(std::int64_t place) const { return first(place / kAccumulatorLanes) + place % kAccumulatorLanes; }
  std::int64_t places() const { return batches() * kAccumulatorLanes; }
};

/// Calls f(c, columns) for columns from c on that cover [begin, end) and have at least one batch.
template <class F>
void for_tiles(std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t c = begin; c < end; c += Columns::kMax) {
    if (end - c < kAccumulatorLanes) {
      f(end - kAccumulatorLanes, Columns{kAccumulatorLanes});
    } else {
      f(c, Columns{end - c < Columns::kMax ? end - c : Columns::kMax});
    }
  }
}

/// Rows per step: sums are loaded and stored once for all of them. Plain maps use fewer rows: rows whose length is a
/// power of two map to the same cache sets.
inline constexpr std::int64_t kSumRows = 4;
inline constexpr std::int64_t kMapRows = 2;

/// For all rows, kRows at a time, and all batches of columns, which are V, or two of them as a Long: creates f =
/// make(place, Long()) or make(place, V()), where `place` is the batch's first array index, calls f(i) for the rows,
/// where i is the first element of the batch, and then f.finish(). The column data of f stays in registers meanwhile.
/// Rows are read in long pieces: reading one cache line after another of each takes twice the time.
template <std::int64_t kRows, class V, class Long, class Make>
void for_rows(std::int64_t rows, std::int64_t stride, const Columns& columns, const Make& make) {
  constexpr std::int64_t kPerLong = kCountOf<Long> / kAccumulatorLanes;
  const std::int64_t together = kPerLong > 1 ? columns.width / kCountOf<Long> * kPerLong : 0;
  const auto batch = [&](std::int64_t n, std::int64_t b, auto of, std::int64_t count) {
    auto f = make(b * kAccumulatorLanes, of);
    const std::int64_t i = n * stride + columns.first(b);
    for (std::int64_t r = 0; r < count; ++r) {
      f(i + r * stride);
    }
    f.finish();
  };
  const auto all = [&](std::int64_t n, auto count) {
    std::int64_t b = 0;
    for (; b < together; b += kPerLong) {
      batch(n, b, Long(), count);
    }
    for (; b < columns.batches(); ++b) {
      batch(n, b, V(), count);
    }
  };
  std::int64_t n = 0;
  for (; n + kRows <= rows; n += kRows) {
    all(n, std::integral_constant<std::int64_t, kRows>());
  }
  for (; n < rows; ++n) {
    all(n, std::integral_constant<std::int64_t, 1>());
  }
}

/// Two sums for each column.
struct ColumnSums {
  double first[Columns::kMax + kAccumulatorLanes];
  double second[Columns::kMax + kAccumulatorLanes];
};

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

/// One batch of the two sums. In double, loaded on construction and stored by finish(); in float, sums of a few rows,
/// which finish() adds to those in double.
template <class V>
struct SumsBatch {
  static constexpr bool kInDouble = std::is_same_v<V, DoubleOf<V>>;
  double *to_first, *to_second;
  V first, second;
  SumsBatch(ColumnSums& sums, std::int64_t place) : to_first(sums.first + place), to_second(sums.second + place) {
    if constexpr (kInDouble) {
      first = load_lanes<V>(to_first);
      second = load_lanes<V>(to_second);
    } else {
      first = second = number<V>(0.0);
    }
  }
  void finish() const {
    if constexpr (kInDouble) {
      store_lanes(to_first, first);
      store_lanes(to_second, second);
    } else {
      add_widened(to_first, first);
      add_widened(to_second, second);
    }
  }
};
inline void clear(const Columns& columns, ColumnSums& sums) {
  for (std::int64_t p = 0; p < columns.places(); ++p) {
    sums.first[p] = 0.0;
    sums.second[p] = 0.0;
  }
}

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

/// A batch without state to store.
struct MapBatch {
  void finish() const {}
};

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

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
