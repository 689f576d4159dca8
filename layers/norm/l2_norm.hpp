// L2 normalization with a learned scale per channel: y = weight * x / sqrt(sum(x^2) + eps).
// Liu, Rabinovich and Berg, "ParseNet: Looking Wider to See Better", 2015, section 3.3; used by SSD.
#pragma once

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of an L2Norm. Defaults are those of SSD.
struct L2NormOptions {
  double scale = 20.0;     ///< first value of every weight
  double eps = 1e-10;      ///< added to the sum of squares, inside the root
  std::int64_t axis = 1;   ///< of the channels: 1 for [N, C, *], -1 for [*, C]
  DType dtype = kFloat32;  ///< dtype of the weight
};

/// x: any shape with num_features elements on the axis. normalize() is the same without parameters, with the largest of
/// the norm and eps as the divisor.
class L2Norm : public NormLayer {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and a scale that is 0 or not finite.
  explicit L2Norm(std::int64_t num_features, const L2NormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(L2Norm)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override { return fusable_as<L2Norm>(offered, x); }

  /// The constructor's arguments.
  std::int64_t num_features() const noexcept { return num_features_; }
  std::int64_t axis() const noexcept { return axis_; }
  double eps() const noexcept { return eps_; }
  /// Returns eps / C, which is added to the mean of squares.
  double eps_for(DType /*dtype*/) const override { return eps_ / static_cast<double>(num_features_); }
  Tensor by_channel(const Tensor& x) const override;
  /// Resets the weight to the option `scale`.
  void reset_parameters();

  Parameter weight;  ///< [C]

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  std::int64_t num_features_;
  double scale_;
  double eps_;
  std::int64_t axis_;
};

}  // namespace normgrad
