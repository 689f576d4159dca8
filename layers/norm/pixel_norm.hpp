// Pixelwise feature vector normalization, which generators use.
// Karras, Aila, Laine and Lehtinen, "Progressive Growing of GANs for Improved Quality, Stability, and Variation", 2018,
// section 4.2.
#pragma once

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of a PixelNorm. Defaults are those of the authors' code.
struct PixelNormOptions {
  double eps = 1e-8;      ///< added to the mean square
  std::int64_t axis = 1;  ///< axis of the features; negative ones count from the end
};

/// y = x / sqrt(mean(x^2) + eps), with the mean over the channels of each position. No parameters, and any number of
/// channels. x: of any rank that has the axis.
class PixelNorm : public NormLayer {
 public:
  /// Throws ValueError for eps <= 0.
  explicit PixelNorm(const PixelNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(PixelNorm)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }
  double eps_for(DType /*dtype*/) const override { return eps_; }
  Tensor by_channel(const Tensor& x) const override;

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  double eps_;
  std::int64_t axis_;
};

}  // namespace normgrad
