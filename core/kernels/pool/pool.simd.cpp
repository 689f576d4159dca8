#include "normgrad/core/kernels/pool/pool.hpp"

#include "normgrad/core/simd/detail/batch.hpp"

// Channels-last arrays are processed over the channels, in registers for float32; others by plain loops along a row.
namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Window elements [first, last) that are inside the axis for output `o`.
struct Range {
  std::int64_t first;
  std::int64_t last;
  std::int64_t start;  // position of window element 0
};

Range reach(const PoolGeometry& g, int axis, std::int64_t o) {
  const auto i = static_cast<std::size_t>(axis);
  const std::int64_t start = o * g.stride[i] - g.padding[i];
  const std::int64_t d = g.dilation[i];
  if (d == 1) {  // avoids the divisions
    return {larger(0, -start), smaller(g.kernel[i], g.in[i] - start), start};
  }
  return {start >= 0 ? 0 : (-start + d - 1) / d, smaller(g.kernel[i], (g.in[i] - start + d - 1) / d), start};
}

// Position of the first element that a window reaches; -1 if there is none.
std::int64_t first_position(const PoolGeometry& g, int axis, std::int64_t o) {
  const Range range = reach(g, axis, o);
  const auto i = static_cast<std::size_t>(axis);
  return range.first < range.last ? range.start + range.first * g.dilation[i] : -1;
}

// Position in the plane of the first row that the windows of an output row reach, or -1.
std::int64_t first_row(const PoolGeometry& g, std::int64_t od, std::int64_t oh) {
  const std::int64_t d = first_position(g, 0, od);
  const std::int64_t h = first_position(g, 1, oh);
  return d < 0 || h < 0 ? -1 : (d * g.in[1] + h) * g.in[2];
}

// Index for a window whose elements are all minus infinity: its first element, or -1.
std::int32_t first_index(const PoolGeometry& g, std::int64_t row, std::int64_t ow) {
  const std::int64_t w = first_position(g, 2, ow);
  return row < 0 || w < 0 ? -1 : static_cast<std::int32_t>(row + w);
}

template <class T>
void take_larger(const T* x, T* y, std::int32_t* index, std::int64_t n, std::int32_t position) {
  for (std::int64_t c = 0; c < n; ++c) {
    const bool take = (x[c] > y[c]) | (x[c] != x[c]);
    y[c] = take ? x[c] : y[c];
    index[c] = take ? position : index[c];
  }
}

// take_larger() for neighboring outputs, whose inputs are kStride apart (0: `stride`).
template <int kStride, class T>
void take_larger_strided(const T* x, T* y, std::int32_t* index, std::int64_t n, std::int64_t stride,
                         std::int32_t position) {
  const std::int64_t step = kStride != 0 ? kStride : stride;
  for (std::int64_t o = 0; o < n; ++o) {
    const T v = x[o * step];
    const bool take = (v > y[o]) | (v != v);
    y[o] = take ? v : y[o];
    index[o] = take ? position + static_cast<std::int32_t>(o * step) : index[o];
  }
}

// Calls f(position of the input row in the plane) for the rows of x that an output row reaches.
template <class F>
void for_each_input_row(const PoolGeometry& g, std::int64_t od, std::int64_t oh, F f) {
  const Range depth = reach(g, 0, od);
  const Range height = reach(g, 1, oh);
  for (std::int64_t kd = depth.first; kd < depth.last; ++kd) {
    for (std::int64_t kh = height.first; kh < height.last; ++kh) {
      f(((depth.start + kd * g.dilation[0]) * g.in[1] + height.start + kh * g.dilation[1]) * g.in[2]);
    }
  }
}

