// Batch normalization: statistics of each channel over the batch and all positions.
// Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
// 2015.
#pragma once

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

/// Options of the batch norms; names and defaults are PyTorch's.
struct BatchNormOptions {
  double eps = 1e-5;        ///< added to the variance
  Momentum momentum = 0.1;  ///< how fast the running statistics follow
  Affine affine = true;     ///< weight and bias
  /// Without running statistics those of the batch normalise in eval mode, too.
  bool track_running_stats = true;
  Variance variance = Variance::unbiased;         ///< which estimate enters running_var
  SingleValue single_value = SingleValue::error;  ///< what a batch of one value per channel does
  DType dtype = kFloat32;                         ///< of weight and bias; running statistics are float64
};

/// What BatchNorm1d, 2d and 3d share; they differ in the ranks of their inputs.
class BatchNorm : public RunningStatsNorm {
 protected:
  /// `type` is the layer's name; takes inputs of min_rank to max_rank axes.
  BatchNorm(const char* type, std::int64_t num_features, const BatchNormOptions& options, std::int64_t min_rank,
            std::int64_t max_rank);
  Tensor forward_then(const Tensor& x, const NormThen& then) override;
  std::string expected_input() const override;

 private:
  std::int64_t min_rank_;
  std::int64_t max_rank_;
};

/// x: [N, C] or [N, C, L].
class BatchNorm1d : public BatchNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and a momentum outside [0, 1].
  explicit BatchNorm1d(std::int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm1d", num_features, options, 2, 3) {}
  NORMGRAD_MEMBERS(BatchNorm1d, weight, bias, running_mean, running_var, num_batches_tracked)
};

/// x: [N, C, H, W].
class BatchNorm2d : public BatchNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and a momentum outside [0, 1].
  explicit BatchNorm2d(std::int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm2d", num_features, options, 4, 4) {}
  NORMGRAD_MEMBERS(BatchNorm2d, weight, bias, running_mean, running_var, num_batches_tracked)
};

/// x: [N, C, D, H, W].
class BatchNorm3d : public BatchNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and a momentum outside [0, 1].
  explicit BatchNorm3d(std::int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm3d", num_features, options, 5, 5) {}
  NORMGRAD_MEMBERS(BatchNorm3d, weight, bias, running_mean, running_var, num_batches_tracked)
};

}  // namespace normgrad
