// A convolution and the ReLU after it at once; not for users.
#pragma once

#include "normgrad/core/ops/conv.hpp"

namespace normgrad::detail {

/// relu of conv1d, conv2d or conv3d, by the number of spatial axes; applied to each part of the result while that is in
/// the cache, and recorded as the two operations.
Tensor conv_relu(std::size_t axes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const ConvOptions& options);

}  // namespace normgrad::detail