template <class T>
void max_row_of_plane(const PoolGeometry& g, std::int64_t row, const T* x, T* y, std::int32_t* index) {
  const std::int64_t s = g.stride[2];
  for (std::int64_t kw = 0; kw < g.kernel[2]; ++kw) {
    // Outputs for which this window element is inside the row.
    const std::int64_t start = kw * g.dilation[2] - g.padding[2];
    const std::int64_t first = start >= 0 ? 0 : (-start + s - 1) / s;
    const std::int64_t last = start >= g.in[2] ? 0 : smaller(g.out[2], (g.in[2] - 1 - start) / s + 1);
    const std::int64_t position = row + start + first * s;
    if (first < last) {
      const auto take = s == 1   ? take_larger_strided<1, T>
                        : s == 2 ? take_larger_strided<2, T>
                                 : take_larger_strided<0, T>;
      take(x + position, y + first, index + first, last - first, s, static_cast<std::int32_t>(position));
    }
  }
}

// All windows of the output row `oh` of a channels-last plane, starting at channel `begin`.
template <class T>
void max_row_of_channels(const PoolGeometry& g, std::int64_t od, std::int64_t oh, std::int64_t begin, const T* x, T* y,
                         std::int32_t* index) {
  for_each_input_row(g, od, oh, [&](std::int64_t row) {
    for (std::int64_t ow = 0; ow < g.out[2]; ++ow) {
      const Range width = reach(g, 2, ow);
      for (std::int64_t kw = width.first; kw < width.last; ++kw) {
        const std::int64_t position = row + width.start + kw * g.dilation[2];
        take_larger(x + position * g.inner + begin, y + ow * g.inner + begin, index + ow * g.inner + begin,
                    g.inner - begin, static_cast<std::int32_t>(position));
      }
    }
  });
}

// Positions are held as the bits of float lanes, so that comparisons and selections use one type.
Batch<float> bits_of(const Batch<std::int32_t>& v) { return same_bits<float>(v); }
Batch<std::int32_t> integers_of(const Batch<float>& v) { return same_bits<std::int32_t>(v); }

// max_row_of_channels() for the channels that fill registers; returns their number. `start_row` is the result of
// first_row().
std::int64_t max_row_of_channels_in_registers(const PoolGeometry& g, std::int64_t od, std::int64_t oh,
                                              std::int64_t start_row, const float* x, float* y, std::int32_t* index) {
  constexpr std::int64_t kMaxWindowRows = 64;
  if (g.kernel[0] * g.kernel[1] > kMaxWindowRows) {
    return 0;
  }
  std::int64_t rows[kMaxWindowRows];
  std::int64_t count = 0;
  for_each_input_row(g, od, oh, [&](std::int64_t row) { rows[count++] = row; });
  const std::int64_t full = g.inner / kLanes<float> * kLanes<float>;
  const std::int64_t step = g.dilation[2] * g.inner;
  for (std::int64_t ow = 0; ow < g.out[2]; ++ow, y += g.inner, index += g.inner) {
    const Range width = reach(g, 2, ow);
    const std::int64_t start = width.start + width.first * g.dilation[2];
    const std::int32_t first = first_index(g, start_row, ow);
    for (std::int64_t c = 0; c < full; c += kLanes<float>) {
      Batch<float> largest(-__builtin_inff());
      Batch<float> at = bits_of(Batch<std::int32_t>(first));
      for (std::int64_t r = 0; r < count; ++r) {
        std::int64_t position = rows[r] + start;
        const float* from = x + position * g.inner + c;
        for (std::int64_t kw = width.first; kw < width.last; ++kw, from += step, position += g.dilation[2]) {
          const Batch<float> v = load(from);
          const auto take = (v > largest) | xsimd::isnan(v);  // != is false for NaN in some versions
          largest = xsimd::select(take, v, largest);
          at = xsimd::select(take, bits_of(Batch<std::int32_t>(static_cast<std::int32_t>(position))), at);
        }
      }
      store(y + c, largest);
      store(index + c, integers_of(at));
    }
  }
  return full;
}
std::int64_t max_row_of_channels_in_registers(const PoolGeometry&, std::int64_t, std::int64_t, std::int64_t,
                                              const double*, double*, std::int32_t*) {
  return 0;
}

// Whether every input belongs to exactly one window.
bool windows_tile(const PoolGeometry& g) {
  bool tile = true;
  for (std::size_t i = 0; i < 3; ++i) {
    tile = tile && g.kernel[i] == g.stride[i] && g.padding[i] == 0 && (g.dilation[i] == 1 || g.kernel[i] == 1) &&
           g.in[i] == g.out[i] * g.kernel[i];
  }
  return tile;
}

