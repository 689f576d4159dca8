// Sums and maps down the columns of a matrix, many columns at a time. For norm_*.simd.cpp only.
#pragma once

#include "normgrad/core/kernels/norm_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// The columns that are worked on at a time, `width` >= kWide of them, in batches. Where they do not divide evenly, the
/// last batch overlaps the one before: its columns are computed twice, with equal results. What is known of the columns
/// stands in arrays, batch after batch.
struct Columns {
  static constexpr std::int64_t kMost = 128;  // half a kilobyte of a row of float32

  std::int64_t width;

  std::int64_t batches() const { return (width + kWide - 1) / kWide; }
  /// The column that batch b begins with.
  std::int64_t first(std::int64_t b) const { return b * kWide < width - kWide ? b * kWide : width - kWide; }
  /// The column at a place of the arrays.
  std::int64_t at(std::int64_t place) const { return first(place / kWide) + place % kWide; }
  std::int64_t places() const { return batches() * kWide; }
};

/// Calls f(c, columns) for columns from c on, which cover [begin, end), of at least one batch.
template <class F>
void for_tiles(std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t c = begin; c < end; c += Columns::kMost) {
    if (end - c < kWide) {
      f(end - kWide, Columns{kWide});
    } else {
      f(c, Columns{end - c < Columns::kMost ? end - c : Columns::kMost});
    }
  }
}

/// Rows at a time: sums are taken from memory and put back once for them all. What is written to memory comes back to
/// the same sets of the caches where rows are a power of two long.
inline constexpr std::int64_t kSumRows = 4;
inline constexpr std::int64_t kMapRows = 2;

/// For all rows, kRows at a time, and batches b of columns: makes f = make(b), calls f(i) for the rows, i being the
/// first element of the batch, and f.finish(). What f knows of its columns stays in registers meanwhile, and rows are
/// read in long pieces: one line after the other of each would take twice the time.
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
  double first[Columns::kMost + kWide];
  double second[Columns::kMost + kWide];
};

/// What columns share: y = (x - mean) * scale + beta, scale = rstd * gamma.
struct Tile {
  double mean[Columns::kMost + kWide], scale[Columns::kMost + kWide], beta[Columns::kMost + kWide];

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
/// A batch of it.
struct TileBatch {
  Wide mean, scale, beta;
  TileBatch(const Tile& tile, std::int64_t b)
      : mean(load_wide(tile.mean + b * kWide)),
        scale(load_wide(tile.scale + b * kWide)),
        beta(load_wide(tile.beta + b * kWide)) {}
  Wide y(const Wide& d) const { return muladd(d, scale, beta); }
};

/// A batch of two sums, taken from memory and put back.
struct SumsBatch {
  double *to_first, *to_second;
  Wide first, second;
  SumsBatch(ColumnSums& sums, std::int64_t b)
      : to_first(sums.first + b * kWide),
        to_second(sums.second + b * kWide),
        first(load_wide(to_first)),
        second(load_wide(to_second)) {}
  void finish() const {
    store_wide(to_first, first);
    store_wide(to_second, second);
  }
};
inline void clear(const Columns& columns, ColumnSums& sums) {
  for (std::int64_t p = 0; p < columns.places(); ++p) {
    sums.first[p] = 0.0;
    sums.second[p] = 0.0;
  }
}

/// sum(x - pivot) and sum((x - pivot)^2); pivots: one per place.
template <class T>
struct Deviations : SumsBatch {
  const T* x;
  Wide pivot;
  Deviations(ColumnSums& sums, std::int64_t b, const T* values, const double* pivots)
      : SumsBatch(sums, b), x(values), pivot(load_wide(pivots + b * kWide)) {}
  void operator()(std::int64_t i) {
    const Wide d = difference(load_wide(x + i), pivot);
    first += d;
    second = muladd(d, d, second);
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
    const Wide d = difference(load_wide(x + i), tile.mean);
    const Wide g = activation.of_gy(tile.y(d), load_wide(gy + i));
    first += g;
    second = muladd(g, d, second);
  }
};
template <class T, class A>
void column_gradients(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* gy, const T* x,
                      const Tile& tile, const A& activation, ColumnSums& sums) {
  clear(columns, sums);
  for_rows<kSumRows>(rows, stride, columns,
                     [&](std::int64_t b) { return Gradients<T, A>(sums, b, gy, x, tile, activation); });
}

/// A batch that keeps nothing for later.
struct MapBatch {
  void finish() const {}
};

template <class T, class A>
struct Normalise : MapBatch {
  const T* x;
  T* y;
  TileBatch tile;
  A activation;
  Normalise(std::int64_t b, const T* values, const Tile& of, const A& act, T* to)
      : x(values), y(to), tile(of, b), activation(act) {}
  void operator()(std::int64_t i) const {
    store_wide(y + i, activation.of_y(tile.y(difference(load_wide(x + i), tile.mean))));
  }
};
template <class T, class A>
void normalise_columns(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* x, const Tile& tile,
                       const A& activation, T* y) {
  for_rows<kMapRows>(rows, stride, columns, [&](std::int64_t b) { return Normalise<T, A>(b, x, tile, activation, y); });
}

/// gx = gy * scale + (x - mean) * slope + shift; slopes and shifts: one per place.
template <class T, class A>
struct InputGradient : MapBatch {
  const T *gy, *x;
  T* gx;
  TileBatch tile;
  Wide slope, shift;
  A activation;
  InputGradient(std::int64_t b, const T* gradients, const T* values, const Tile& of, const A& act, const double* slopes,
                const double* shifts, T* to)
      : gy(gradients),
        x(values),
        gx(to),
        tile(of, b),
        slope(load_wide(slopes + b * kWide)),
        shift(load_wide(shifts + b * kWide)),
        activation(act) {}
  void operator()(std::int64_t i) const {
    const Wide d = difference(load_wide(x + i), tile.mean);
    const Wide g = activation.of_gy(tile.y(d), load_wide(gy + i));
    store_wide(gx + i, muladd(g, tile.scale, muladd(d, slope, shift)));
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
  Wide scale;
  GivenGradient(std::int64_t b, const T* gradients, const Tile& of, T* to)
      : gy(gradients), gx(to), scale(load_wide(of.scale + b * kWide)) {}
  void operator()(std::int64_t i) const { store_wide(gx + i, load_wide(gy + i) * scale); }
};
template <class T>
void columns_given_gradient(std::int64_t rows, std::int64_t stride, const Columns& columns, const T* gy,
                            const Tile& tile, T* gx) {
  for_rows<kMapRows>(rows, stride, columns, [&](std::int64_t b) { return GivenGradient<T>(b, gy, tile, gx); });
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
