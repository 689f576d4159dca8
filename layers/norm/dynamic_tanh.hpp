// Dynamic tanh (DyT): y = weight * tanh(alpha * x) + bias. It has no statistics.
// Zhu, Chen, He, LeCun and Liu, "Transformers without Normalization", 2025.
#pragma once

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of a DynamicTanh.
struct DynamicTanhOptions {
  double alpha_init_value = 0.5;  ///< first value of alpha
  std::int64_t axis = -1;         ///< of the features: -1 for [*, C], 1 for [N, C, *]
  DType dtype = kFloat32;         ///< dtype of the parameters
};

/// x: any shape with num_features elements on the axis. The names of the parameters are those of the authors' code.
class DynamicTanh : public NormLayer {
 public:
  /// Throws ValueError for num_features <= 0 and for an alpha_init_value that is 0 or not finite.
  explicit DynamicTanh(std::int64_t num_features, const DynamicTanhOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(DynamicTanh)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }

  /// The constructor's arguments.
  std::int64_t num_features() const noexcept { return num_features_; }
  std::int64_t axis() const noexcept { return axis_; }
  double eps_for(DType /*dtype*/) const override { return 0.0; }
  Tensor by_channel(const Tensor& x) const override;
  std::string reason_against_folding() const override { return "a " + type_name() + " is not affine"; }
  /// Resets alpha to alpha_init_value, the weight to 1 and the bias to 0.
  void reset_parameters();

  Parameter alpha;   ///< [1]
  Parameter weight;  ///< [C]
  Parameter bias;    ///< [C]

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  std::int64_t num_features_;
  double alpha_init_value_;
  std::int64_t axis_;
};

}  // namespace normgrad
