// Mean and variance of channels over many batches, exact whatever the batches' sizes.
#pragma once

#include <cstdint>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// (count, mean, M2) of each channel. M2, the sum of squared deviations from the mean, is merged as
/// M2 = M2_a + M2_b + (mean_b - mean_a)^2 n_a n_b / (n_a + n_b), in float64 (Chan, Golub and LeVeque, "Updating
/// formulae and a pairwise algorithm for computing sample variances", 1979): the law of total variance E[v] + Var[mu]
/// without the difference of large numbers that E[mu^2 + v] - E[mu]^2 is.
class ChannelMoments {
 public:
  /// Takes in a batch of `count` values per channel with these means and biased variances, [C] each. Throws ShapeError
  /// for another C than before.
  void merge(const Tensor& mean, const Tensor& var, std::int64_t count);

  /// Values per channel.
  std::int64_t count() const noexcept { return count_; }
  const std::vector<double>& mean() const noexcept { return mean_; }
  /// Divided by count.
  std::vector<double> biased_var() const;
  /// Divided by count - 1; as it is for one value.
  std::vector<double> unbiased_var() const;

 private:
  std::vector<double> var(std::int64_t divisor) const;

  std::int64_t count_ = 0;
  std::vector<double> mean_;
  std::vector<double> m2_;
};

}  // namespace normgrad
