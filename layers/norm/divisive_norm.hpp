// Divisive normalization: statistics of a window around each element, and a smoothing term in the divisor.
// Ren, Liao, Urtasun, Sinz and Zemel, "Normalizing the Normalizers: Comparing and Extending Network Normalization
// Schemes", 2017, section 3.
#pragma once

#include "normgrad/layers/norm/norm_layer.hpp"
#include "normgrad/layers/norm/options.hpp"

namespace normgrad {

/// Options of a DivisiveNorm. Defaults are those of the authors' code, whose windows are 3 to 7 wide.
struct DivisiveNormOptions {
  std::int64_t sum_window = 3;  ///< width of the window of the mean, along every axis; odd
  std::int64_t sup_window = 3;  ///< width of the window of the mean square; odd
  double eps = 1.0;             ///< sigma^2 of the paper, added to the mean square, inside the root
  bool learn_sigma = false;     ///< whether sigma is learned, starting at sqrt(eps)
  Affine affine = false;        ///< weight and bias per channel
  DType dtype = kFloat32;       ///< dtype of the parameters
};

/// v = x - mean(x), y = v / sqrt(sigma^2 + mean(v^2)). For x: [N, C, *] of 3 to 5 axes, the windows are neighboring
/// positions with all their channels; for x: [N, C] they are neighboring features. Beyond the ends there are zeros,
/// which count: a constant input is not mapped to the bias near the ends.
class DivisiveNorm : public NormLayer {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0, and windows that are not odd and positive.
  explicit DivisiveNorm(std::int64_t num_features, const DivisiveNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(DivisiveNorm)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }

  /// The constructor's arguments.
  std::int64_t num_features() const noexcept { return num_features_; }
  std::int64_t sum_window() const noexcept { return sum_window_; }
  std::int64_t sup_window() const noexcept { return sup_window_; }
  /// Returns sigma^2.
  double eps_for(DType dtype) const override;
  /// Resets the weight to 1, the bias to 0 and sigma to sqrt(eps).
  void reset_parameters();

  Parameter weight;  ///< [C]; undefined without scale
  Parameter bias;    ///< [C]; undefined without bias
  Parameter sigma;   ///< [1]; undefined unless it is learned

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  std::int64_t num_features_;
  std::int64_t sum_window_;
  std::int64_t sup_window_;
  double eps_;
  Affine affine_;
};

}  // namespace normgrad
