// EvoNorm-B0, a norm and an activation in one, found by search: y = x / max(batch std, v * x + instance std) * weight +
// bias. Liu, Brock, Simonyan and Le, "Evolving Normalization-Activation Layers", 2020, table 2.
#pragma once

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

/// Options of an EvoNormB0. Defaults are those of the authors' code.
struct EvoNormB0Options {
  double eps = 1e-5;                     ///< added to both variances, inside the roots
  Momentum momentum = 0.1;               ///< update rule of the running variance; the authors' decay is 0.9
  Variance variance = Variance::biased;  ///< estimate stored in running_var
  DType dtype = kFloat32;                ///< dtype of the parameters
};

/// The batch std is that of each channel over the batch, in evaluation from the running variance; the instance std is
/// that of each sample and channel, in both modes. The mean is not subtracted. x: [N, C, *] of 3 to 5 axes. No
/// activation follows the layer.
///
/// The running mean does not enter the result. It is there for norm_report() and recalibrate().
class EvoNormB0 : public RunningStatsNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and a momentum outside [0, 1].
  explicit EvoNormB0(std::int64_t num_features, const EvoNormB0Options& options = {});
  NORMGRAD_DECLARE_MEMBERS(EvoNormB0)
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }
  std::string reason_against_folding() const override {
    return "an EvoNormB0 also divides by statistics of the sample";
  }
  /// Resets v and the weight to 1, the bias to 0, and the running statistics.
  void reset_parameters();

  Parameter v;  ///< [C]

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  std::string expected_input() const override;
  std::string single_value_advice() const override { return larger_batches_or_eval(); }
};

}  // namespace normgrad
