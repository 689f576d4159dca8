// Global response normalization: the channels of a sample compete by the norms of their maps.
// Woo et al., "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders", 2023, section 3.2.
#pragma once

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of a GlobalResponseNorm.
struct GlobalResponseNormOptions {
  double eps = 1e-6;       ///< added to the mean of the norms, as in the authors' code
  DType dtype = kFloat32;  ///< dtype of the parameters
};

/// y = gamma * (x * n) + beta + x with n_c = g_c / (mean(g) + eps), where g_c is the Euclidean norm of the positions of
/// channel c. x: [N, C, *] of 3 to 5 axes. gamma and beta, whose names are those of the authors' code, start at 0:
/// then y = x.
class GlobalResponseNorm : public NormLayer {
 public:
  /// Throws ValueError for num_features <= 0 and for eps <= 0.
  explicit GlobalResponseNorm(std::int64_t num_features, const GlobalResponseNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(GlobalResponseNorm)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }

  /// The constructor's arguments.
  std::int64_t num_features() const noexcept { return num_features_; }
  double eps() const noexcept { return eps_; }
  double eps_for(DType /*dtype*/) const override { return 0.0; }
  /// Resets gamma and beta to 0.
  void reset_parameters();

  Parameter gamma;  ///< [C]
  Parameter beta;   ///< [C]

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  std::int64_t num_features_;
  double eps_;
};

}  // namespace normgrad
