// The base of the normalization layers.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/layers/module/fusing.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Base of all norms: the interface for tools (norm_report, recalibrate, fold), and the fusing with a ReLU and max
/// pooling after it. Fusing gives the same bits in values and gradients, with two exceptions. With pooling, the sums of
/// the backward go window by window, in float64, so a gradient can be rounded differently (one float32 in millions, by
/// one unit in the last place). In float64 the gradient of x of a norm over rows with a bias but no weight can differ
/// in the last place if neither needs a gradient.
class NormLayer : public Module {
 public:
  using Module::operator();
  /// Normalizes over the elements where `mask` (bool, broadcasts to x) is true; elsewhere the result is 0. For batch,
  /// layer, instance and group norms; others throw ValueError. See core/ops/norm/masked.hpp. Hooks are not supported.
  Tensor operator()(const Tensor& x, const Tensor& mask) {
    refuse_hooks();
    return with_path([&] { return forward_masked(x, mask); });
  }
  Tensor operator()(const Tensor& x, const Tensor& mask) const { return detail::ConstCall::evaluated(*this)(x, mask); }

  /// Returns the eps added to the variance for inputs of a dtype; 0 for a norm without one.
  virtual double eps_for(DType dtype) const = 0;
  /// Returns x as [N, C, *], with the axis of the norm's parameters second; undefined for a norm whose parameters are
  /// not per channel.
  virtual Tensor by_channel(const Tensor& x) const { return x.dim() >= 2 ? x : Tensor(); }
  /// Returns why fold() cannot put the norm, in evaluation, into the layer before it. Only fold() itself knows which
  /// norms it can.
  virtual std::string reason_against_folding() const {
    return "a " + type_name() + " normalizes each sample with its own statistics";
  }

 protected:
  NormLayer() = default;
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override = 0;
  /// Returns x normalized over the elements where the mask is true.
  virtual Tensor forward_masked(const Tensor& x, const Tensor& mask);
  /// Returns the part of an offer that a norm that is exactly an M fuses: ReLU, and the pooling after it if `pools` and
  /// the kernel supports it.
  template <class M>
  Epilogue fusable_as(const Epilogue& offered, const Tensor& x, bool pools = false) const {
    return detail::is_fusable_as<M>(*this) ? fused_part(offered, x, pools) : Epilogue();
  }

 private:
  static Epilogue fused_part(const Epilogue& offered, const Tensor& x, bool pools);
};

}  // namespace normgrad
