// Instance normalization: statistics of each sample and channel over its positions.
// Ulyanov, Vedaldi and Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016.
//
// As in PyTorch, running statistics follow the batch mean of the per-sample statistics, num_batches_tracked does not
// change, and a cumulative momentum leaves the running statistics unchanged.
#pragma once

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

struct MaskedNormResult;

/// Options of the instance norms. Names and defaults are PyTorch's.
struct InstanceNormOptions {
  double eps = 1e-5;                              ///< added to the variance
  Momentum momentum = 0.1;                        ///< update rule of the running statistics
  Affine affine = false;                          ///< weight and bias
  bool track_running_stats = false;               ///< whether to use running statistics in eval mode
  Variance variance = Variance::unbiased;         ///< estimate stored in running_var
  SingleValue single_value = SingleValue::error;  ///< behavior in training for one value per sample and channel
  DType dtype = kFloat32;                         ///< of weight and bias; running statistics are float64
};

/// Base of InstanceNorm1d, InstanceNorm2d and InstanceNorm3d, which differ in the rank of their inputs. The batch axis
/// is optional.
class InstanceNorm : public RunningStatsNorm {
 public:
  Tensor by_channel(const Tensor& x) const override;
  /// Number of axes of a batch; an input without N has one fewer.
  std::int64_t rank() const noexcept { return rank_; }

 protected:
  /// `type` is the layer's name. Inputs have `rank` axes, or one fewer without N.
  InstanceNorm(const char* type, std::int64_t num_features, const InstanceNormOptions& options, std::int64_t rank);
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  Tensor forward_masked(const Tensor& x, const Tensor& mask) override;
  std::string single_value_advice() const override;
  std::string expected_input() const override;

 private:
  Tensor normalize(const Tensor& x, const Epilogue& epilogue);
  Tensor normalize_masked(const Tensor& x, const Tensor& mask);
  void update_masked(const MaskedNormResult& batch);
  void check(const Tensor& x) const;

  std::int64_t rank_;
};

/// x: [N, C, L] or [C, L].
class InstanceNorm1d : public InstanceNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0, a momentum outside [0, 1], and SingleValue::use_running without
  /// running statistics.
  explicit InstanceNorm1d(std::int64_t num_features, const InstanceNormOptions& options = {})
      : InstanceNorm("InstanceNorm1d", num_features, options, 3) {}
  NORMGRAD_DECLARE_MEMBERS(InstanceNorm1d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<InstanceNorm1d>(offered, x);
  }
};

/// x: [N, C, H, W] or [C, H, W].
class InstanceNorm2d : public InstanceNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0, a momentum outside [0, 1], and SingleValue::use_running without
  /// running statistics.
  explicit InstanceNorm2d(std::int64_t num_features, const InstanceNormOptions& options = {})
      : InstanceNorm("InstanceNorm2d", num_features, options, 4) {}
  NORMGRAD_DECLARE_MEMBERS(InstanceNorm2d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<InstanceNorm2d>(offered, x, is_training());
  }
};

/// x: [N, C, D, H, W] or [C, D, H, W].
class InstanceNorm3d : public InstanceNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0, a momentum outside [0, 1], and SingleValue::use_running without
  /// running statistics.
  explicit InstanceNorm3d(std::int64_t num_features, const InstanceNormOptions& options = {})
      : InstanceNorm("InstanceNorm3d", num_features, options, 5) {}
  NORMGRAD_DECLARE_MEMBERS(InstanceNorm3d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<InstanceNorm3d>(offered, x);
  }
};

}  // namespace normgrad
