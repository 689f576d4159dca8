// Operations on images: resizing, sampling, rearranging channels and pixels, sliding windows, padding from the image
// itself. x: [N, C, spatial...]. Differentiable to any order. float32 and float64, except where only elements move.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/ops/conv/per_axis.hpp"

namespace normgrad {

/// Sizes of a result: one for all spatial axes, one per axis, or none.
class ImageSize {
 public:
  ImageSize() = default;
  /// The same size for all axes, or a list.
  ImageSize(int size) : sizes_{size} {}                                    // NOLINT(google-explicit-constructor)
  ImageSize(std::int64_t size) : sizes_{size} {}                           // NOLINT(google-explicit-constructor)
  ImageSize(std::initializer_list<std::int64_t> sizes) : sizes_(sizes) {}  // NOLINT(google-explicit-constructor)
  explicit ImageSize(const std::vector<std::int64_t>& sizes) : sizes_(sizes) {}
  const std::vector<std::int64_t>& sizes() const noexcept { return sizes_; }  ///< as given

 private:
  std::vector<std::int64_t> sizes_;
};

/// A factor for all spatial axes, one per axis, or none.
class ScaleFactor {
 public:
  ScaleFactor() = default;
  /// The same factor for all axes, or a list.
  ScaleFactor(double factor) : factors_{factor} {}                           // NOLINT(google-explicit-constructor)
  ScaleFactor(std::initializer_list<double> factors) : factors_(factors) {}  // NOLINT(google-explicit-constructor)
  const std::vector<double>& factors() const noexcept { return factors_; }   ///< as given

 private:
  std::vector<double> factors_;
};

/// Options of interpolate(). Names and defaults are PyTorch's.
struct InterpolateOptions {
  ImageSize size = {};            ///< spatial sizes of the result; this or scale_factor
  ScaleFactor scale_factor = {};  ///< sizes as multiples of those of x, rounded down
  /// "nearest", "nearest-exact" and "area" for 1 to 3 spatial axes, "linear" for 1, "bilinear" and "bicubic" for 2,
  /// "trilinear" for 3.
  std::string mode = "nearest";
  /// Whether the corners of x and of the result coincide, in the linear and cubic modes. Otherwise the outer edges do.
  std::optional<bool> align_corners = {};
  bool recompute_scale_factor = false;  ///< whether to interpolate with the ratio of the sizes, not with scale_factor
  bool antialias = false;               ///< "bilinear" and "bicubic": average over more pixels when shrinking
};

/// x with its spatial axes resized. "nearest" takes pixel floor(i scale), "nearest-exact" pixel floor((i + 0.5) scale);
/// the linear modes and "bicubic" (Keys, "Cubic convolution interpolation for digital image processing", 1981, with a =
/// -0.75; -0.5 with antialias) weigh neighbors; "area" is adaptive_avg_pool. Positions are computed in float64, whereas
/// PyTorch computes them in the dtype of x.
Tensor interpolate(const Tensor& x, const InterpolateOptions& options);

/// [*, C r^2, H, W] -> [*, C, H r, W r]: Shi et al., "Real-time single image and video super-resolution", 2016.
Tensor pixel_shuffle(const Tensor& x, std::int64_t upscale_factor);
/// [*, C, H r, W r] -> [*, C r^2, H, W]: the inverse of pixel_shuffle.
Tensor pixel_unshuffle(const Tensor& x, std::int64_t downscale_factor);

/// Options of unfold() and fold(). Names and defaults are PyTorch's.
struct UnfoldOptions {
  PerAxis dilation = 1;  ///< spacing of the window elements
  PerAxis padding = 0;   ///< zeros added on both sides
  PerAxis stride = 1;    ///< step of the window
};

/// The windows of images as columns: [N, C, H, W] -> [N, C kh kw, L], or without N, for L windows in row-major order.
Tensor unfold(const Tensor& x, const PerAxis& kernel_size, const UnfoldOptions& options = {});
/// The sum of columns as images of output_size [H, W]: the adjoint of unfold.
Tensor fold(const Tensor& x, const PerAxis& output_size, const PerAxis& kernel_size, const UnfoldOptions& options = {});

/// Pads with the elements of x: `mode` "reflect" (without repeating the edge), "replicate" (the edge) or "circular"; or
/// "constant", with `value`. Pairs (before, after), starting with the last axis, as in torch.nn.functional.pad;
/// negative numbers crop. Reflections are less than the axis, circular padding is at most the axis (ValueError).
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& pad, const std::string& mode, double value = 0.0);

/// Options of grid_sample(). Names and defaults are PyTorch's.
struct GridSampleOptions {
  std::string mode = "bilinear";       ///< "bilinear" (trilinear for volumes), "nearest", or "bicubic" (images only)
  std::string padding_mode = "zeros";  ///< what lies outside: "zeros", "border" or "reflection"
  bool align_corners = false;          ///< whether -1 and 1 are the centers of the outer pixels, or their outer edges
};

/// x at the places of a grid: x: [N, C, H, W], grid: [N, h, w, 2] with (column, row) in [-1, 1] -> [N, C, h, w]; or
/// [N, C, D, H, W] and [N, d, h, w, 3]. Differentiable in x and grid, to any order within pixels. Jaderberg et al.,
/// "Spatial transformer networks", 2015.
Tensor grid_sample(const Tensor& x, const Tensor& grid, const GridSampleOptions& options = {});
/// The grid that grid_sample() takes of an affine map. theta: [N, 2, 3] with size [N, C, h, w] -> [N, h, w, 2], or [N,
/// 3, 4] with [N, C, d, h, w] -> [N, d, h, w, 3].
Tensor affine_grid(const Tensor& theta, const std::vector<std::int64_t>& size, bool align_corners = false);

}  // namespace normgrad
