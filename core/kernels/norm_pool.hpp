// A norm, the ReLU after it and the max pooling after that, of images that lie channels last: [samples, height, width,
// channels]. What the norm makes is compared in registers and never written; the backward knows from the place of each
// window's largest element where its gradient goes, and what x is there, so that sums are over windows alone, x is read
// once, for gx, and no other array of its size is read or written.
//
// Results are those of the kernels one after the other: y is rounded to T before it is compared, of equal elements the
// first is taken, of NaNs the last. Sums of gradients are of the same terms in the order of the windows.
#pragma once

#include <cstdint>

#include "normgrad/core/kernels/norm.hpp"

namespace normgrad::kernels {

/// Windows lie side by side; what they leave over at the end of a row or column belongs to none, but counts in the
/// statistics.
struct NormPoolGeometry {
  std::int64_t samples;
  std::int64_t height;
  std::int64_t width;
  std::int64_t channels;  ///< at least kLeastColumns
  std::int64_t groups;    ///< as in PixelGeometry; 0: statistics per channel, over all samples (BatchNorm)
  std::int64_t window_height;
  std::int64_t window_width;  ///< a window has at most kMostPlaces elements

  std::int64_t positions() const noexcept { return height * width; }
  std::int64_t out_height() const noexcept { return height / window_height; }
  std::int64_t out_width() const noexcept { return width / window_width; }
  /// Rows of windows.
  std::int64_t bands() const noexcept { return samples * out_height(); }
};

/// The place of a window's largest element: row * window_width + column, or this where all are 0 after the ReLU.
inline constexpr std::uint8_t kNoWinner = 255;
inline constexpr std::int64_t kMostPlaces = 254;

/// What the backward wants of the windows, of the shape of y.
template <class T>
struct PoolWinners {
  std::uint8_t* place;
  T* x;  ///< of each window's largest element, or of its first where there is kNoWinner; null: not wanted
};

/// a.y: [samples, out_height, out_width, channels], and so are the winners; a.relu counts as true.
template <class T>
void norm_pool_forward(const NormPoolGeometry& g, const NormForward<T>& a, const PoolWinners<T>& winners);
/// a.gy: as a.y of the forward; beta is not looked at.
template <class T>
void norm_pool_backward(const NormPoolGeometry& g, const NormBackward<T>& a, const PoolWinners<T>& winners);

/// What is known of each channel: y = (x - mean) * scale + beta, gx = gy * scale + (x - mean) * slope + shift.
struct NormPoolTerms {
  double *mean, *scale, *beta, *slope, *shift;
};

// Bands [begin, end) of all samples, per instruction set. sums: sum(gy) and sum(gy * (x - mean)) per channel.
NORMGRAD_SIMD_DECLARE(
    template <class T>
    void norm_pool_forward_task(const NormPoolGeometry& g, const T* x, const NormPoolTerms& terms, T* y,
                                const PoolWinners<T>& winners, std::int64_t begin, std::int64_t end);
    template <class T>
    void norm_pool_sums_task(const NormPoolGeometry& g, const T* gy, const PoolWinners<T>& winners,
                             const NormPoolTerms& terms, std::int64_t begin, std::int64_t end, double* sums);
    template <class T>
    void norm_pool_gradient_task(const NormPoolGeometry& g, const T* gy, const T* x, const std::uint8_t* winners,
                                 const NormPoolTerms& terms, T* gx, std::int64_t begin, std::int64_t end);)

}  // namespace normgrad::kernels
