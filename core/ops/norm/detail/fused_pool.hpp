// A norm, ReLU and max pooling as one operation.
#pragma once

#include "normgrad/core/ops/norm/detail/norm_over.hpp"

namespace normgrad::detail {

/// Whether a norm of x: [N, C, H, W] can be fused with ReLU and pooling over such windows.
bool pools_on_the_way(const Tensor& x, std::int64_t window_height, std::int64_t window_width);

/// norm_over() with pooling. The backward keeps x and one byte per window, its argmax. Without a gradient of x, or if x
/// is not channels-last, the operations are applied separately.
template <class Geometry>
Tensor norm_pool_over(const char* name, const Tensor& x, const Geometry& g, const Tensor& weight, const Tensor& bias,
                      const NormSettings& how, SetStatistics* statistics);

}  // namespace normgrad::detail
