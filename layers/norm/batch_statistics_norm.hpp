// The base of the norms whose statistics are those of each channel over the batch and all positions.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

/// Base of BatchNorm, BatchRenorm and GhostBatchNorm: checks inputs [N, C, *] of the accepted numbers of axes.
class BatchStatisticsNorm : public RunningStatsNorm {
 protected:
  /// `type` is the layer's name, which ends in "1d", "2d" or "3d". Inputs have min_rank to max_rank axes.
  BatchStatisticsNorm(const char* type, std::int64_t num_features, const Options& options, std::int64_t min_rank,
                      std::int64_t max_rank);
  std::string expected_input() const override;
  /// Throws unless x is [N, C, *] with the layer's channels, its dtype and an accepted number of axes.
  void check_batch(const Tensor& x) const;

 private:
  const char* type_;
  std::int64_t min_rank_;
  std::int64_t max_rank_;
};

}  // namespace normgrad
