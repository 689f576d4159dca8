// Instance normalization: statistics of each sample and channel over its positions.
// Ulyanov, Vedaldi and Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016.
//
// As in PyTorch, running statistics follow the mean over the batch of the samples' statistics, num_batches_tracked
// stays what it is, and a cumulative momentum leaves the running statistics alone.
#pragma once

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

/// Options of the instance norms; names and defaults are PyTorch's.
struct InstanceNormOptions {
  double eps = 1e-5;                              ///< added to the variance
  Momentum momentum = 0.1;                        ///< how fast the running statistics follow
  Affine affine = false;                          ///< weight and bias
  bool track_running_stats = false;               ///< they then normalise in eval mode
  Variance variance = Variance::unbiased;         ///< which estimate enters running_var
  SingleValue single_value = SingleValue::error;  ///< what one value per channel does
  DType dtype = kFloat32;                         ///< of weight and bias; running statistics are float64
};

/// What InstanceNorm1d, 2d and 3d share; they differ in the ranks of their inputs, which may come without a batch axis.
class InstanceNorm : public RunningStatsNorm {
 protected:
  /// `type` is the layer's name; takes inputs of `rank` axes, or one without N.
  InstanceNorm(const char* type, std::int64_t num_features, const InstanceNormOptions& options, std::int64_t rank);
  Tensor forward_then(const Tensor& x, const NormThen& then) override;
  std::string single_value_advice() const override;
  std::string expected_input() const override;

 private:
  Tensor normalise(const Tensor& x, const NormThen& then);

  std::int64_t rank_;
};

/// x: [N, C, L] or [C, L].
class InstanceNorm1d : public InstanceNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and a momentum outside [0, 1].
  explicit InstanceNorm1d(std::int64_t num_features, const InstanceNormOptions& options = {})
      : InstanceNorm("InstanceNorm1d", num_features, options, 3) {}
  NORMGRAD_MEMBERS(InstanceNorm1d, weight, bias, running_mean, running_var, num_batches_tracked)
};

/// x: [N, C, H, W] or [C, H, W].
class InstanceNorm2d : public InstanceNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and a momentum outside [0, 1].
  explicit InstanceNorm2d(std::int64_t num_features, const InstanceNormOptions& options = {})
      : InstanceNorm("InstanceNorm2d", num_features, options, 4) {}
  NORMGRAD_MEMBERS(InstanceNorm2d, weight, bias, running_mean, running_var, num_batches_tracked)
};

/// x: [N, C, D, H, W] or [C, D, H, W].
class InstanceNorm3d : public InstanceNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and a momentum outside [0, 1].
  explicit InstanceNorm3d(std::int64_t num_features, const InstanceNormOptions& options = {})
      : InstanceNorm("InstanceNorm3d", num_features, options, 5) {}
  NORMGRAD_MEMBERS(InstanceNorm3d, weight, bias, running_mean, running_var, num_batches_tracked)
};

}  // namespace normgrad
