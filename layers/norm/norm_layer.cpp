#include "normgrad/layers/norm/norm_layer.hpp"

#include "normgrad/core/ops/norm/detail/fused_pool.hpp"

namespace normgrad {

Tensor NormLayer::forward_masked(const Tensor& /*x*/, const Tensor& /*mask*/) {
  fail<ValueError>(type_name(), ": expected no mask; BatchNorm, LayerNorm, InstanceNorm and GroupNorm take one");
}

Epilogue NormLayer::fused_part(const Epilogue& offered, const Tensor& x, bool pools) {
  constexpr std::int64_t kLarge = std::int64_t{1} << 20;
  if (offered.activation != FusedActivation::relu) {
    return {};
  }
  if (pools && offered.pools() && detail::pools_on_the_way(x, offered.window_height, offered.window_width)) {
    return {.activation = FusedActivation::relu,
            .window_height = offered.window_height,
            .window_width = offered.window_width};
  }
  // If pooling can come first, ReLU after it has fewer elements to compute. For a large x, fusing ReLU is still better:
  // it saves a pass over the norm's result.
  return offered.pooling_follows && x.numel() < kLarge ? Epilogue() : Epilogue{.activation = FusedActivation::relu};
}

}  // namespace normgrad
