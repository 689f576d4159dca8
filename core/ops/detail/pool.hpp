// Max pooling for other operations. Internal.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/ops/conv/per_axis.hpp"

namespace normgrad::detail {

/// The gradient of max_pool2d over non-overlapping windows, differentiable in gy. Only the shape of x: [N, C, H, W]
/// matters. `index` holds the argmax of each window as a std::int32_t position in its plane, in channels-last format.
Tensor max_pool2d_backward(const Tensor& gy, const Tensor& x, const PerAxis& kernel_size, const Buffer& index);

}  // namespace normgrad::detail
