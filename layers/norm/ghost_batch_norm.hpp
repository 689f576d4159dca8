// Ghost batch normalization: batch norm over parts of a batch, the virtual batches.
// Hoffer, Hubara and Soudry, "Train longer, generalize better: closing the generalization gap in large batch training
// of neural networks", 2017, algorithm 1.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/norm/batch_statistics_norm.hpp"

namespace normgrad {

/// Options of the ghost batch norms. Those that BatchNorm has too have its names and defaults.
struct GhostBatchNormOptions {
  std::int64_t virtual_batch_size = 128;          ///< samples that share statistics in training
  double eps = 1e-5;                              ///< added to the variance
  Momentum momentum = 0.1;                        ///< update rule of the running statistics, for each virtual batch
  Affine affine = true;                           ///< weight and bias
  Variance variance = Variance::unbiased;         ///< estimate stored in running_var
  SingleValue single_value = SingleValue::error;  ///< behavior in training for one value per channel
  DType dtype = kFloat32;                         ///< of weight and bias; running statistics are float64
};

/// Base of GhostBatchNorm1d, GhostBatchNorm2d and GhostBatchNorm3d, which differ in the rank of their inputs.
///
/// In training, each virtual batch of virtual_batch_size consecutive samples is normalized with its own statistics. The
/// remaining samples form a smaller virtual batch; if it had only one value per channel, they join the one before. The
/// running statistics are updated for one virtual batch after the other, and num_batches_tracked counts these.
/// Evaluation uses the running statistics, as BatchNorm does. A batch of at most virtual_batch_size samples is
/// normalized as by BatchNorm.
class GhostBatchNorm : public BatchStatisticsNorm {
 public:
  /// The size of the options.
  std::int64_t virtual_batch_size() const noexcept { return virtual_batch_size_; }
  std::string extra_repr() const override;

 protected:
  /// `type` is the layer's name. Inputs have min_rank to max_rank axes.
  GhostBatchNorm(const char* type, std::int64_t num_features, const GhostBatchNormOptions& options,
                 std::int64_t min_rank, std::int64_t max_rank);
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  std::string single_value_advice() const override;

 private:
  NormResult normalize_part(const Tensor& part, std::int64_t batches, const Epilogue& epilogue) const;

  std::int64_t virtual_batch_size_;
};

/// x: [N, C] or [N, C, L].
class GhostBatchNorm1d : public GhostBatchNorm {
 public:
  /// Throws ValueError for num_features, virtual_batch_size or eps <= 0, and a momentum outside [0, 1].
  explicit GhostBatchNorm1d(std::int64_t num_features, const GhostBatchNormOptions& options = {})
      : GhostBatchNorm("GhostBatchNorm1d", num_features, options, 2, 3) {}
  NORMGRAD_DECLARE_MEMBERS(GhostBatchNorm1d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<GhostBatchNorm1d>(offered, x);
  }
};

/// x: [N, C, H, W].
class GhostBatchNorm2d : public GhostBatchNorm {
 public:
  /// Throws as GhostBatchNorm1d.
  explicit GhostBatchNorm2d(std::int64_t num_features, const GhostBatchNormOptions& options = {})
      : GhostBatchNorm("GhostBatchNorm2d", num_features, options, 4, 4) {}
  NORMGRAD_DECLARE_MEMBERS(GhostBatchNorm2d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<GhostBatchNorm2d>(offered, x);
  }
};

/// x: [N, C, D, H, W].
class GhostBatchNorm3d : public GhostBatchNorm {
 public:
  /// Throws as GhostBatchNorm1d.
  explicit GhostBatchNorm3d(std::int64_t num_features, const GhostBatchNormOptions& options = {})
      : GhostBatchNorm("GhostBatchNorm3d", num_features, options, 5, 5) {}
  NORMGRAD_DECLARE_MEMBERS(GhostBatchNorm3d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<GhostBatchNorm3d>(offered, x);
  }
};

}  // namespace normgrad
