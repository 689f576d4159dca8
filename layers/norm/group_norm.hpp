// Group normalization: statistics of each sample over groups of neighbouring channels and all positions.
// Wu and He, "Group Normalization", 2018.
#pragma once

#include <optional>

#include "normgrad/layers/norm/norm_layer.hpp"
#include "normgrad/layers/norm/options.hpp"

namespace normgrad {

/// Options of a GroupNorm; names and defaults are PyTorch's.
struct GroupNormOptions {
  double eps = 1e-5;     ///< added to the variance
  Affine affine = true;  ///< weight and bias
  /// false: the mean stays, and groups are divided by their root mean square. With one group this is RMSNorm over
  /// C, H, W with a parameter per channel.
  bool centre = true;
  DType dtype = kFloat32;  ///< of the parameters
};

/// x: [N, C, *] of any rank >= 2; weight and bias per channel. With one group this is LayerNorm over C, H, W with a
/// parameter per channel, with C groups InstanceNorm.
class GroupNorm : public NormLayer {
 public:
  /// Without num_groups there are 32, or the largest number below that divides num_channels. Throws ValueError for
  /// groups that do not divide num_channels, and for num_groups, num_channels or eps <= 0.
  GroupNorm(std::optional<std::int64_t> num_groups, std::int64_t num_channels, const GroupNormOptions& options = {});
  NORMGRAD_MEMBERS(GroupNorm, weight, bias)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward_then(x, {}); }

  /// As constructed.
  std::int64_t num_groups() const noexcept { return num_groups_; }
  std::int64_t num_channels() const noexcept { return num_channels_; }
  double eps() const noexcept { return eps_; }
  /// Weight 1, bias 0.
  void reset_parameters();

  Parameter weight;  ///< [C]; undefined without scale
  Parameter bias;    ///< [C]; undefined without bias

 protected:
  Tensor forward_then(const Tensor& x, const NormThen& then) override;

 private:
  std::int64_t num_groups_;
  std::int64_t num_channels_;
  double eps_;
  Affine affine_;
  bool centre_;
};

}  // namespace normgrad
