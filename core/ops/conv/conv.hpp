// Convolutions (cross-correlations, as in PyTorch), differentiable to any order. float32 uses oneDNN.
//
// x: [N, C_in, spatial...], or without N; weight: [C_out, C_in / groups, kernel...]; bias: [C_out] or undefined. Each
// spatial axis of the result has
//   floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1
// elements. With padding "same", which needs a stride of 1 (ValueError), it has the size of x. Throws ShapeError if
// channels, groups or rank do not fit, or if the window is larger than the padded input. Throws DTypeError if dtypes
// differ.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/ops/conv/per_axis.hpp"

namespace normgrad {

/// Options of conv1d, conv2d and conv3d. Names and defaults are PyTorch's.
struct ConvOptions {
  PerAxis stride = 1;       ///< step of the window
  ConvPadding padding = 0;  ///< zeros added on both sides, or "same" or "valid"
  PerAxis dilation = 1;     ///< spacing of the kernel elements
  std::int64_t groups = 1;  ///< number of channel groups, which are convolved independently
};

/// x: [N, C, L], [N, C, H, W] or [N, C, D, H, W], or without N; weight: [C_out, C / groups, kernel]; bias: [C_out].
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});

/// Options of the transposed convolutions. Names and defaults are PyTorch's.
struct ConvTransposeOptions {
  PerAxis stride = 1;          ///< step of the window, in the result
  PerAxis padding = 0;         ///< removed from both sides of the result
  PerAxis output_padding = 0;  ///< added at the end of the result; less than stride or dilation
  std::int64_t groups = 1;     ///< number of channel groups, which are convolved independently
  PerAxis dilation = 1;        ///< spacing of the kernel elements
};

/// The gradient of a convolution with respect to its input, as an operation. weight: [C_in, C_out / groups, kernel...].
/// Each spatial axis of the result has (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1
/// elements.
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});

}  // namespace normgrad
