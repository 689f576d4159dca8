// PowerNorm: division by a running root mean square per channel, with an approximate backward.
// Shen, Yao, Gholami, Mahoney and Keutzer, "PowerNorm: Rethinking Batch Normalization in Transformers", 2020.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

/// Options of a PowerNorm. Names and defaults are those of the authors' code (MaskPowerNorm).
struct PowerNormOptions {
  double eps = 1e-5;                  ///< added to the mean squares
  double alpha_fwd = 0.9;             ///< weight of the old running mean square; that of the batch is 1 - alpha_fwd
  double alpha_bkw = 0.9;             ///< likewise for the running gradient statistic ema_gz
  std::int64_t warmup_iters = 10000;  ///< batches that are normalized with their own mean squares
  /// Groups of channels that are first divided by their root mean square at each position, as in the authors' code;
  /// nullopt: no such division, as in the paper's algorithms.
  std::optional<std::int64_t> group_num = 1;
  Affine affine = true;    ///< weight and bias
  DType dtype = kFloat32;  ///< of weight and bias; running statistics are float64
};

/// x: [N, C, *] with any number of positions. With phi the mean square of each channel over the batch and all positions
///
///   z = x / sqrt(phi + eps)              in the first warmup_iters batches of training
///   z = x / sqrt(running_var + eps)      after them, with the value before this batch, and in evaluation
///   y = z * weight + bias
///
/// The gradient of x is the authors' approximation, which is not the derivative of y: with g = gy * weight
///
///   gx = (g - (1 - alpha_bkw) * ema_gz * z) / sqrt(phi + eps)
///   ema_gz <- ema_gz + mean((g - (1 - alpha_bkw) * ema_gz * z) * z)        once per backward of a training forward
///
/// It replaces the mean of g * z, which batch norm's gradient has, by a running one, and has the phi of the batch where
/// the derivative after the warmup has running_var. The division by groups before it has its exact gradient. So a
/// backward changes a buffer of the layer; FreezeStatisticsGuard, freeze() and set_updates(false) prevent it. Nothing
/// is meant by higher-order gradients in training. In evaluation the gradient is exact.
///
/// running_var holds the running mean square, running_mean is unused, and num_batches_tracked counts the batches. In
/// the warmup the running mean square is the cumulative mean, then averaged as after it, as in the authors' code.
/// Composed of operations, in float64 and rounded once.
class PowerNorm : public RunningStatsNorm {
 public:
  /// Throws ValueError for num_features or eps <= 0, alphas outside [0, 1], warmup_iters < 0, and a group_num that does
  /// not divide num_features.
  explicit PowerNorm(std::int64_t num_features, const PowerNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(PowerNorm)
  std::string extra_repr() const override;
  bool has_input_moments() const noexcept override { return false; }
  std::string reason_against_folding() const override;
  /// Resets the running mean square to 1, ema_gz to 0, and the number of batches to 0.
  void reset_running_stats();
  /// Resets the weight to 1, the bias to 0, and the running statistics.
  void reset_parameters();

  StateBuffer ema_gz;  ///< [C], float64: the running statistic of the backward

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  std::string expected_input() const override;
  std::string single_value_advice() const override { return larger_batches_or_eval(); }

 private:
  Tensor divide_groups(const Tensor& x) const;
  Tensor power(const Tensor& x, const Tensor& mean_square, bool updates) const;

  double alpha_fwd_;
  double alpha_bkw_;
  std::int64_t warmup_iters_;
  std::optional<std::int64_t> group_num_;
};

}  // namespace normgrad
