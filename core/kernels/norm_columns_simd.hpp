// Sums and maps down the columns of a matrix, many columns at a time. For norm_*.simd.cpp only.
#pragma once

#include "normgrad/core/kernels/norm_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// out[k][j] = sum over the rows of what f(i, j, v) puts into v[k]; j is the column within the tile of W batches, i its
/// element in the row. Each sum is of at most kRun numbers before it is added in double.
template <class T, int K, int W, class F>
void reduce_columns(std::int64_t rows, std::int64_t stride, const F& f, double (&out)[K][W * kLanes<T>]) {
  using V = Batch<T>;
  constexpr int kRows = W < 4 ? 4 / W : 1;  // rows at a time, so that sums do not wait for each other
  V sums[kRows][K][W];
  for (int k = 0; k < K; ++k) {
    for (int w = 0; w < W; ++w) {
      for (int r = 0; r < kRows; ++r) {
        sums[r][k][w] = V(T(0));
      }
    }
    for (std::int64_t j = 0; j < W * kLanes<T>; ++j) {
      out[k][j] = 0.0;
    }
  }
  const auto add_row = [&](std::int64_t n, int r) {
    for (int w = 0; w < W; ++w) {
      V v[K];
      f(n * stride + w * kLanes<T>, w * kLanes<T>, v);
      for (int k = 0; k < K; ++k) {
        sums[r][k][w] += v[k];
      }
    }
  };
  constexpr std::int64_t kBlock = kRun * kRows;
  for (std::int64_t n = 0; n < rows;) {
    const std::int64_t end = n + kBlock < rows ? n + kBlock : rows;
    for (; n + kRows <= end; n += kRows) {
      for (int r = 0; r < kRows; ++r) {
        add_row(n + r, r);
      }
    }
    for (; n < end; ++n) {
      add_row(n, 0);
    }
    for (int k = 0; k < K; ++k) {
      alignas(64) T part[W * kLanes<T>];
      for (int w = 0; w < W; ++w) {
        V all = sums[0][k][w];
        sums[0][k][w] = V(T(0));
        for (int r = 1; r < kRows; ++r) {
          all += sums[r][k][w];
          sums[r][k][w] = V(T(0));
        }
        all.store_aligned(part + w * kLanes<T>);
      }
      for (std::int64_t j = 0; j < W * kLanes<T>; ++j) {
        out[k][j] += static_cast<double>(part[j]);
      }
    }
  }
}

/// y[i] = f(i, j) for all rows of the tile.
template <class T, int W, class F>
void map_columns(std::int64_t rows, std::int64_t stride, T* y, const F& f) {
  for (std::int64_t n = 0; n < rows; ++n) {
    for (int w = 0; w < W; ++w) {
      store(y + n * stride + w * kLanes<T>, f.template operator()<Batch<T>>(n * stride + w * kLanes<T>, w * kLanes<T>));
    }
  }
}

/// Calls tile.operator()<W>(c) for tiles of W = 8 (where there are registers for that), 4, 2 and 1 batches of columns
/// that cover [begin, end), of at least one batch. A remainder is covered by a batch that overlaps the one before: its
/// columns are computed twice, with equal results.
template <class T, class F>
void for_tiles(std::int64_t begin, std::int64_t end, const F& tile) {
  constexpr std::int64_t kWidth = kLanes<T>;
  std::int64_t c = begin;
  if constexpr (kWidth * sizeof(T) == 64) {
    for (; c + 8 * kWidth <= end; c += 8 * kWidth) {
      tile.template operator()<8>(c);
    }
  }
  for (; c + 4 * kWidth <= end; c += 4 * kWidth) {
    tile.template operator()<4>(c);
  }
  for (; c + 2 * kWidth <= end; c += 2 * kWidth) {
    tile.template operator()<2>(c);
  }
  for (; c + kWidth <= end; c += kWidth) {
    tile.template operator()<1>(c);
  }
  if (c < end) {
    tile.template operator()<1>(end - kWidth);
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
