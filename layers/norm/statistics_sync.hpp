// StatisticsSync: batch statistics that several processes share.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// The statistics of a batch of which every process has a part.
struct SharedMoments {
  Tensor mean;             ///< [C], float64, differentiable
  Tensor var;              ///< [C], float64, biased, differentiable
  std::int64_t count = 0;  ///< values per channel, of all processes
};

/// Computes the statistics of batches for BatchNorm::synchronize(). Implemented by normgrad::dist.
class StatisticsSync {
 public:
  virtual ~StatisticsSync() = default;
  /// The statistics of x: [N, C, *] of all processes, which all call it. N may be 0. With count 0, both are 0.
  virtual SharedMoments moments(const Tensor& x) const = 0;
  /// For printing, such as "4 ranks".
  virtual std::string text() const = 0;
};

}  // namespace normgrad
