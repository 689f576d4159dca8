// What other operations need of max pooling; not for users.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/ops/per_axis.hpp"

namespace normgrad::detail {

/// The gradient of max_pool2d over windows side by side, differentiable in gy. Of x: [N, C, H, W] only the shape
/// counts; `index` has, as std::int32_t and channels last, the position in its plane of the element that each window
/// took.
Tensor max_pool2d_backward(const Tensor& gy, const Tensor& x, const PerAxis& kernel_size, const Buffer& index);

}  // namespace normgrad::detail
