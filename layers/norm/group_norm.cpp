#include "normgrad/layers/norm/group_norm.hpp"

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/norm/masked.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(GroupNorm, weight, bias)

GroupNorm::GroupNorm(std::optional<std::int64_t> num_groups, std::int64_t num_channels, const GroupNormOptions& options)
    : num_groups_(num_groups.value_or(detail::automatic_groups(num_channels))),
      num_channels_(num_channels),
      eps_(options.eps),
      affine_(options.affine),
      center_(options.center) {
  require<ValueError>(num_channels > 0, "GroupNorm: expected num_channels > 0 but got ", num_channels);
  require<ValueError>(num_groups_ > 0, "GroupNorm: expected num_groups > 0 but got ", num_groups_);
  require<ValueError>(num_channels % num_groups_ == 0,
                      "GroupNorm: expected num_channels divisible by num_groups but got ", num_channels,
                      " channels and ", num_groups_, " groups");
  detail::check_eps("GroupNorm", eps_);
  if (affine_.scale()) {
    weight = Parameter(ones({num_channels}, {.dtype = options.dtype}));
  }
  if (affine_.bias()) {
    bias = Parameter(zeros({num_channels}, {.dtype = options.dtype}));
  }
}

std::string GroupNorm::extra_repr() const {
  return detail::concat(num_groups_, ", ", num_channels_, ", eps=", eps_, ", affine=", to_string(affine_),
                        center_ ? "" : ", center=false");
}

void GroupNorm::reset_parameters() {
  const NoGradGuard no_grad;
  if (weight.defined()) {
    weight.fill_(1.0);
  }
  if (bias.defined()) {
    bias.fill_(0.0);
  }
}

void GroupNorm::check(const Tensor& x) const {
  require<ShapeError>(x.dim() >= 2 && x.size(1) == num_channels_, "GroupNorm: expected an input [N, ", num_channels_,
                      ", *] of at least 2 axes but got ", x.shape());
}

Tensor GroupNorm::forward_masked(const Tensor& x, const Tensor& mask) {
  check(x);
  detail::check_mask("GroupNorm", x, mask);
  return masked_group_norm(x, mask, num_groups_, weight, bias, eps_, center_);
}

Tensor GroupNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  check(x);
  require<ShapeError>(x.numel() != num_groups_, "GroupNorm: expected more than 1 value per group but got ", x.shape(),
                      " with ", num_groups_, " groups");
  return center_ ? group_norm(x, num_groups_, weight, bias, eps_, epilogue)
                 : group_rms_norm(x, num_groups_, weight, bias, eps_, epilogue);
}

}  // namespace normgrad
