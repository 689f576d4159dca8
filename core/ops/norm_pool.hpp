// A norm, a ReLU and max pooling as one operation; not for users, who have NormThen.
#pragma once

#include "normgrad/core/ops/norm_detail.hpp"

namespace normgrad::detail {

/// Whether norms of x, [N, C, H, W], with relu and then a pooling over such windows are made in one pass.
bool pools_on_the_way(const Tensor& x, std::int64_t window_height, std::int64_t window_width);

/// y with the pooling of `then`, if it has one.
Tensor max_pooled(const Tensor& y, const NormThen& then);

/// norm_over() where how.then pools. Kept for the backward are x and a byte for each window: where its largest element
/// is. Without a gradient of x, or where x does not lie channels last, it is the operations one after the other.
Tensor norm_pool_over(const char* name, const Tensor& x, const kernels::RowGeometry& g, const Tensor& weight,
                      const Tensor& bias, const NormSettings& how, SetStatistics* statistics);
Tensor norm_pool_over(const char* name, const Tensor& x, const kernels::ChannelGeometry& g, const Tensor& weight,
                      const Tensor& bias, const NormSettings& how, SetStatistics* statistics);

}  // namespace normgrad::detail
