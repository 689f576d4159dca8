// Building blocks of the columns of a matrix: which columns are processed together, loops over their rows, and sums.
// Only for the *.simd.cpp files in this folder.
#pragma once

#include "normgrad/core/kernels/norm/passes_simd.hpp"

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

/// A batch without state to store.
struct MapBatch {
  void finish() const {}
};

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
