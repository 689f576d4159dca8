// Positional normalization: statistics of each position over the channels.
// Li, Wu, Weinberger and Belongie, "Positional Normalization", 2019.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of a PositionNorm.
struct PositionNormOptions {
  double eps = 1e-5;       ///< added to the variance
  bool affine = true;      ///< whether there are weight and bias
  DType dtype = kFloat32;  ///< of the parameters
};

/// x: [N, C, *]; weight and bias per channel. Each sample and position is normalized over its C channels.
class PositionNorm : public NormLayer {
 public:
  /// Throws ValueError for num_channels <= 0 and for eps <= 0.
  explicit PositionNorm(std::int64_t num_channels, const PositionNormOptions& options = {});
  NORMGRAD_MEMBERS(PositionNorm, weight, bias)
  std::string extra_repr() const override;
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<PositionNorm>(offered, x);
  }

  /// As constructed.
  std::int64_t num_channels() const noexcept { return num_channels_; }
  double eps() const noexcept { return eps_; }
  double eps_for(DType /*dtype*/) const override { return eps_; }
  Tensor by_channel(const Tensor& x) const override;
  /// Weight 1, bias 0.
  void reset_parameters();

  Parameter weight;  ///< [C]; undefined without affine
  Parameter bias;    ///< [C]; undefined without affine

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  std::int64_t num_channels_;
  double eps_;
};

}  // namespace normgrad
