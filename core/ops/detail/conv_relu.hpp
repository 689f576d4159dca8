// A convolution fused with the ReLU after it. Internal.
#pragma once

#include "normgrad/core/ops/conv/conv.hpp"

namespace normgrad::detail {

/// relu of conv1d, conv2d or conv3d, by the number of spatial axes. ReLU is applied to each part of the result while it
/// is in the cache. Recorded as the two separate operations.
Tensor conv_relu(std::size_t axes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const ConvOptions& options);

}  // namespace normgrad::detail
