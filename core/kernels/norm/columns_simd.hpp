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

/// For all rows, kRows at a time, and all batches b of columns: creates f = make(b), calls f(i) for the rows, where i
/// is the first element of the batch, and then f.finish(). The column data of f stays in registers meanwhile. Rows are
/// read in long pieces: reading one cache line after another of each takes twice the time.
template <std::int64_t kRows, class Make>
void for_rows(std::int64_t rows, std::int64_t stride, const Columns& columns, const Make& make) {
  std::int64_t n = 0;
  for (; n + kRows <= rows; n += kRows) {
    for (std::int64_t b = 0; b < columns.batches(); ++b) {
      auto f = make(b);
      const std::int64_t i = n * stride + columns.first(b);
      for (std::int64_t r = 0; r < kRows; ++r) {
        f(i + r * stride);
      }
      f.finish();
    }
  }
  for (; n < rows; ++n) {
    for (std::int64_t b = 0; b < columns.batches(); ++b) {
      auto f = make(b);
      f(n * stride + columns.first(b));
      f.finish();
    }
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
/// One batch of a Tile.
template <class R>
struct TileBatch {
  using V = Lanes<R>;
  V mean, scale, addend;
  TileBatch(const Tile<R>& tile, std::int64_t b)
      : mean(load_lanes<V>(tile.mean + b * kAccumulatorLanes)),
        scale(load_lanes<V>(tile.scale + b * kAccumulatorLanes)),
        addend(load_lanes<V>(tile.addend + b * kAccumulatorLanes)) {}
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
template <class R>
struct SumsBatch {
  double *to_first, *to_second;
  Lanes<R> first, second;
  SumsBatch(ColumnSums& sums, std::int64_t b)
      : to_first(sums.first + b * kAccumulatorLanes), to_second(sums.second + b * kAccumulatorLanes) {
    if constexpr (std::is_same_v<R, double>) {
      first = load_accumulator(to_first);
      second = load_accumulator(to_second);
    } else {
      first = second = number<Lanes<R>>(0.0);
    }
  }
  void finish() const {
    if constexpr (std::is_same_v<R, double>) {
      store_accumulator(to_first, first);
      store_accumulator(to_second, second);
    } else {
      store_accumulator(to_first, load_accumulator(to_first) + widened(first));
      store_accumulator(to_second, load_accumulator(to_second) + widened(second));
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
template <class R, class T>
struct Deviations : SumsBatch<R> {
  using V = Lanes<R>;
  const T* x;
  V pivot;
  Deviations(ColumnSums& sums, std::int64_t b, const T* values, const R* pivots)
      : SumsBatch<R>(sums, b), x(values), pivot(load_lanes<V>(pivots + b * kAccumulatorLanes)) {}
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
  for_rows<kRows>(rows, stride, columns, [&](std::int64_t b) { return Deviations<R, T>(sums, b, x, pivots); });
}

/// sum(gy) and sum(gy * d).
template <class R, class T, class A>
struct Gradients : SumsBatch<double> {
  using V = Lanes<R>;
  const T *gy, *x;
  TileBatch<R> tile;
  A activation;
  Gradients(ColumnSums& sums, std::int64_t b, const T* gradients, const T* values, const Tile<R>& of, const A& act)
      : SumsBatch<double>(sums, b), gy(gradients), x(values), tile(of, b), activation(act) {}
  void operator()(std::int64_t i) {
    const V d = difference(load_lanes<V>(x + i), tile.mean);
    const V g = activation.of_gy(tile.y(d), load_lanes<V>(gy + i));
    add_column_gradient(g, d, first, second);
  }
};
template <class R, class T, class A>
void column_gradients(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* gy, const T* x,
                      const Tile<R>& tile, const A& activation, ColumnSums& sums) {
  clear(columns, sums);
  for_rows<kSumRows>(rows, stride, columns,
                     [&](std::int64_t b) { return Gradients<R, T, A>(sums, b, gy, x, tile, activation); });
}

/// A batch without state to store.
struct MapBatch {
  void finish() const {}
};

template <class R, class T, class A>
struct Normalize : MapBatch {
  using V = Lanes<R>;
  const T* x;
  T* y;
  TileBatch<R> tile;
  A activation;
  Normalize(std::int64_t b, const T* values, const Tile<R>& of, const A& act, T* to)
      : x(values), y(to), tile(of, b), activation(act) {}
  void operator()(std::int64_t i) const {
    store_lanes(y + i, activation.of_y(tile.y(difference(load_lanes<V>(x + i), tile.mean))));
  }
};
template <class R, class T, class A>
void normalize_columns(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* x, const Tile<R>& tile,
                       const A& activation, T* y) {
  for_rows<kMapRows>(rows, stride, columns,
                     [&](std::int64_t b) { return Normalize<R, T, A>(b, x, tile, activation, y); });
}

/// gx = gy * scale + d * slope + shift.
template <class R, class T, class A>
struct InputGradient : MapBatch {
  using V = Lanes<R>;
  const T *gy, *x;
  T* gx;
  TileBatch<R> tile;
  V slope, shift;
  A activation;
  InputGradient(std::int64_t b, const T* gradients, const T* values, const Tile<R>& of, const A& act,
                const TileTerms<R>& terms, T* to)
      : gy(gradients),
        x(values),
        gx(to),
        tile(of, b),
        slope(load_lanes<V>(terms.slope + b * kAccumulatorLanes)),
        shift(load_lanes<V>(terms.shift + b * kAccumulatorLanes)),
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
  for_rows<kSumRows>(rows, stride, columns,
                     [&](std::int64_t b) { return InputGradient<R, T, A>(b, gy, x, tile, activation, terms, gx); });
}

/// gx = gy * scale, with given statistics.
template <class R, class T>
struct GivenGradient : MapBatch {
  using V = Lanes<R>;
  const T* gy;
  T* gx;
  V scale;
  GivenGradient(std::int64_t b, const T* gradients, const Tile<R>& of, T* to)
      : gy(gradients), gx(to), scale(load_lanes<V>(of.scale + b * kAccumulatorLanes)) {}
  void operator()(std::int64_t i) const { store_lanes(gx + i, load_lanes<V>(gy + i) * scale); }
};
template <class R, class T>
void columns_given_gradient(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* gy,
                            const Tile<R>& tile, T* gx) {
  for_rows<kMapRows>(rows, stride, columns, [&](std::int64_t b) { return GivenGradient<R, T>(b, gy, tile, gx); });
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
