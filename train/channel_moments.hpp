// Mean and variance of channels over many batches, exact for batches of any size.
#pragma once

#include <cstdint>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// (count, mean, M2) of each channel. M2, the sum of squared deviations from the mean, is merged in float64 as M2 =
/// M2_a + M2_b + (mean_b - mean_a)^2 n_a n_b / (n_a + n_b) (Chan, Golub and LeVeque, "Updating formulae and a pairwise
/// algorithm for computing sample variances", 1979). This is the law of total variance, E[v] + Var[mu], without the
/// cancellation of E[mu^2 + v] - E[mu]^2.
class ChannelMoments {
 public:
  /// Merges a batch of `count` values per channel with these means and biased variances, [C] each. Throws ShapeError if
  /// C differs from before.
  void merge(const Tensor& mean, const Tensor& var, std::int64_t count);

  /// Returns the number of values per channel.
  std::int64_t count() const noexcept { return count_; }
  const std::vector<double>& mean() const noexcept { return mean_; }
  /// Returns the variances with divisor count.
  std::vector<double> biased_var() const;
  /// Returns the variances with divisor count - 1, or 1 for a single value.
  std::vector<double> unbiased_var() const;

 private:
  std::vector<double> var(std::int64_t divisor) const;

  std::int64_t count_ = 0;
  std::vector<double> mean_;
  std::vector<double> m2_;
};

}  // namespace normgrad
