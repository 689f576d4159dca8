#include "normgrad/core/kernels/pool/pool.hpp"

#include <algorithm>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

// Runs f(begin, end) over `outer` in tasks whose size depends only on `plane_size`.
template <class F>
void over_planes(std::int64_t outer, std::int64_t plane_size, F f) {
  constexpr std::int64_t kGrain = std::int64_t{1} << 15;
  parallel_for(outer, std::max(std::int64_t{1}, kGrain / std::max(plane_size, std::int64_t{1})), f);
}

std::array<MeanAxis, 3> axes_of(const MeanGeometry& g) {
  std::array<MeanAxis, 3> axes{};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const MeanWindows& w = g.axes[i];
    axes[i] = {w.begin.data(), w.end.data(), w.size.data(), w.length, w.count()};
  }
  return axes;
}

}  // namespace

template <class T>
void max_pool(const PoolGeometry& g, const T* x, T* y, std::int32_t* index) {
  const auto plane = NORMGRAD_SIMD_SELECT(max_pool_plane<T>);
  over_planes(g.outer, g.in_size(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      plane(g, x + i * g.in_size(), y + i * g.out_size(), index + i * g.out_size());
    }
  });
}

template <class T>
void adaptive_max_pool(const PoolGeometry& g, const T* x, T* y, std::int32_t* index) {
  std::array<MeanWindows, 3> windows;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    windows[i] = MeanWindows::adaptive(g.in[i], g.out[i]);
  }
  const MeanWindows& depth = windows[0];
  const MeanWindows& height = windows[1];
  const MeanWindows& width = windows[2];
  // Positions are compared in row-major order within a window: the first of equal elements counts, the last NaN.
  const auto largest = [&](const T* plane, std::size_t od, std::size_t oh, std::size_t ow) {
    std::int64_t at = (depth.begin[od] * g.in[1] + height.begin[oh]) * g.in[2] + width.begin[ow];
    for (std::int64_t d = depth.begin[od]; d < depth.end[od]; ++d) {
      for (std::int64_t h = height.begin[oh]; h < height.end[oh]; ++h) {
        for (std::int64_t w = width.begin[ow]; w < width.end[ow]; ++w) {
          const std::int64_t position = (d * g.in[1] + h) * g.in[2] + w;
          at = plane[position] > plane[at] || plane[position] != plane[position] ? position : at;
        }
      }
    }
    return at;
  };
  over_planes(g.outer, g.in_size(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* plane = x + i * g.in_size();
      std::int64_t o = i * g.out_size();
      for (std::size_t od = 0; od < depth.begin.size(); ++od) {
        for (std::size_t oh = 0; oh < height.begin.size(); ++oh) {
          for (std::size_t ow = 0; ow < width.begin.size(); ++ow, ++o) {
            const std::int64_t at = largest(plane, od, oh, ow);
            y[o] = plane[at];
            index[o] = static_cast<std::int32_t>(at);
          }
        }
      }
    }
  });
}

template <class T>
void max_pool_scatter(const PoolGeometry& g, const T* gy, const std::int32_t* index, T* gx) {
  const auto plane = NORMGRAD_SIMD_SELECT(max_pool_scatter_plane<T>);
  over_planes(g.outer, g.in_size(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      plane(g, gy + i * g.out_size(), index + i * g.out_size(), gx + i * g.in_size());
    }
  });
}

template <class T>
void max_pool_gather(const PoolGeometry& g, const T* x, const std::int32_t* index, T* y) {
  over_planes(g.outer, g.out_size(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* from = x + i * g.in_size();
      const std::int32_t* at = index + i * g.out_size();
      T* to = y + i * g.out_size();
      for (std::int64_t o = 0; o < g.out_size(); o += g.inner) {
        for (std::int64_t c = 0; c < g.inner; ++c) {
          to[o + c] = at[o + c] < 0 ? T(0) : from[at[o + c] * g.inner + c];
        }
      }
    }
  });
}

MeanWindows MeanWindows::regular(std::int64_t length, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                                 std::int64_t padding, bool count_padding) {
  MeanWindows windows;
  windows.length = length;
  for (std::int64_t i = 0; i < out; ++i) {
    const std::int64_t start = i * stride - padding;
    windows.begin.push_back(std::max(start, std::int64_t{0}));
    windows.end.push_back(std::min(start + kernel, length));
    const std::int64_t padded = std::min(start + kernel, length + padding) - start;  // less at the end in ceil_mode
    windows.size.push_back(count_padding ? padded : windows.end.back() - windows.begin.back());
  }
  return windows;
}

MeanWindows MeanWindows::adaptive(std::int64_t length, std::int64_t out) {
  MeanWindows windows;
  windows.length = length;
  for (std::int64_t i = 0; i < out; ++i) {
    windows.begin.push_back(i * length / out);
    windows.end.push_back(((i + 1) * length + out - 1) / out);
    windows.size.push_back(windows.end.back() - windows.begin.back());
  }
  return windows;
}

template <class T>
void mean_pool(const MeanGeometry& g, const T* x, T* y) {
  const auto plane = NORMGRAD_SIMD_SELECT(mean_pool_plane<T>);
  const auto axes = axes_of(g);
  over_planes(g.outer, g.in_size(), [&](std::int64_t begin, std::int64_t end) {
    const Buffer row(static_cast<std::size_t>(g.axes[2].length * g.inner) * sizeof(T));
    for (std::int64_t i = begin; i < end; ++i) {
      plane(axes.data(), g.inner, x + i * g.in_size(), y + i * g.out_size(), reinterpret_cast<T*>(row.data()));
    }
  });
}

template <class T>
void mean_pool_adjoint(const MeanGeometry& g, const T* gy, T* gx) {
  const auto plane = NORMGRAD_SIMD_SELECT(mean_pool_adjoint_plane<T>);
  const auto axes = axes_of(g);
  over_planes(g.outer, g.in_size(), [&](std::int64_t begin, std::int64_t end) {
    const Buffer row(static_cast<std::size_t>(g.axes[2].length * g.inner) * sizeof(T));
    for (std::int64_t i = begin; i < end; ++i) {
      plane(axes.data(), g.inner, gy + i * g.out_size(), gx + i * g.in_size(), reinterpret_cast<T*>(row.data()));
    }
  });
}

template void max_pool<float>(const PoolGeometry&, const float*, float*, std::int32_t*);
template void max_pool<double>(const PoolGeometry&, const double*, double*, std::int32_t*);
template void adaptive_max_pool<float>(const PoolGeometry&, const float*, float*, std::int32_t*);
template void adaptive_max_pool<double>(const PoolGeometry&, const double*, double*, std::int32_t*);
template void max_pool_scatter<float>(const PoolGeometry&, const float*, const std::int32_t*, float*);
template void max_pool_scatter<double>(const PoolGeometry&, const double*, const std::int32_t*, double*);
template void max_pool_gather<float>(const PoolGeometry&, const float*, const std::int32_t*, float*);
template void max_pool_gather<double>(const PoolGeometry&, const double*, const std::int32_t*, double*);
template void mean_pool<float>(const MeanGeometry&, const float*, float*);
template void mean_pool<double>(const MeanGeometry&, const double*, double*);
template void mean_pool_adjoint<float>(const MeanGeometry&, const float*, float*);
template void mean_pool_adjoint<double>(const MeanGeometry&, const double*, double*);

}  // namespace normgrad::kernels
