// Pooling over arrays [outer, in..., inner]: row-major planes have outer = n c and inner = 1, channels-last ones outer
// = n and inner = c.
//
// oneDNN's pooling is not used: its max pooling ignores NaN, unlike PyTorch's, and does not expose the positions of the
// largest elements, which the second derivative needs.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

struct PoolGeometry {
  using Sizes = std::array<std::int64_t, 3>;

  std::int64_t outer = 1;
  std::int64_t inner = 1;
  Sizes in{1, 1, 1};  ///< depth, height, width; absent axes come first and have size 1
  Sizes out{1, 1, 1};
  Sizes kernel{1, 1, 1};
  Sizes stride{1, 1, 1};
  Sizes padding{0, 0, 0};
  Sizes dilation{1, 1, 1};

  std::int64_t in_size() const noexcept { return in[0] * in[1] * in[2] * inner; }
  std::int64_t out_size() const noexcept { return out[0] * out[1] * out[2] * inner; }
};

/// y: the largest element of each window; index: its position in the plane [in...]. Among equal elements the first
/// counts, among NaNs the last. A window that is entirely in the padding gives minus infinity and index -1. T: float or
/// double.
template <class T>
void max_pool(const PoolGeometry& geometry, const T* x, T* y, std::int32_t* index);
/// The same over the windows [floor(i in / out), ceil((i + 1) in / out)), which are not empty. inner = 1.
template <class T>
void adaptive_max_pool(const PoolGeometry& geometry, const T* x, T* y, std::int32_t* index);
/// gx: the sums of gy at their indices, 0 elsewhere. The adjoint of max_pool_gather.
template <class T>
void max_pool_scatter(const PoolGeometry& geometry, const T* gy, const std::int32_t* index, T* gx);
/// y = x at the indices, 0 at index -1.
template <class T>
void max_pool_gather(const PoolGeometry& geometry, const T* x, const std::int32_t* index, T* y);

/// Windows [begin, end) along one axis, and the number of elements by which each mean is divided.
struct MeanWindows {
  std::vector<std::int64_t> begin, end, size;
  std::int64_t length = 0;  ///< of the axis

  /// Returns `out` windows of `kernel` elements. Outside the axis there are zeros, which count if `count_padding`.
  static MeanWindows regular(std::int64_t length, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                             std::int64_t padding, bool count_padding);
  /// Returns `out` windows [floor(i length / out), ceil((i + 1) length / out)).
  static MeanWindows adaptive(std::int64_t length, std::int64_t out);
  std::int64_t count() const noexcept { return static_cast<std::int64_t>(begin.size()); }
};

/// Depth, height, width.
struct MeanGeometry {
  std::int64_t outer = 1;
  std::int64_t inner = 1;
  std::array<MeanWindows, 3> axes;

  std::int64_t in_size() const noexcept { return axes[0].length * axes[1].length * axes[2].length * inner; }
  std::int64_t out_size() const noexcept { return axes[0].count() * axes[1].count() * axes[2].count() * inner; }
};

template <class T>
void mean_pool(const MeanGeometry& geometry, const T* x, T* y);
/// Distributes each gy evenly over its window.
template <class T>
void mean_pool_adjoint(const MeanGeometry& geometry, const T* gy, T* gx);

/// MeanWindows as used by the loops.
struct MeanAxis {
  const std::int64_t* begin;
  const std::int64_t* end;
  const std::int64_t* size;
  std::int64_t length;
  std::int64_t count;
};

// For one element of `outer`. `row` is scratch memory of axes[2].length * inner elements.
NORMGRAD_SIMD_DECLARE(template <class T>
                      void max_pool_plane(const PoolGeometry& geometry, const T* x, T* y, std::int32_t* index);
                      template <class T> void max_pool_scatter_plane(const PoolGeometry& geometry, const T* gy,
                                                                     const std::int32_t* index, T* gx);
                      template <class T>
                      void mean_pool_plane(const MeanAxis* axes, std::int64_t inner, const T* x, T* y, T* row);
                      template <class T> void mean_pool_adjoint_plane(const MeanAxis* axes, std::int64_t inner,
                                                                      const T* gy, T* gx, T* row);)

}  // namespace normgrad::kernels
