// Root mean square normalization: y = x / sqrt(mean(x^2) + eps) * weight.
// Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
#pragma once

#include <optional>

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of an RMSNorm. Names and defaults are PyTorch's.
struct RMSNormOptions {
  /// nullopt: the machine epsilon of the input's dtype.
  std::optional<double> eps = std::nullopt;
  bool elementwise_affine = true;  ///< whether there is a weight
  DType dtype = kFloat32;          ///< dtype of the weight
};

/// x: [*, normalized_shape]; weight per element of normalized_shape.
class RMSNorm : public NormLayer {
 public:
  /// Throws ValueError for an empty normalized_shape or one with sizes <= 0, and for eps <= 0.
  explicit RMSNorm(const Shape& normalized_shape, const RMSNormOptions& options = {});
  explicit RMSNorm(std::int64_t features, const RMSNormOptions& options = {}) : RMSNorm(Shape{features}, options) {}
  NORMGRAD_DECLARE_MEMBERS(RMSNorm)
  std::string extra_repr() const override;
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override { return fusable_as<RMSNorm>(offered, x); }

  /// The constructor's arguments.
  const Shape& normalized_shape() const noexcept { return normalized_shape_; }
  std::optional<double> eps() const noexcept { return eps_; }
  double eps_for(DType dtype) const override;
  Tensor by_channel(const Tensor& x) const override;
  /// Resets the weight to 1.
  void reset_parameters();

  Parameter weight;  ///< normalized_shape; undefined without elementwise_affine

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  Shape normalized_shape_;
  std::optional<double> eps_;
};

}  // namespace normgrad
