// Sums and maps down the columns of a matrix, many columns at a time. For norm_*.simd.cpp only.
#pragma once

#include "normgrad/core/kernels/norm_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// out[k][j] = sum over the rows of what f(i, w, sums) adds to sums[k]; i is the element, w which of the tile's W
/// batches of columns.
template <int K, int W, class F>
void reduce_columns(std::int64_t rows, std::int64_t stride, const F f, double (&out)[K][W * kWide]) {
#if defined(NORMGRAD_SIMD_avx512)
  constexpr int kRows = W < 4 ? 4 / W : 1;  // rows at a time, so that sums do not wait for each other
#else
  constexpr int kRows = W < 2 ? 2 : 1;
#endif
  Wide sums[kRows][W][K];
  for (int r = 0; r < kRows; ++r) {
    for (int w = 0; w < W; ++w) {
      for (int k = 0; k < K; ++k) {
        sums[r][w][k] = Wide(0.0);
      }
    }
  }
  const auto add_row = [&](std::int64_t n, int r) {
    for (int w = 0; w < W; ++w) {
      f(n * stride + w * kWide, w, sums[r][w]);
    }
  };
  std::int64_t n = 0;
  for (; n + kRows <= rows; n += kRows) {
    for (int r = 0; r < kRows; ++r) {
      add_row(n + r, r);
    }
  }
  for (; n < rows; ++n) {
    add_row(n, 0);
  }
  for (int w = 0; w < W; ++w) {
    for (int k = 0; k < K; ++k) {
      for (int r = 1; r < kRows; ++r) {
        sums[0][w][k] += sums[r][w][k];
      }
      store_wide(out[k] + w * kWide, sums[0][w][k]);
    }
  }
}

/// y[i] = f(i, w) for all rows of the tile.
template <int W, class T, class F>
void map_columns(std::int64_t rows, std::int64_t stride, T* y, const F f) {
  for (std::int64_t n = 0; n < rows; ++n) {
    for (int w = 0; w < W; ++w) {
      store_wide(y + n * stride + w * kWide, f(n * stride + w * kWide, w));
    }
  }
}

/// What a tile of columns shares.
template <int W>
struct Tile {
  static constexpr std::int64_t kColumns = W * kWide;
  Wide mean[W], scale[W], beta[W];  // scale = rstd * gamma

  template <class T>
  Tile(const double* means, const double* rstds, const T* gammas, const T* betas) {
    for (int w = 0; w < W; ++w) {
      const std::int64_t j = w * kWide;
      mean[w] = load_wide(means + j);
      scale[w] = gammas == nullptr ? load_wide(rstds + j) : load_wide(rstds + j) * load_wide(gammas + j);
      beta[w] = betas == nullptr ? Wide(0.0) : load_wide(betas + j);
    }
  }
  Wide deviation(const Wide& x, int w) const { return difference(x, mean[w]); }
  Wide y(const Wide& d, int w) const { return muladd(d, scale[w], beta[w]); }
};

template <int W, class T, class A>
void normalise_columns(std::int64_t rows, std::int64_t stride, const T* x, const Tile<W>& tile, const A& activation,
                       T* y) {
  map_columns<W>(rows, stride, y, [=](std::int64_t i, int w) {
    return activation.of_y(tile.y(tile.deviation(load_wide(x + i), w), w));
  });
}

/// The terms of sum(x - pivot) and of sum((x - pivot)^2).
template <int W, class T>
auto column_deviations(const T* x, const Wide (&pivot)[W]) {
  return [x, pivot](std::int64_t i, int w, Wide(&sums)[2]) {
    const Wide d = difference(load_wide(x + i), pivot[w]);
    sums[0] += d;
    sums[1] = muladd(d, d, sums[1]);
  };
}

/// The terms of sum(gy) and of sum(gy * (x - mean)).
template <int W, class T, class A>
auto column_gradients(const T* gy, const T* x, const Tile<W>& tile, const A& activation) {
  return [=](std::int64_t i, int w, Wide(&sums)[2]) {
    const Wide d = tile.deviation(load_wide(x + i), w);
    const Wide g = activation.of_gy(tile.y(d, w), load_wide(gy + i));
    sums[0] += g;
    sums[1] = muladd(g, d, sums[1]);
  };
}

/// gx = gy * scale + (x - mean) * slope + shift; slopes and shifts: per column.
template <int W, class T, class A>
void columns_input_gradient(std::int64_t rows, std::int64_t stride, const T* gy, const T* x, const Tile<W>& tile,
                            const A& activation, const double* slopes, const double* shifts, T* gx) {
  Wide slope[W], shift[W];
  for (int w = 0; w < W; ++w) {
    slope[w] = load_wide(slopes + w * kWide);
    shift[w] = load_wide(shifts + w * kWide);
  }
  map_columns<W>(rows, stride, gx, [=](std::int64_t i, int w) {
    const Wide d = tile.deviation(load_wide(x + i), w);
    return muladd(activation.of_gy(tile.y(d, w), load_wide(gy + i)), tile.scale[w], muladd(d, slope[w], shift[w]));
  });
}

/// gx = gy * scale, with given statistics.
template <int W, class T, class A>
void columns_given_gradient(std::int64_t rows, std::int64_t stride, const T* gy, const T* x, const Tile<W>& tile,
                            const A& activation, T* gx) {
  map_columns<W>(rows, stride, gx, [=](std::int64_t i, int w) {
    const Wide g = load_wide(gy + i);
    if constexpr (std::is_same_v<A, NoActivation>) {
      return g * tile.scale[w];
    } else {
      return activation.of_gy(tile.y(tile.deviation(load_wide(x + i), w), w), g) * tile.scale[w];
    }
  });
}

/// Calls tile.operator()<W>(c) for tiles of W = 4 (where there are registers for that), 2 and 1 batches of columns that
/// cover [begin, end), of at least one batch. A remainder is covered by a batch that overlaps the one before: its
/// columns are computed twice, with equal results.
template <class F>
void for_tiles(std::int64_t begin, std::int64_t end, const F& tile) {
  std::int64_t c = begin;
#if defined(NORMGRAD_SIMD_avx512)
  for (; c + 4 * kWide <= end; c += 4 * kWide) {
    tile.template operator()<4>(c);
  }
#endif
  for (; c + 2 * kWide <= end; c += 2 * kWide) {
    tile.template operator()<2>(c);
  }
  for (; c + kWide <= end; c += kWide) {
    tile.template operator()<1>(c);
  }
  if (c < end) {
    tile.template operator()<1>(end - kWide);
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