// to[c] = gy[c], or to[c] += gy[c], for the channels whose largest element is at `position`; 0 for the others.
template <bool kAdd, class T>
void give_to_position(const T* gy, const std::int32_t* index, std::int32_t position, T* to, std::int64_t begin,
                      std::int64_t n) {
  for (std::int64_t c = begin; c < n; ++c) {
    const T given = index[c] == position ? gy[c] : T(0);
    to[c] = kAdd ? to[c] + given : given;
  }
}

template <bool kAdd>
std::int64_t give_in_registers(const float* gy, const std::int32_t* index, std::int32_t position, float* to,
                               std::int64_t n) {
  const Batch<std::int32_t> mine(position);
  const Batch<std::int32_t> zero(0);
  std::int64_t c = 0;
  for (; c + kLanes<float> <= n; c += kLanes<float>) {
    const Batch<float> given = bits_of(xsimd::select(load(index + c) == mine, integers_of(load(gy + c)), zero));
    store(to + c, kAdd ? load(to + c) + given : given);
  }
  return c;
}
template <bool kAdd>
std::int64_t give_in_registers(const double*, const std::int32_t*, std::int32_t, double*, std::int64_t) {
  return 0;
}

// Each window element receives from the channels whose largest element it is.
template <bool kAdd, class T>
void scatter_to_channels(const PoolGeometry& g, const T* gy, const std::int32_t* index, T* gx) {
  for (std::int64_t od = 0; od < g.out[0]; ++od) {
    for (std::int64_t oh = 0; oh < g.out[1]; ++oh) {
      for (std::int64_t ow = 0; ow < g.out[2]; ++ow, gy += g.inner, index += g.inner) {
        const Range width = reach(g, 2, ow);
        for_each_input_row(g, od, oh, [&](std::int64_t row) {
          for (std::int64_t kw = width.first; kw < width.last; ++kw) {
            const std::int64_t position = row + width.start + kw * g.dilation[2];
            const auto mine = static_cast<std::int32_t>(position);
            T* to = gx + position * g.inner;
            const std::int64_t done = give_in_registers<kAdd>(gy, index, mine, to, g.inner);
            give_to_position<kAdd>(gy, index, mine, to, done, g.inner);
          }
        });
      }
    }
  }
}

}  // namespace

template <class T>
void max_pool_plane(const PoolGeometry& g, const T* x, T* y, std::int32_t* index) {
  const std::int64_t row_size = g.out[2] * g.inner;
  for (std::int64_t od = 0; od < g.out[0]; ++od) {
    for (std::int64_t oh = 0; oh < g.out[1]; ++oh, y += row_size, index += row_size) {
      const std::int64_t row = first_row(g, od, oh);
      const std::int64_t done = g.inner == 1 ? 0 : max_row_of_channels_in_registers(g, od, oh, row, x, y, index);
      for (std::int64_t ow = 0; done < g.inner && ow < g.out[2]; ++ow) {
        const std::int32_t first = first_index(g, row, ow);
        for (std::int64_t c = done; c < g.inner; ++c) {
          y[ow * g.inner + c] = -static_cast<T>(__builtin_inf());
          index[ow * g.inner + c] = first;
        }
      }
      if (g.inner == 1) {
        for_each_input_row(g, od, oh, [&](std::int64_t row_start) { max_row_of_plane(g, row_start, x, y, index); });
      } else if (done < g.inner) {
        max_row_of_channels(g, od, oh, done, x, y, index);
      }
    }
  }
}

template <class T>
void max_pool_scatter_plane(const PoolGeometry& g, const T* gy, const std::int32_t* index, T* gx) {
  if (g.inner != 1 && windows_tile(g)) {
    scatter_to_channels<false>(g, gy, index, gx);
    return;
  }
  for (std::int64_t i = 0; i < g.in_size(); ++i) {
    gx[i] = T(0);
  }
  if (g.inner != 1) {
    scatter_to_channels<true>(g, gy, index, gx);
    return;
  }
  for (std::int64_t o = 0; o < g.out_size(); ++o) {
    if (index[o] >= 0) {
      gx[index[o]] += gy[o];
    }
  }
}

