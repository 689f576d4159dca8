// AdaLN and AdaLN-Zero: layer norm whose scale and shift are computed from a condition, as in diffusion transformers.
// Peebles and Xie, "Scalable Diffusion Models with Transformers", 2023, section 3.2.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

/// Options of AdaLN and AdaLNZero.
struct AdaLNOptions {
  double eps = 1e-6;               ///< added to the variance; the default of the DiT code
  DType dtype = kFloat32;          ///< dtype of the parameters
  Generator* generator = nullptr;  ///< source of the initial values; null: default_generator()
};

/// y = norm(x) * (1 + scale) + shift, with norm a LayerNorm over the last axis without parameters, and [shift, scale] =
/// modulation(silu(condition)): norm(x, condition) for x: [N, *, features] and condition: [N, condition_features].
class AdaLN : public Module {
 public:
  /// Throws ValueError unless both sizes and eps are positive.
  AdaLN(std::int64_t features, std::int64_t condition_features, const AdaLNOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(AdaLN)
  NORMGRAD_CALL_FORWARD()
  std::string extra_repr() const override;
  /// Throws ShapeError for operands that are not [N, *, features] and [N, condition_features].
  Tensor forward(const Tensor& x, const Tensor& condition);

  LayerNorm norm;     ///< without weight and bias
  Linear modulation;  ///< [2 * features]: shift and scale
};

/// Result of an AdaLNZero.
struct AdaLNZeroResult {
  Tensor y;     ///< the modulated norm: the input of the branch
  Tensor gate;  ///< [N, 1..., features]: the factor of the branch's result, which broadcasts to it
};

/// AdaLN with a gate for the branch of a residual block:
///
///   const auto [y, gate] = norm(x, condition);
///   x = x + gate * branch(y);
///
/// [shift, scale, gate] = modulation(silu(condition)), and modulation starts at 0: the block starts as the identity. A
/// DiT block has two of them, one for attention and one for the feedforward part.
class AdaLNZero : public Module {
 public:
  /// Throws ValueError unless both sizes and eps are positive.
  AdaLNZero(std::int64_t features, std::int64_t condition_features, const AdaLNOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(AdaLNZero)
  NORMGRAD_CALL_FORWARD()
  std::string extra_repr() const override;
  /// Throws ShapeError for operands that are not [N, *, features] and [N, condition_features].
  AdaLNZeroResult forward(const Tensor& x, const Tensor& condition);

  LayerNorm norm;     ///< without weight and bias
  Linear modulation;  ///< [3 * features]: shift, scale and gate
};

}  // namespace normgrad
