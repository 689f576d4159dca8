// Batch renormalization: batch norm whose results in training are corrected towards those of evaluation.
// Ioffe, "Batch Renormalization: Towards Reducing Minibatch Dependence in Batch-Normalized Models", 2017.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/norm/batch_statistics_norm.hpp"

namespace normgrad {

/// A limit of batch renormalization: a number, or one that changes linearly with the number of training batches.
class RenormLimit {
 public:
  /// The same limit for all batches.
  constexpr RenormLimit(double constant)  // NOLINT(google-explicit-constructor): a number is a limit
      : from_(constant), to_(constant) {}
  /// `from` up to the batch `start`, `to` from the batch `end` on.
  constexpr RenormLimit(double from, double to, std::int64_t start, std::int64_t end)
      : from_(from), to_(to), start_(start), end_(end) {}
  /// The limit after a number of training batches.
  double at(std::int64_t batches) const noexcept;

  /// The constructor's arguments.
  constexpr double from() const { return from_; }
  constexpr double to() const { return to_; }
  constexpr std::int64_t start() const { return start_; }
  constexpr std::int64_t end() const { return end_; }

 private:
  double from_;
  double to_;
  std::int64_t start_ = 0;
  std::int64_t end_ = 0;
};

/// Options of the batch renorms. Defaults of eps are those of the author's code (TensorFlow), the others of the paper.
struct BatchRenormOptions {
  double eps = 1e-3;         ///< added to the variance
  Momentum momentum = 0.01;  ///< update rule of the running statistics
  Affine affine = true;      ///< weight and bias
  /// Limit of r, in [1 / r_max, r_max]. The default is batch norm for 5000 batches, then a growing correction.
  RenormLimit r_max = {1.0, 3.0, 5000, 40000};
  RenormLimit d_max = {0.0, 5.0, 5000, 25000};    ///< limit of d, in [-d_max, d_max]
  SingleValue single_value = SingleValue::error;  ///< behavior in training for one value per channel
  DType dtype = kFloat32;                         ///< of weight and bias; running statistics are float64
};

/// Base of BatchRenorm1d, BatchRenorm2d and BatchRenorm3d, which differ in the rank of their inputs. In training
///
///   y = (x - mean) / sqrt(var + eps) * r + d, times weight, plus bias
///   r = sqrt(var + eps) / sigma, limited to [1 / r_max, r_max]      sigma = sqrt(running_var + eps)
///   d = (mean - running_mean) / sigma, limited to [-d_max, d_max]
///
/// with the statistics of the batch (var biased) and the running ones before this batch. r and d are constants for the
/// gradient. Within the limits y is exactly the result of evaluation; with r_max = 1 and d_max = 0 it is batch norm's.
/// As in algorithm 1, sigma is the moving average of the batches' sqrt(var + eps); running_var is sigma^2 - eps, so
/// evaluation, state dicts and tools are those of batch norm.
class BatchRenorm : public BatchStatisticsNorm {
 public:
  std::string extra_repr() const override;
  /// The limits of r and d for the next batch, by num_batches_tracked.
  double r_max() const;
  double d_max() const;

 protected:
  /// `type` is the layer's name. Inputs have min_rank to max_rank axes.
  BatchRenorm(const char* type, std::int64_t num_features, const BatchRenormOptions& options, std::int64_t min_rank,
              std::int64_t max_rank);
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  NormResult renormalize(const Tensor& x, const Epilogue& epilogue) const;

  RenormLimit r_max_;
  RenormLimit d_max_;
};

/// x: [N, C] or [N, C, L].
class BatchRenorm1d : public BatchRenorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0, a momentum outside [0, 1], r_max < 1, d_max < 0, and a limit
  /// that ends before it starts.
  explicit BatchRenorm1d(std::int64_t num_features, const BatchRenormOptions& options = {})
      : BatchRenorm("BatchRenorm1d", num_features, options, 2, 3) {}
  NORMGRAD_DECLARE_MEMBERS(BatchRenorm1d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<BatchRenorm1d>(offered, x);
  }
};

/// x: [N, C, H, W].
class BatchRenorm2d : public BatchRenorm {
 public:
  /// Throws as BatchRenorm1d.
  explicit BatchRenorm2d(std::int64_t num_features, const BatchRenormOptions& options = {})
      : BatchRenorm("BatchRenorm2d", num_features, options, 4, 4) {}
  NORMGRAD_DECLARE_MEMBERS(BatchRenorm2d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<BatchRenorm2d>(offered, x, is_training());
  }
};

/// x: [N, C, D, H, W].
class BatchRenorm3d : public BatchRenorm {
 public:
  /// Throws as BatchRenorm1d.
  explicit BatchRenorm3d(std::int64_t num_features, const BatchRenormOptions& options = {})
      : BatchRenorm("BatchRenorm3d", num_features, options, 5, 5) {}
  NORMGRAD_DECLARE_MEMBERS(BatchRenorm3d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<BatchRenorm3d>(offered, x);
  }
};

}  // namespace normgrad
