// Partial RMSNorm (pRMSNorm): the root mean square is that of the first part of the features.
// Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019, section 3.2.
#pragma once

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of a PartialRMSNorm.
struct PartialRMSNormOptions {
  double partial = 0.0625;  ///< the part of the features that is measured, in (0, 1]; the paper's 6.25%
  double eps = 1e-8;        ///< added to the root mean square, outside the root, as in the authors' code
  bool bias = false;        ///< whether there is a bias
  std::int64_t axis = -1;   ///< of the features: -1 for [*, C], 1 for [N, C, *]
  DType dtype = kFloat32;   ///< dtype of the parameters
};

/// y = weight * x / (rms + eps) + bias, where rms is that of the first k = floor(partial * C) of the C features, at
/// least one. x: any shape with num_features elements on the axis.
class PartialRMSNorm : public NormLayer {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and a `partial` outside (0, 1].
  explicit PartialRMSNorm(std::int64_t num_features, const PartialRMSNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(PartialRMSNorm)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }

  /// The constructor's arguments.
  std::int64_t num_features() const noexcept { return num_features_; }
  std::int64_t axis() const noexcept { return axis_; }
  double partial() const noexcept { return partial_; }
  double eps() const noexcept { return eps_; }
  double eps_for(DType /*dtype*/) const override { return 0.0; }
  /// The number k of features that are measured.
  std::int64_t num_measured() const noexcept;
  Tensor by_channel(const Tensor& x) const override;
  /// Resets the weight to 1 and the bias to 0.
  void reset_parameters();

  Parameter weight;  ///< [C]
  Parameter bias;    ///< [C]; undefined unless the option is set

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  std::int64_t num_features_;
  double partial_;
  double eps_;
  std::int64_t axis_;
};

}  // namespace normgrad
