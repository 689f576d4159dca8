// Local response normalization over neighbouring channels.
// Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
#pragma once

#include "normgrad/layers/module.hpp"

namespace normgrad {

/// Options of a LocalResponseNorm; names and defaults are PyTorch's.
struct LocalResponseNormOptions {
  double alpha = 1e-4;  ///< factor of the mean square
  double beta = 0.75;   ///< exponent
  double k = 1.0;       ///< what alpha times the mean square is added to
};

/// x: [N, C, *] of at least 3 axes; see local_response_norm.
class LocalResponseNorm : public Module {
 public:
  /// Throws ValueError for size <= 0.
  explicit LocalResponseNorm(std::int64_t size, const LocalResponseNormOptions& options = {});
  NORMGRAD_MEMBERS(LocalResponseNorm)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t size_;
  LocalResponseNormOptions options_;
};

}  // namespace normgrad
