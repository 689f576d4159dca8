// Positional normalization (PONO): statistics of each position over the channels, and the moment shortcut (MS).
// Li, Wu, Weinberger and Belongie, "Positional Normalization", 2019, sections 3 and 4.
#pragma once

#include "normgrad/layers/norm/norm_layer.hpp"
#include "normgrad/layers/norm/options.hpp"

namespace normgrad {

/// Options of a PositionalNorm.
struct PositionalNormOptions {
  double eps = 1e-5;       ///< added to the unbiased variance, inside the root
  Affine affine = false;   ///< weight and bias per channel; the paper has none
  DType dtype = kFloat32;  ///< dtype of the parameters
};

/// The result of a PositionalNorm with the moments for the shortcut.
struct PositionalMoments {
  Tensor y;     ///< the normalized tensor, of the input's shape
  Tensor mean;  ///< [N, 1, *], of the input's dtype
  Tensor std;   ///< [N, 1, *]: sqrt(var + eps)
};

/// y = (x - mean) / sqrt(var + eps), over the channels of each position of x: [N, C, *] of 2 to 5 axes. It is LayerNorm
/// over axis 1, but the variance is the unbiased one, as in the authors' code: y is smaller by sqrt((C - 1) / C).
class PositionalNorm : public NormLayer {
 public:
  /// Throws ValueError for num_features <= 1, whose variance is not defined, and for eps <= 0.
  explicit PositionalNorm(std::int64_t num_features, const PositionalNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(PositionalNorm)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<PositionalNorm>(offered, x);
  }
  /// Returns the result of forward() with the moments, all differentiable. A decoder gives the moments to
  /// moment_shortcut().
  PositionalMoments with_moments(const Tensor& x);

  /// The constructor's arguments.
  std::int64_t num_features() const noexcept { return num_features_; }
  double eps() const noexcept { return eps_; }
  /// Returns the eps of the biased variance: eps * (C - 1) / C.
  double eps_for(DType dtype) const override;
  /// Resets the weight to 1 and the bias to 0.
  void reset_parameters();

  Parameter weight;  ///< [C]; undefined without scale
  Parameter bias;    ///< [C]; undefined without bias

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  std::int64_t num_features_;
  double eps_;
  Affine affine_;
};

/// Returns x * std + mean: gives x the moments that a PositionalNorm has removed from another tensor. mean and std are
/// [N, 1, *], as in PositionalMoments, or results of a network of them (the dynamic moment shortcut). Throws ShapeError
/// unless they broadcast to x.
Tensor moment_shortcut(const Tensor& x, const Tensor& mean, const Tensor& std);

}  // namespace normgrad
