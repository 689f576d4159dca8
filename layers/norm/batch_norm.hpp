// Batch normalization: statistics of each channel over the batch and all positions.
// Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
// 2015.
#pragma once

#include <memory>
#include <string>

#include "normgrad/layers/norm/batch_statistics_norm.hpp"
#include "normgrad/layers/norm/statistics_sync.hpp"

namespace normgrad {

/// Options of the batch norms. Names and defaults are PyTorch's.
struct BatchNormOptions {
  double eps = 1e-5;        ///< added to the variance
  Momentum momentum = 0.1;  ///< update rule of the running statistics
  Affine affine = true;     ///< weight and bias
  /// If false, batch statistics are also used in eval mode.
  bool track_running_stats = true;
  Variance variance = Variance::unbiased;         ///< estimate stored in running_var
  SingleValue single_value = SingleValue::error;  ///< behavior in training for one value per channel
  DType dtype = kFloat32;                         ///< of weight and bias; running statistics are float64
};

/// Base of BatchNorm1d, BatchNorm2d and BatchNorm3d, which differ in the rank of their inputs.
class BatchNorm : public BatchStatisticsNorm {
 public:
  /// Takes batch statistics over several processes (see convert_sync_batchnorm() of normgrad::dist), or with null over
  /// this one only. A mode, like train() and eval(): copies keep it, assignment leaves it unchanged.
  void synchronize(std::shared_ptr<const StatisticsSync> sync) { sync_.set(std::move(sync)); }
  bool is_synchronized() const noexcept { return *sync_ != nullptr; }
  std::string extra_repr() const override;

 protected:
  /// `type` is the layer's name. Inputs have min_rank to max_rank axes.
  BatchNorm(const char* type, std::int64_t num_features, const BatchNormOptions& options, std::int64_t min_rank,
            std::int64_t max_rank);
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  Tensor forward_masked(const Tensor& x, const Tensor& mask) override;

 private:
  Tensor forward_synchronized(const Tensor& x, const Epilogue& epilogue);

  detail::Mode<std::shared_ptr<const StatisticsSync>> sync_ = std::shared_ptr<const StatisticsSync>();
};

/// x: [N, C] or [N, C, L].
class BatchNorm1d : public BatchNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0, a momentum outside [0, 1], and SingleValue::use_running without
  /// running statistics.
  explicit BatchNorm1d(std::int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm1d", num_features, options, 2, 3) {}
  NORMGRAD_DECLARE_MEMBERS(BatchNorm1d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<BatchNorm1d>(offered, x);
  }
};

/// x: [N, C, H, W].
class BatchNorm2d : public BatchNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0, a momentum outside [0, 1], and SingleValue::use_running without
  /// running statistics.
  explicit BatchNorm2d(std::int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm2d", num_features, options, 4, 4) {}
  NORMGRAD_DECLARE_MEMBERS(BatchNorm2d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<BatchNorm2d>(offered, x, is_training());
  }
};

/// x: [N, C, D, H, W].
class BatchNorm3d : public BatchNorm {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0, a momentum outside [0, 1], and SingleValue::use_running without
  /// running statistics.
  explicit BatchNorm3d(std::int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm3d", num_features, options, 5, 5) {}
  NORMGRAD_DECLARE_MEMBERS(BatchNorm3d)
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<BatchNorm3d>(offered, x);
  }
};

}  // namespace normgrad
