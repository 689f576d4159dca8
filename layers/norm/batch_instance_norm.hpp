// Batch-instance normalization: a learned gate per channel between batch norm and instance norm.
// Nam and Kim, "Batch-Instance Normalization for Adaptively Style-Invariant Neural Networks", 2018.
#pragma once

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

/// Options of a BatchInstanceNorm. Names and defaults are those of the authors' code.
struct BatchInstanceNormOptions {
  double eps = 1e-5;        ///< added to both variances
  Momentum momentum = 0.1;  ///< update rule of the running statistics
  Affine affine = true;     ///< weight and bias
  DType dtype = kFloat32;   ///< of the parameters; running statistics are float64
};

/// y = (gate * x_batch + (1 - gate) * x_instance) * weight + bias, where x_batch is x normalized by the statistics of
/// each channel over the batch (the running ones in evaluation) and x_instance by those of each sample and channel.
/// x: [N, C, *] of 3 to 5 axes.
///
/// The gate is limited to [0, 1], as in the paper's update rule: a forward in training first moves values that the
/// optimizer brought beyond the limits back to them (not with frozen statistics, or under a FreezeStatisticsGuard).
/// Elsewhere, values beyond the limits count as the limits, and have no gradient.
class BatchInstanceNorm : public RunningStatsNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and a momentum outside [0, 1].
  explicit BatchInstanceNorm(std::int64_t num_features, const BatchInstanceNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(BatchInstanceNorm)
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }
  std::string reason_against_folding() const override {
    return "a BatchInstanceNorm also normalizes each sample with its own statistics";
  }
  /// Resets the gate and the weight to 1, the bias to 0, and the running statistics.
  void reset_parameters();

  Parameter gate;  ///< [C]; 1 is batch norm, 0 instance norm

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  std::string expected_input() const override;
  std::string single_value_advice() const override { return larger_batches_or_eval(); }
};

}  // namespace normgrad
