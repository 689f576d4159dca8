// Convolutions with 3x3 windows at stride 1 by Winograd's minimal filtering F(2x2, 3x3): 16 multiplications where the
// sum itself takes 36. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016. The transforms add,
// subtract and halve. In each dimension the products that a result is summed from have 5/3 of the variance of those of
// the direct sum, so roundings are 5/3 of its in the root mean square where sums are equally long (larger tiles: much
// more); they are shorter here, by 9 in the forward.
//
//   y = A^T [ (G w G^T) * (B^T x B) ] A   for each 2x2 tile of y, which sees a 4x4 tile of x; * is elementwise,
//
// summed over channels: 16 matrix products [tiles, c_in] x [c_in, c_out]. The gradients are the adjoints of the same.
#pragma once

#include <cstdint>

#include "normgrad/core/base/simd.hpp"
#include "normgrad/core/kernels/conv.hpp"

namespace normgrad::kernels {

/// Whether the functions below serve such a convolution, and are the faster ones. Channels last.
bool winograd_serves(const ConvGeometry& geometry);
void winograd_forward(const ConvGeometry& geometry, const float* x, const float* w, const float* bias, float* y,
                      bool relu = false);
void winograd_backward_input(const ConvGeometry& geometry, const float* gy, const float* w, float* gx);
void winograd_backward_weight(const ConvGeometry& geometry, const float* gy, const float* x, float* gw);

/// Images [height, width, channels] as the transforms see them. Tile t covers the 2x2 outputs from
/// (2 (t / columns % rows), 2 (t % columns)) on, of image t / (rows columns).
struct WinogradGrid {
  std::int64_t in_height, in_width;
  std::int64_t out_height, out_width;
  std::int64_t padding_height, padding_width;
  std::int64_t rows, columns;  ///< of tiles
};

/// Distance in floats of the 16 transformed arrays [tiles, channels]; not a power of two, for the caches.
constexpr std::int64_t winograd_step(std::int64_t tiles, std::int64_t channels) noexcept {
  return tiles * channels + 16;
}

// `count` tiles from tile `begin` on; `zeros` are `channels` zeros, which surround the images. Channels are multiples
// of 16. The weights come and go as [9, pairs of channels].
NORMGRAD_SIMD_DECLARE(
    /// B^T x B
    void winograd_input(const WinogradGrid& grid, std::int64_t begin, std::int64_t count, std::int64_t channels,
                        const float* x, const float* zeros, float* to, std::int64_t step);
    /// y = A^T m A + bias (null for none), or relu of that
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