template <class T>
void mean_pool_plane(const MeanAxis* axes, std::int64_t inner, const T* x, T* y, T* row) {
  const std::int64_t row_size = axes[2].length * inner;
  for (std::int64_t od = 0; od < axes[0].count; ++od) {
    for (std::int64_t oh = 0; oh < axes[1].count; ++oh) {
      // Sums the rows of the window first, then the windows within the row.
      for (std::int64_t i = 0; i < row_size; ++i) {
        row[i] = T(0);
      }
      for (std::int64_t d = axes[0].begin[od]; d < axes[0].end[od]; ++d) {
        for (std::int64_t h = axes[1].begin[oh]; h < axes[1].end[oh]; ++h) {
          const T* from = x + (d * axes[1].length + h) * row_size;
          for (std::int64_t i = 0; i < row_size; ++i) {
            row[i] += from[i];
          }
        }
      }
      for (std::int64_t ow = 0; ow < axes[2].count; ++ow, y += inner) {
        const std::int64_t begin = axes[2].begin[ow];
        const std::int64_t end = axes[2].end[ow];
        const T count = static_cast<T>(larger(1, axes[0].size[od] * axes[1].size[oh] * axes[2].size[ow]));
        for (std::int64_t c = 0; c < inner; ++c) {
          T sum = T(0);
          for (std::int64_t w = begin; w < end; ++w) {
            sum += row[w * inner + c];
          }
          y[c] = sum / count;
        }
      }
    }
  }
}

template <class T>
void mean_pool_adjoint_plane(const MeanAxis* axes, std::int64_t inner, const T* gy, T* gx, T* row) {
  const std::int64_t row_size = axes[2].length * inner;
  for (std::int64_t i = 0; i < axes[0].length * axes[1].length * row_size; ++i) {
    gx[i] = T(0);
  }
  for (std::int64_t od = 0; od < axes[0].count; ++od) {
    for (std::int64_t oh = 0; oh < axes[1].count; ++oh) {
      for (std::int64_t i = 0; i < row_size; ++i) {
        row[i] = T(0);
      }
      for (std::int64_t ow = 0; ow < axes[2].count; ++ow, gy += inner) {
        const T count = static_cast<T>(larger(1, axes[0].size[od] * axes[1].size[oh] * axes[2].size[ow]));
        for (std::int64_t w = axes[2].begin[ow]; w < axes[2].end[ow]; ++w) {
          for (std::int64_t c = 0; c < inner; ++c) {
            row[w * inner + c] += gy[c] / count;
          }
        }
      }
      for (std::int64_t d = axes[0].begin[od]; d < axes[0].end[od]; ++d) {
        for (std::int64_t h = axes[1].begin[oh]; h < axes[1].end[oh]; ++h) {
          T* to = gx + (d * axes[1].length + h) * row_size;
          for (std::int64_t i = 0; i < row_size; ++i) {
            to[i] += row[i];
          }
        }
      }
    }
  }
}

template void max_pool_plane<float>(const PoolGeometry&, const float*, float*, std::int32_t*);
template void max_pool_plane<double>(const PoolGeometry&, const double*, double*, std::int32_t*);
template void max_pool_scatter_plane<float>(const PoolGeometry&, const float*, const std::int32_t*, float*);
template void max_pool_scatter_plane<double>(const PoolGeometry&, const double*, const std::int32_t*, double*);
template void mean_pool_plane<float>(const MeanAxis*, std::int64_t, const float*, float*, float*);
template void mean_pool_plane<double>(const MeanAxis*, std::int64_t, const double*, double*, double*);
template void mean_pool_adjoint_plane<float>(const MeanAxis*, std::int64_t, const float*, float*, float*);
template void mean_pool_adjoint_plane<double>(const MeanAxis*, std::int64_t, const double*, double*, double*);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
