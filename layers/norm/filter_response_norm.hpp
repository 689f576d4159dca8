// Filter response normalization with the thresholded linear unit (TLU).
// Singh and Krishnan, "Filter Response Normalization Layer: Eliminating Batch Dependence in the Training of Deep Neural
// Networks", 2020, sections 3.1 and 3.2.
#pragma once

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of a FilterResponseNorm.
struct FilterResponseNormOptions {
  double eps = 1e-6;         ///< added to the mean of squares
  bool tlu = true;           ///< whether the result is max(y, tau) with a learned tau per channel
  bool learn_eps = false;    ///< whether abs(eps_l) is added to eps, with one learned eps_l: for maps of one position
  double eps_l_init = 1e-4;  ///< first value of eps_l
  DType dtype = kFloat32;    ///< dtype of the parameters
};

/// y = max(weight * x / sqrt(mean(x^2) + eps) + bias, tau), with the mean over the positions of each sample and
/// channel. x: [N, C, *] of 3 to 5 axes. tau starts at 0, where the TLU is a ReLU: no activation follows the layer.
class FilterResponseNorm : public NormLayer {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and eps_l_init <= 0.
  explicit FilterResponseNorm(std::int64_t num_features, const FilterResponseNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(FilterResponseNorm)
  std::string extra_repr() const override;
  /// Throws ShapeError for maps of one position, of which only the sign would remain, unless eps is learned.
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }

  /// The constructor's arguments.
  std::int64_t num_features() const noexcept { return num_features_; }
  double eps() const noexcept { return eps_; }
  /// Returns eps, with abs(eps_l) if it is learned.
  double eps_for(DType dtype) const override;
  /// Resets the weight to 1, bias and tau to 0, and eps_l to eps_l_init.
  void reset_parameters();

  Parameter weight;  ///< [C]
  Parameter bias;    ///< [C]
  Parameter tau;     ///< [C]; undefined without the TLU
  Parameter eps_l;   ///< [1]; undefined unless eps is learned

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  std::int64_t num_features_;
  double eps_;
  double eps_l_init_;
};

}  // namespace normgrad
