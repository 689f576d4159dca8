// IterNorm: batch norm that also decorrelates the channels, by Newton's iteration.
// Huang, Zhou, Zhu, Liu and Shao, "Iterative Normalization: Beyond Standardization towards Efficient Whitening", 2019.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

/// Options of an IterNorm. Names and defaults are those of the authors' code.
struct IterNormOptions {
  std::int64_t num_groups = 1;  ///< groups of consecutive channels, each decorrelated by itself
  std::int64_t T = 5;           ///< iterations
  double eps = 1e-5;            ///< added to the diagonal of the covariance
  Momentum momentum = 0.1;      ///< update rule of the running statistics
  Affine affine = true;         ///< weight and bias
  DType dtype = kFloat32;       ///< of weight and bias; running statistics are float64
};

/// x: [N, C, *] with any number of positions. For each group of d channels and the m values of each channel
///
///   sigma = xc xc^T / m + eps I          xc = x - mean, [d, m]
///   P <- (3 P - P^3 sigma / trace(sigma)) / 2, T times from I
///   y = P / sqrt(trace(sigma)) xc, times weight, plus bias
///
/// P / sqrt(trace) approximates sigma^(-1/2) with more iterations; directions of small variance stay below 1.
/// Evaluation uses running averages of the mean and of this matrix. Composed of operations, in float64 and rounded
/// once. running_var has the biased variances of the channels, which do not normalize.
class IterNorm : public RunningStatsNorm {
 public:
  /// Throws ValueError for num_features, num_groups, T or eps <= 0, for groups that do not divide num_features, and a
  /// momentum outside [0, 1].
  explicit IterNorm(std::int64_t num_features, const IterNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(IterNorm)
  std::string extra_repr() const override;
  bool has_input_moments() const noexcept override { return false; }
  std::string reason_against_folding() const override;

  /// The constructor's arguments.
  std::int64_t num_groups() const noexcept { return num_groups_; }
  std::int64_t iterations() const noexcept { return iterations_; }
  /// Resets the running mean and the matrices to 0 and I, the variance to 1, and the number of batches to 0.
  void reset_running_stats();
  /// Resets the weight to 1, the bias to 0, and the running statistics.
  void reset_parameters();

  StateBuffer running_wm;  ///< [groups, d, d], float64: the matrix that evaluation applies to x - running_mean

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  std::string expected_input() const override;
  std::string single_value_advice() const override { return larger_batches_or_eval(); }

 private:
  Tensor whitening(const Tensor& centered) const;

  std::int64_t num_groups_;
  std::int64_t iterations_;
};

}  // namespace normgrad
