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

/// Column parameters: y = (x - mean) * scale + beta, scale = rstd * gamma.
struct Tile {
  double mean[Columns::kMax + kAccumulatorLanes], scale[Columns::kMax + kAccumulatorLanes],
      beta[Columns::kMax + kAccumulatorLanes];

  template <class T>
  Tile(const Columns& columns, const double* means, const double* rstds, const T* gammas, const T* betas) {
    for (std::int64_t p = 0; p < columns.places(); ++p) {
      const std::int64_t c = columns.at(p);
      mean[p] = means[c];
      scale[p] = rstds[c] * at_or(gammas, c, 1.0);
      beta[p] = at_or(betas, c, 0.0);
    }
  }
};
/// One batch of a Tile.
struct TileBatch {
  Accumulator mean, scale, beta;
  TileBatch(const Tile& tile, std::int64_t b)
      : mean(load_accumulator(tile.mean + b * kAccumulatorLanes)),
        scale(load_accumulator(tile.scale + b * kAccumulatorLanes)),
        beta(load_accumulator(tile.beta + b * kAccumulatorLanes)) {}
  Accumulator y(const Accumulator& d) const { return output_of(d, scale, beta); }
};

/// One batch of the two sums: loaded on construction, stored by finish().
struct SumsBatch {
  double *to_first, *to_second;
  Accumulator first, second;
  SumsBatch(ColumnSums& sums, std::int64_t b)
      : to_first(sums.first + b * kAccumulatorLanes),
        to_second(sums.second + b * kAccumulatorLanes),
        first(load_accumulator(to_first)),
        second(load_accumulator(to_second)) {}
  void finish() const {
    store_accumulator(to_first, first);
    store_accumulator(to_second, second);
  }
};
inline void clear(const Columns& columns, ColumnSums& sums) {
  for (std::int64_t p = 0; p < columns.places(); ++p) {
    sums.first[p] = 0.0;
    sums.second[p] = 0.0;
  }
}

/// sum(x - pivot) and sum((x - pivot)^2), with one pivot per array index.
template <class T>
struct Deviations : SumsBatch {
  const T* x;
  Accumulator pivot;
  Deviations(ColumnSums& sums, std::int64_t b, const T* values, const double* pivots)
      : SumsBatch(sums, b), x(values), pivot(load_accumulator(pivots + b * kAccumulatorLanes)) {}
  void operator()(std::int64_t i) {
    const Accumulator d = difference(load_accumulator(x + i), pivot);
    add_deviation(d, first, second);
  }
};
template <class T>
void column_deviations(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* x, const double* pivots,
                       ColumnSums& sums) {
  clear(columns, sums);
  for_rows<kSumRows>(rows, stride, columns, [&](std::int64_t b) { return Deviations<T>(sums, b, x, pivots); });
}

/// sum(gy) and sum(gy * (x - mean)).
template <class T, class A>
struct Gradients : SumsBatch {
  const T *gy, *x;
  TileBatch tile;
  A activation;
  Gradients(ColumnSums& sums, std::int64_t b, const T* gradients, const T* values, const Tile& of, const A& act)
      : SumsBatch(sums, b), gy(gradients), x(values), tile(of, b), activation(act) {}
  void operator()(std::int64_t i) {
    const Accumulator d = difference(load_accumulator(x + i), tile.mean);
    const Accumulator g = activation.of_gy(tile.y(d), load_accumulator(gy + i));
    add_gradient(g, d, first, second);
  }
};
template <class T, class A>
void column_gradients(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* gy, const T* x,
                      const Tile& tile, const A& activation, ColumnSums& sums) {
  clear(columns, sums);
  for_rows<kSumRows>(rows, stride, columns,
                     [&](std::int64_t b) { return Gradients<T, A>(sums, b, gy, x, tile, activation); });
}

/// A batch without state to store.
struct MapBatch {
  void finish() const {}
};

template <class T, class A>
struct Normalize : MapBatch {
  const T* x;
  T* y;
  TileBatch tile;
  A activation;
  Normalize(std::int64_t b, const T* values, const Tile& of, const A& act, T* to)
      : x(values), y(to), tile(of, b), activation(act) {}
  void operator()(std::int64_t i) const {
    store_accumulator(y + i, activation.of_y(tile.y(difference(load_accumulator(x + i), tile.mean))));
  }
};
template <class T, class A>
void normalize_columns(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* x, const Tile& tile,
                       const A& activation, T* y) {
  for_rows<kMapRows>(rows, stride, columns, [&](std::int64_t b) { return Normalize<T, A>(b, x, tile, activation, y); });
}

/// gx = gy * scale + (x - mean) * slope + shift, with one slope and shift per array index.
template <class T, class A>
struct InputGradient : MapBatch {
  const T *gy, *x;
  T* gx;
  TileBatch tile;
  Accumulator slope, shift;
  A activation;
  InputGradient(std::int64_t b, const T* gradients, const T* values, const Tile& of, const A& act, const double* slopes,
                const double* shifts, T* to)
      : gy(gradients),
        x(values),
        gx(to),
        tile(of, b),
        slope(load_accumulator(slopes + b * kAccumulatorLanes)),
        shift(load_accumulator(shifts + b * kAccumulatorLanes)),
        activation(act) {}
  void operator()(std::int64_t i) const {
    const Accumulator d = difference(load_accumulator(x + i), tile.mean);
    const Accumulator g = activation.of_gy(tile.y(d), load_accumulator(gy + i));
    store_accumulator(gx + i, input_gradient_of(g, tile.scale, d, slope, shift));
  }
};
template <class T, class A>
void columns_input_gradient(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* gy, const T* x,
                            const Tile& tile, const A& activation, const double* slopes, const double* shifts, T* gx) {
  for_rows<kSumRows>(rows, stride, columns, [&](std::int64_t b) {
    return InputGradient<T, A>(b, gy, x, tile, activation, slopes, shifts, gx);
  });
}

/// gx = gy * scale, with given statistics.
template <class T>
struct GivenGradient : MapBatch {
  const T* gy;
  T* gx;
  Accumulator scale;
  GivenGradient(std::int64_t b, const T* gradients, const Tile& of, T* to)
      : gy(gradients), gx(to), scale(load_accumulator(of.scale + b * kAccumulatorLanes)) {}
  void operator()(std::int64_t i) const { store_accumulator(gx + i, load_accumulator(gy + i) * scale); }
};
template <class T>
void columns_given_gradient(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* gy,
                            const Tile& tile, T* gx) {
  for_rows<kMapRows>(rows, stride, columns, [&](std::int64_t b) { return GivenGradient<T>(b, gy, tile, gx); });
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
