// Mean-only batch normalization, the companion of weight norm.
// Salimans and Kingma, "Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural
// Networks", 2016, section 4.
#pragma once

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

/// Options of a MeanOnlyBatchNorm.
struct MeanOnlyBatchNormOptions {
  Momentum momentum = 0.1;  ///< update rule of the running mean; the authors' code keeps 0.9 of the old one
  bool bias = true;         ///< whether there is a bias
  DType dtype = kFloat32;   ///< of the bias; running statistics are float64
};

/// y = x - mean + bias, with the mean of each channel over the batch and all positions, in evaluation the running one.
/// Nothing is divided by: use it after a layer with weight_norm(), which fixes the scale. x: [N, C, *] of 2 to 5 axes.
///
/// The running variance does not enter the result. It is there for norm_report() and recalibrate().
class MeanOnlyBatchNorm : public RunningStatsNorm {
 public:
  /// Throws ValueError for num_features <= 0 and a momentum outside [0, 1].
  explicit MeanOnlyBatchNorm(std::int64_t num_features, const MeanOnlyBatchNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(MeanOnlyBatchNorm)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }
  /// 0: there is no divisor.
  double eps_for(DType /*dtype*/) const override { return 0.0; }
  std::string reason_against_folding() const override {
    return "a MeanOnlyBatchNorm only subtracts; fold() folds norms that divide";
  }

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  std::string expected_input() const override;
  std::string single_value_advice() const override { return larger_batches_or_eval(); }
};

}  // namespace normgrad
