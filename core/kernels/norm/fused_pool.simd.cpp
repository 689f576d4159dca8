#include "normgrad/core/kernels/norm/fused_pool.hpp"
#include "normgrad/core/kernels/norm/fused_pool_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Windows, with sizes known at compile time unless kSize is 0.
template <std::int64_t kSize>
struct Windows {
  std::int64_t height, width;
  std::int64_t row;  // elements per row of x
  std::int64_t channels;
  std::int64_t out_row;  // elements per row of windows

  explicit Windows(const NormPoolGeometry& g)
      : height(kSize > 0 ? kSize : g.window_height),
        width(kSize > 0 ? kSize : g.window_width),
        row(g.width * g.channels),
        channels(g.channels),
        out_row(g.out_width() * g.channels) {}

  // Calls f(place, offset from the window's first element) for each element of a window.
  template <class F>
  void for_each(const F& f) const {
    const std::int64_t h = kSize > 0 ? kSize : height;
    const std::int64_t w = kSize > 0 ? kSize : width;
    for (std::int64_t i = 0; i < h; ++i) {
      for (std::int64_t j = 0; j < w; ++j) {
        f(i * w + j, i * row + j * channels);
      }
    }
  }
  std::int64_t step() const { return (kSize > 0 ? kSize : width) * channels; }
};

template <class F>
void with_windows(const NormPoolGeometry& g, const F& f) {
  if (g.window_height == 2 && g.window_width == 2) {
    f(Windows<2>(g));
  } else {
    f(Windows<0>(g));
  }
}

// The start of a band in x, and in arrays with one element per window.
struct Band {
  std::int64_t x, out;
  std::int64_t rows;  // rows of x, including those after the last band of a sample

  Band(const NormPoolGeometry& g, std::int64_t i) {
    const std::int64_t per_sample = g.out_height();
    const std::int64_t of_sample = i % per_sample;
    const std::int64_t first = of_sample * g.window_height;
    x = (i / per_sample * g.height + first) * g.width * g.channels;
    out = i * g.out_width() * g.channels;
    rows = of_sample + 1 < per_sample ? g.window_height : g.height - first;
  }
};

template <class R, class T, class W>
void forward_band(const W& windows, const T* x, const NormPoolTerms<R>& terms, T* y, const PoolArgmax<T>& argmax) {
  using V = Lanes<R>;
  const Columns columns{windows.channels};
  for (std::int64_t o = 0; o < windows.out_row; o += windows.channels, x += windows.step()) {
    for (std::int64_t b = 0; b < columns.batches(); ++b) {
      const std::int64_t c = columns.first(b);
      const V mean = load_lanes<V>(terms.mean + c);
      const V scale = load_lanes<V>(terms.scale + c);
      const V addend = load_lanes<V>(terms.addend + c);
      WindowMax<T, R> largest(x + c);
      windows.for_each([&](std::int64_t place, std::int64_t offset) {
        const T* from = x + offset + c;
        largest.take(output_of(difference(load_lanes<V>(from), mean), scale, addend), from, place);
      });
      largest.store(y + o + c, argmax.place + o + c, argmax.x == nullptr ? nullptr : argmax.x + o + c);
    }
  }
}

// sum(gy) and sum(gy * d) over windows.
template <class T, class R>
struct WindowSums : SumsBatch<Accumulator> {
  using V = Lanes<R>;
  const T* gy;
  PoolArgmax<T> argmax;
  V mean;
  WindowSums(ColumnSums& sums, std::int64_t place, const T* gradients, const PoolArgmax<T>& taken, const V& means)
      : SumsBatch<Accumulator>(sums, place), gy(gradients), argmax(taken), mean(means) {}
  void operator()(std::int64_t i) {
    const V g = Argmax<R>(argmax.place + i).any(load_lanes<V>(gy + i));
    add_column_gradient(g, difference(load_lanes<V>(argmax.x + i), mean), first, second);
  }
};

// The terms of gx for one batch of channels.
template <class R>
struct Slopes {
  using V = Lanes<R>;
  V mean, scale, slope, shift;

  Slopes(const NormPoolTerms<R>& terms, std::int64_t c)
      : mean(load_lanes<V>(terms.mean + c)),
        scale(load_lanes<V>(terms.scale + c)),
        slope(load_lanes<V>(terms.slope + c)),
        shift(load_lanes<V>(terms.shift + c)) {}
  template <class T>
  void give(const T* x, const V& g, T* gx) const {
    store_lanes(gx, input_gradient_of(g, scale, difference(load_lanes<V>(x), mean), slope, shift));
  }
};

