// Convolutions over dense arrays: x [n, c_in, in...], w [c_out, c_in / groups, kernel...], y [n, c_out, out...]. With
// `channels_last`, x and y are stored as [n, in..., c_in] and [n, out..., c_out], which is the fastest layout for
// float32.
//
// The three functions are each other's derivatives: y = conv_forward(x, w) is linear in x and in w, and <gy,
// conv_forward(x, w)> = <conv_backward_input(gy, w), x> = <conv_backward_weight(gy, x), w>. The batch is divided by the
// geometry only, so results do not depend on the number of threads.
#pragma once

#include <array>
#include <cstdint>

namespace normgrad::kernels {

/// Up to three spatial axes (depth, height, width); absent ones come first and have size 1.
struct ConvGeometry {
  using Sizes = std::array<std::int64_t, 3>;

  std::int64_t n = 1;
  std::int64_t c_in = 1;
  std::int64_t c_out = 1;
  std::int64_t groups = 1;
  Sizes in{1, 1, 1};
  Sizes out{1, 1, 1};
  Sizes kernel{1, 1, 1};
  Sizes stride{1, 1, 1};
  Sizes padding{0, 0, 0};
  Sizes dilation{1, 1, 1};
  bool channels_last = false;  ///< float32 only

  /// Number of elements covered by a window along an axis, including gaps.
  std::int64_t extent(std::size_t axis) const noexcept { return dilation[axis] * (kernel[axis] - 1) + 1; }
  /// floor((in + 2 padding - extent) / stride) + 1.
  Sizes natural_out() const noexcept;
  static std::int64_t volume(const Sizes& sizes) noexcept { return sizes[0] * sizes[1] * sizes[2]; }
  /// Number of elements of one image of x, of one image of y, and of w.
  std::int64_t x_size() const noexcept { return c_in * volume(in); }
  std::int64_t y_size() const noexcept { return c_out * volume(out); }
  std::int64_t w_size() const noexcept { return groups == 0 ? 0 : c_out * (c_in / groups) * volume(kernel); }
  /// Number of multiplications.
  std::int64_t work() const noexcept { return n * volume(out) * w_size(); }

  friend bool operator==(const ConvGeometry&, const ConvGeometry&) = default;
};

/// y = x * w + bias (null for none), or its relu, with the same bits as a separate relu. T: float or double.
template <class T>
void conv_forward(const ConvGeometry& geometry, const T* x, const T* w, const T* bias, T* y, bool relu = false);
template <class T>
void conv_backward_input(const ConvGeometry& geometry, const T* gy, const T* w, T* gx);
template <class T>
void conv_backward_weight(const ConvGeometry& geometry, const T* gy, const T* x, T* gw);

/// The three functions as matrix products over the unfolded input: for float64, and for geometries oneDNN cannot
/// describe.
namespace unfolded {
template <class T>
void conv_forward(const ConvGeometry& geometry, const T* x, const T* w, const T* bias, T* y);
template <class T>
void conv_backward_input(const ConvGeometry& geometry, const T* gy, const T* w, T* gx);
template <class T>
void conv_backward_weight(const ConvGeometry& geometry, const T* gy, const T* x, T* gw);
}  // namespace unfolded

}  // namespace normgrad::kernels
