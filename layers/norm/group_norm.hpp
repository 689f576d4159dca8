// Group normalization: statistics of each sample over groups of neighboring channels and all positions.
// Wu and He, "Group Normalization", 2018.
#pragma once

#include <optional>

#include "normgrad/layers/norm/norm_layer.hpp"
#include "normgrad/layers/norm/options.hpp"

namespace normgrad {

/// Options of a GroupNorm. Names and defaults are PyTorch's.
struct GroupNormOptions {
  double eps = 1e-5;     ///< added to the variance
  Affine affine = true;  ///< weight and bias
  /// If false, the mean is not subtracted, and groups are divided by their root mean square. With one group this is
  /// RMSNorm over C, H, W with a parameter per channel.
  bool center = true;
  DType dtype = kFloat32;  ///< dtype of the parameters
};

/// x: [N, C, *] of any rank >= 2; weight and bias per channel. With one group this is LayerNorm over C, H, W with a
/// parameter per channel; with C groups it is InstanceNorm.
class GroupNorm : public NormLayer {
 public:
  /// num_groups defaults to 32, or to the largest smaller number that divides num_channels. Throws ValueError for
  /// groups that do not divide num_channels, and for num_groups, num_channels or eps <= 0.
  GroupNorm(std::optional<std::int64_t> num_groups, std::int64_t num_channels, const GroupNormOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(GroupNorm)
  std::string extra_repr() const override;
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override {
    return fusable_as<GroupNorm>(offered, x, true);
  }

  /// The constructor's arguments.
  std::int64_t num_groups() const noexcept { return num_groups_; }
  std::int64_t num_channels() const noexcept { return num_channels_; }
  double eps() const noexcept { return eps_; }
  double eps_for(DType /*dtype*/) const override { return eps_; }
  /// Resets the weight to 1 and the bias to 0.
  void reset_parameters();

  Parameter weight;  ///< [C]; undefined without scale
  Parameter bias;    ///< [C]; undefined without bias

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  Tensor forward_masked(const Tensor& x, const Tensor& mask) override;

 private:
  void check(const Tensor& x) const;

  std::int64_t num_groups_;
  std::int64_t num_channels_;
  double eps_;
  Affine affine_;
  bool center_;
};

}  // namespace normgrad
