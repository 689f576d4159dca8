// EvoNorm-S0, a norm and an activation in one, found by search: y = x * sigmoid(v * x) / std * weight + bias.
// Liu, Brock, Simonyan and Le, "Evolving Normalization-Activation Layers", 2020, table 2.
#pragma once

#include <optional>

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

/// Options of an EvoNormS0. Defaults are those of the authors' code.
struct EvoNormS0Options {
  /// nullopt: 32, or the largest smaller number that divides the channels.
  std::optional<std::int64_t> num_groups = std::nullopt;
  double eps = 1e-5;       ///< added to the biased variance, inside the root
  DType dtype = kFloat32;  ///< dtype of the parameters
};

/// The standard deviation is that of each sample and group of channels, as in GroupNorm; the mean is not subtracted.
/// x: [N, C, *] of 2 to 5 axes. No activation follows the layer.
class EvoNormS0 : public NormLayer {
 public:
  /// Throws ValueError for num_features <= 0, eps <= 0 and groups that do not divide the channels.
  explicit EvoNormS0(std::int64_t num_features, const EvoNormS0Options& options = {});
  NORMGRAD_DECLARE_MEMBERS(EvoNormS0)
  std::string extra_repr() const override;
  /// Throws ShapeError for groups of one value, whose variance is 0.
  Tensor forward(const Tensor& x) override { return forward_fused(x, {}); }

  /// The constructor's arguments.
  std::int64_t num_features() const noexcept { return num_features_; }
  std::int64_t num_groups() const noexcept { return num_groups_; }
  double eps() const noexcept { return eps_; }
  double eps_for(DType /*dtype*/) const override { return eps_; }
  /// Resets v and the weight to 1 and the bias to 0.
  void reset_parameters();

  Parameter weight;  ///< [C]
  Parameter bias;    ///< [C]
  Parameter v;       ///< [C]

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;

 private:
  std::int64_t num_features_;
  std::int64_t num_groups_;
  double eps_;
};

}  // namespace normgrad