template <class R, class T, class W>
void gradient_band(const W& windows, const T* gy, const T* x, const std::uint8_t* argmax, const NormPoolTerms<R>& terms,
                   T* gx) {
  using V = Lanes<R>;
  const Columns columns{windows.channels};
  for (std::int64_t o = 0; o < windows.out_row; o += windows.channels, x += windows.step(), gx += windows.step()) {
    for (std::int64_t b = 0; b < columns.batches(); ++b) {
      const std::int64_t c = columns.first(b);
      const Slopes<R> slopes(terms, c);
      const Argmax<R> taken(argmax + o + c);
      const V g = load_lanes<V>(gy + o + c);
      windows.for_each([&](std::int64_t place, std::int64_t offset) {
        slopes.give(x + offset + c, taken.only(place, g), gx + offset + c);
      });
    }
  }
}

// Elements [begin, end) of x: whole positions outside all windows.
template <class R, class T>
void gradient_outside(const NormPoolGeometry& g, const T* x, const NormPoolTerms<R>& terms, T* gx, std::int64_t begin,
                      std::int64_t end) {
  const Columns columns{g.channels};
  for (std::int64_t i = begin; i < end; i += g.channels) {
    for (std::int64_t b = 0; b < columns.batches(); ++b) {
      const std::int64_t c = columns.first(b);
      Slopes<R>(terms, c).give(x + i + c, number<Lanes<R>>(0.0), gx + i + c);
    }
  }
}

}  // namespace

template <class T, class R>
void norm_pool_forward_task(const NormPoolGeometry& g, const T* x, const NormPoolTerms<R>& terms, T* y,
                            const PoolArgmax<T>& argmax, std::int64_t begin, std::int64_t end) {
  with_windows(g, [&](const auto& windows) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Band band(g, i);
      const PoolArgmax<T> of_band{argmax.place + band.out, from(argmax.x, band.out)};
      forward_band(windows, x + band.x, terms, y + band.out, of_band);
    }
  });
}

template <class T, class R>
void norm_pool_sums_task(const NormPoolGeometry& g, const T* gy, const PoolArgmax<T>& argmax,
                         const NormPoolTerms<R>& terms, std::int64_t begin, std::int64_t end, double* sums) {
  constexpr std::int64_t kTogether = 4;
  const std::int64_t first = begin * g.out_width() * g.channels;
  for_tiles(0, g.channels, [&](std::int64_t c, const Columns& columns) {
    ColumnSums of_tile;
    clear(columns, of_tile);
    const PoolArgmax<T> of_columns{argmax.place + first + c, argmax.x + first + c};
    using V = Lanes<R>;
    for_rows<kTogether, V, V>((end - begin) * g.out_width(), g.channels, columns, [&](std::int64_t place, V) {
      return WindowSums<T, R>(of_tile, place, gy + first + c, of_columns,
                              load_lanes<V>(terms.mean + c + columns.at(place)));
    });
    for (std::int64_t p = 0; p < columns.places(); ++p) {
      sums[c + columns.at(p)] = of_tile.first[p];
      sums[g.channels + c + columns.at(p)] = of_tile.second[p];
    }
  });
}

template <class T, class R>
void norm_pool_gradient_task(const NormPoolGeometry& g, const T* gy, const T* x, const std::uint8_t* argmax,
                             const NormPoolTerms<R>& terms, T* gx, std::int64_t begin, std::int64_t end) {
  const std::int64_t row = g.width * g.channels;
  const std::int64_t covered = g.out_width() * g.window_width * g.channels;
  with_windows(g, [&](const auto& windows) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Band band(g, i);
      gradient_band(windows, gy + band.out, x + band.x, argmax + band.out, terms, gx + band.x);
      for (std::int64_t r = 0; r < band.rows; ++r) {
        gradient_outside(g, x + band.x, terms, gx + band.x, r * row + (r < g.window_height ? covered : 0),
                         (r + 1) * row);
      }
    }
  });
}

#define NORMGRAD_INSTANTIATE(T, R)                                                                              \
  template void norm_pool_forward_task<T, R>(const NormPoolGeometry&, const T*, const NormPoolTerms<R>&, T*,    \
                                             const PoolArgmax<T>&, std::int64_t, std::int64_t);                 \
  template void norm_pool_sums_task<T, R>(const NormPoolGeometry&, const T*, const PoolArgmax<T>&,              \
                                          const NormPoolTerms<R>&, std::int64_t, std::int64_t, double*);        \
  template void norm_pool_gradient_task<T, R>(const NormPoolGeometry&, const T*, const T*, const std::uint8_t*, \
                                              const NormPoolTerms<R>&, T*, std::int64_t, std::int64_t);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
