// Switchable normalization: learned averages of the statistics of instance, layer and batch norm.
// Luo, Ren, Peng, Zhang and Li, "Differentiable Learning-to-Normalize via Switchable Normalization", 2018.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/norm/batch_statistics_norm.hpp"

namespace normgrad {

/// Options of the switchable norms. Defaults are those of the authors' SwitchNorm2d.
struct SwitchableNormOptions {
  double eps = 1e-5;        ///< added to the averaged variance
  Momentum momentum = 0.1;  ///< update rule of the running statistics of the batch norm part
  Affine affine = true;     ///< weight and bias
  /// Estimate of the variance of each sample and channel, from which the others follow: unbiased as in the authors'
  /// code, or biased as in equation 3 of the paper. In SwitchableNorm1d that of each sample and of each channel.
  Variance variance = Variance::unbiased;
  DType dtype = kFloat32;  ///< of the parameters; running statistics are float64
};

/// Base of SwitchableNorm1d, SwitchableNorm2d and SwitchableNorm3d.
///
///   y = (x - mean) / sqrt(var + eps) * weight + bias
///   mean = sum_k softmax(mean_weight)[k] mean_k,  var = sum_k softmax(var_weight)[k] var_k
///
/// with k over the statistics of instance norm (per sample and channel), layer norm (per sample) and batch norm (per
/// channel). Means and variances of the last two are those of the first, averaged by the law of total variance. In
/// evaluation the statistics of batch norm are the running ones, the others those of the sample. Composed of
/// operations, in float64 and rounded once.
class SwitchableNorm : public BatchStatisticsNorm {
 public:
  std::string reason_against_folding() const override;
  /// Resets the weight and the weights of the statistics to 1, the bias to 0, and the running statistics.
  void reset_parameters();

  Parameter mean_weight;  ///< [3], of the means of instance, layer and batch norm; [2] without instance norm
  Parameter var_weight;   ///< as mean_weight, of the variances

 protected:
  std::string single_value_advice() const override { return larger_batches_or_eval(); }
  /// `type` is the layer's name. Inputs have `rank` axes.
  SwitchableNorm(const char* type, std::int64_t num_features, const SwitchableNormOptions& options, std::int64_t rank);
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
};

/// x: [N, C], with the statistics of layer and batch norm, since a sample has one value per channel.
class SwitchableNorm1d : public SwitchableNorm {
 public:
  /// Throws ValueError for num_features or eps <= 0, for an unbiased variance of 1 feature, and a momentum outside
  /// [0, 1].
  explicit SwitchableNorm1d(std::int64_t num_features, const SwitchableNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(SwitchableNorm1d)
};

/// x: [N, C, H, W].
class SwitchableNorm2d : public SwitchableNorm {
 public:
  /// Throws ValueError for num_features or eps <= 0, and a momentum outside [0, 1].
  explicit SwitchableNorm2d(std::int64_t num_features, const SwitchableNormOptions& options = {})
      : SwitchableNorm("SwitchableNorm2d", num_features, options, 4) {}
  NORMGRAD_DECLARE_MEMBERS(SwitchableNorm2d)
};

/// x: [N, C, D, H, W].
class SwitchableNorm3d : public SwitchableNorm {
 public:
  /// Throws as SwitchableNorm2d.
  explicit SwitchableNorm3d(std::int64_t num_features, const SwitchableNormOptions& options = {})
      : SwitchableNorm("SwitchableNorm3d", num_features, options, 5) {}
  NORMGRAD_DECLARE_MEMBERS(SwitchableNorm3d)
};

}  // namespace normgrad
