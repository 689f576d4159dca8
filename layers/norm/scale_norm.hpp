// ScaleNorm: y = scale * x / max(norm(x), eps), with one learned length for all vectors.
// Nguyen and Salazar, "Transformers without Tears: Improving the Normalization of Self-Attention", 2019.
#pragma once

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of a ScaleNorm.
struct ScaleNormOptions {
  double eps = 1e-5;       ///< the least divisor, as in the authors' code; not added to the norm
  std::int64_t axis = -1;  ///< of the vectors: -1 for [*, C], 1 for the positions of [N, C, *]
  DType dtype = kFloat32;  ///< dtype of the scale
};

/// x: any shape. Normalizes the vectors along the axis to the Euclidean length `scale`. The statistics are those of
/// RMSNorm: with a scale of sqrt(C), y is x divided by its root mean square.
class ScaleNorm : public NormLayer {
 public:
  /// The authors start the scale, which is the length of the results, at sqrt(C). Throws ValueError for a scale that is
  /// 0 or not finite, and for eps <= 0.
  explicit ScaleNorm(double scale, const ScaleNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(ScaleNorm)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }

  /// The constructor's arguments.
  std::int64_t axis() const noexcept { return axis_; }
  double eps() const noexcept { return eps_; }
  double eps_for(DType /*dtype*/) const override { return 0.0; }
  Tensor by_channel(const Tensor& x) const override;
  /// Resets the scale to the constructor's.
  void reset_parameters();

  Parameter scale;  ///< [1]

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  double initial_scale_;
  double eps_;
  std::int64_t axis_;
};

}  // namespace normgrad
