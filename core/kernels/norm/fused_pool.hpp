// A norm fused with ReLU and max pooling, for channels-last images [samples, height, width, channels]. The normalized
// values are compared in registers and never written. The backward places the gradient by the argmax of each window,
// and also keeps x there. So its sums are over windows only, x is read once, for gx, and apart from gx no other array
// of that size is read or written.
//
// Results equal those of the separate kernels: y is rounded to T before it is compared; the first of several equal
// elements is taken, and the last of several NaNs. Sums of gradients have the same terms, in the order of the windows.
#pragma once

#include <cstdint>

#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels {

/// Windows do not overlap. Remaining elements at the end of a row or column are in no window, but count in the
/// statistics.
struct NormPoolGeometry {
  std::int64_t samples;
  std::int64_t height;
  std::int64_t width;
  std::int64_t channels;  ///< at least kMinColumns
  std::int64_t groups;    ///< as in ChannelsLastGeometry; 0: statistics per channel, over all samples (BatchNorm)
  std::int64_t window_height;
  std::int64_t window_width;  ///< a window has at most kMaxPlaces elements

  std::int64_t positions() const noexcept { return height * width; }
  std::int64_t out_height() const noexcept { return height / window_height; }
  std::int64_t out_width() const noexcept { return width / window_width; }
  /// Number of rows of windows.
  std::int64_t bands() const noexcept { return samples * out_height(); }
};

/// The argmax of a window, as row * window_width + column; kNoArgmax if all elements are 0 after ReLU.
inline constexpr std::uint8_t kNoArgmax = 255;
inline constexpr std::int64_t kMaxPlaces = 254;

/// Window data for the backward, of the shape of y.
template <class T>
struct PoolArgmax {
  std::uint8_t* place;
  T* x;  ///< x at the argmax, or at the first element for kNoArgmax; null: not needed
};

/// a.y and the argmax are [samples, out_height, out_width, channels]. a.relu is taken as true.
template <class T>
void norm_pool_forward(const NormPoolGeometry& g, const NormForward<T>& a, const PoolArgmax<T>& argmax);
/// a.gy has the shape of a.y of the forward; beta is ignored.
template <class T>
void norm_pool_backward(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolArgmax<T>& argmax);

/// A norm fused with pooling (NormPoolGeometry).
struct PoolPlan {
  std::int64_t bands_per_task;     ///< for statistics over all samples
  std::int64_t samples_per_task;   ///< for statistics per sample, in the forward
  std::int64_t samples_per_block;  ///< in the backward
};
PoolPlan plan_of(const NormPoolGeometry& g) noexcept;

/// Per-channel terms in the arithmetic R: y = d * scale + addend, gx = gy * scale + d * slope + shift, d = x - mean.
/// In float32, d is x minus the mean's first part; the second is contained in addend and shift.
template <class R>
struct NormPoolTerms {
  R *mean, *scale, *addend, *slope, *shift;
};

// Bands [begin, end) of all samples, per instruction set. `sums` are sum(gy) and sum(gy * d) per channel.
NORMGRAD_SIMD_DECLARE(
    template <class T, class R>
    void norm_pool_forward_task(const NormPoolGeometry& g, const T* x, const NormPoolTerms<R>& terms, T* y,
                                const PoolArgmax<T>& argmax, std::int64_t begin, std::int64_t end);
    template <class T, class R>
    void norm_pool_sums_task(const NormPoolGeometry& g, const T* gy, const PoolArgmax<T>& argmax,
                             const NormPoolTerms<R>& terms, std::int64_t begin, std::int64_t end, double* sums);
    template <class T, class R>
    void norm_pool_gradient_task(const NormPoolGeometry& g, const T* gy, const T* x, const std::uint8_t* argmax,
                                 const NormPoolTerms<R>& terms, T* gx, std::int64_t begin, std::int64_t end);)

}  // namespace normgrad::kernels
