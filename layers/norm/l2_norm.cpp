#include "normgrad/layers/norm/l2_norm.hpp"

#include <cmath>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(L2Norm, weight)

L2Norm::L2Norm(std::int64_t num_features, const L2NormOptions& options)
    : num_features_(num_features), scale_(options.scale), eps_(options.eps), axis_(options.axis) {
  detail::check_num_features("L2Norm", num_features);
  detail::check_eps("L2Norm", eps_);
  require<ValueError>(scale_ != 0.0 && std::isfinite(scale_), "L2Norm: expected a scale other than 0 but got ", scale_);
  weight = Parameter(full({num_features}, scale_, {.dtype = options.dtype}));
}

std::string L2Norm::extra_repr() const {
  return detail::concat(num_features_, ", scale=", scale_, ", eps=", eps_, ", axis=", axis_);
}

void L2Norm::reset_parameters() { detail::refill(weight, scale_); }

Tensor L2Norm::by_channel(const Tensor& x) const { return detail::channels_second(x, axis_); }

// RMSNorm divides by the norm over sqrt(C): sum(x^2) + eps = C (mean(x^2) + eps / C).
Tensor L2Norm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_channel_axis(*this, x, axis_, num_features_, weight);
  const double root = std::sqrt(static_cast<double>(num_features_));
  return rms_norm_over(x, axis_, weight / root, eps_for(x.dtype()), epilogue);
}

}  // namespace normgrad
