// What Sequential may ask of a norm layer: its result and a ReLU of it, or that and max pooling, in one pass.
#pragma once

#include "normgrad/core/ops/norm.hpp"
#include "normgrad/layers/module.hpp"

namespace normgrad {

/// Base of the norms that can apply a ReLU to what they write, or that and max pooling. Sequential has them do it where
/// these layers follow, because it saves trips through memory. Values and gradients are the same bits, but that with
/// pooling the sums of the backward go window by window: in float64, so that the gradients differ where that decides
/// how they are rounded (one float32 in millions, by one unit in the last place).
class NormLayer : public Module {
 public:
  using NormgradSelf = NormLayer;  ///< has a forward, which derived layers call by name
  Tensor forward(const Tensor& x) override { return forward_then(x, {}); }
  /// relu((*this)(x)) in one pass; for containers, when nobody asks to see what is between the two.
  Tensor call_with_relu(const Tensor& x) {
    return with_path([&] { return forward_then(x, NormActivation::relu); });
  }
  /// The same with max_pool2d of it over windows side by side.
  Tensor call_with_relu_and_pool(const Tensor& x, std::int64_t window_height, std::int64_t window_width) {
    return with_path([&] { return forward_then(x, {NormActivation::relu, window_height, window_width}); });
  }

 protected:
  NormLayer() = default;
  /// forward(x), with `then` of its result.
  virtual Tensor forward_then(const Tensor& x, const NormThen& then) = 0;
};

}  // namespace normgrad
