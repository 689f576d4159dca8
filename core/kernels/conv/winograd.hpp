// Convolutions with 3x3 windows and stride 1 by Winograd's minimal filtering F(2x2, 3x3), which needs 16
// multiplications instead of 36. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016. The
// transforms add, subtract and halve. In each dimension the summed products have 5/3 of the variance of those of the
// direct sum, so for sums of equal length the RMS rounding error is 5/3 of the direct one (much more for larger tiles).
// The sums are shorter here, in the forward by a factor of 9.
//
//   y = A^T [ (G w G^T) * (B^T x B) ] A   for each 2x2 tile of y, from a 4x4 tile of x; * is elementwise,
//
// summed over channels: 16 matrix products [tiles, c_in] x [c_in, c_out]. The gradients are the adjoints.
#pragma once

#include <cstdint>

#include "normgrad/core/kernels/conv/conv.hpp"
#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

/// Returns whether the functions below support this convolution (channels-last) and are the fastest for it.
bool winograd_serves(const ConvGeometry& geometry);
void winograd_forward(const ConvGeometry& geometry, const float* x, const float* w, const float* bias, float* y,
                      bool relu = false);
void winograd_backward_input(const ConvGeometry& geometry, const float* gy, const float* w, float* gx);
void winograd_backward_weight(const ConvGeometry& geometry, const float* gy, const float* x, float* gw);

/// Images [height, width, channels] as seen by the transforms. Tile t covers the 2x2 outputs starting at (2 (t /
/// columns % rows), 2 (t % columns)) of image t / (rows columns).
struct WinogradGrid {
  std::int64_t in_height, in_width;
  std::int64_t out_height, out_width;
  std::int64_t padding_height, padding_width;
  std::int64_t rows, columns;  ///< of tiles
};

/// Distance in floats between the 16 transformed arrays [tiles, channels]; not a power of two, to avoid cache
/// conflicts.
constexpr std::int64_t winograd_step(std::int64_t tiles, std::int64_t channels) noexcept {
  return tiles * channels + 16;
}

// Transform `count` tiles starting at `begin`. `zeros` are `channels` zeros, used outside of the images. Channels are
// multiples of 16. Weights are [9, pairs of channels].
NORMGRAD_SIMD_DECLARE(
    /// B^T x B
    void winograd_input(const WinogradGrid& grid, std::int64_t begin, std::int64_t count, std::int64_t channels,
                        const float* x, const float* zeros, float* to, std::int64_t step);
    /// y = A^T m A + bias (null for none), or its relu
    void winograd_output(const WinogradGrid& grid, std::int64_t begin, std::int64_t count, std::int64_t channels,
                         const float* m, std::int64_t step, const float* bias, bool relu, float* y);
    /// A gy A^T
    void winograd_output_adjoint(const WinogradGrid& grid, std::int64_t begin, std::int64_t count,
                                 std::int64_t channels, const float* gy, const float* zeros, float* to,
                                 std::int64_t step);
    /// G w G^T
    void winograd_weight(std::int64_t pairs, const float* w, float* to);
    /// G^T u G
    void winograd_weight_adjoint(std::int64_t pairs, const float* u, float* w);)

}  // namespace normgrad::kernels
