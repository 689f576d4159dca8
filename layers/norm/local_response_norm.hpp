// Local response normalization over neighboring channels.
// Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
#pragma once

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of a LocalResponseNorm. Names and defaults are PyTorch's.
struct LocalResponseNormOptions {
  double alpha = 1e-4;  ///< factor of the mean square
  double beta = 0.75;   ///< exponent
  double k = 1.0;       ///< added to alpha times the mean square
};

/// x: [N, C, *] of at least 3 axes; see local_response_norm().
class LocalResponseNorm : public NormLayer {
 public:
  /// Throws ValueError for size <= 0.
  explicit LocalResponseNorm(std::int64_t size, const LocalResponseNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(LocalResponseNorm)
  std::string extra_repr() const override;

  double eps_for(DType /*dtype*/) const override { return 0.0; }

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  std::int64_t size_;
  LocalResponseNormOptions options_;
};

}  // namespace normgrad
