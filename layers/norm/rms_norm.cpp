#include "normgrad/layers/norm/rms_norm.hpp"

#include <limits>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(RMSNorm, weight)

RMSNorm::RMSNorm(const Shape& normalized_shape, const RMSNormOptions& options)
    : normalized_shape_(normalized_shape), eps_(options.eps) {
  detail::check_normalized_shape("RMSNorm", normalized_shape);
  detail::check_eps("RMSNorm", eps_.value_or(1.0));
  if (options.elementwise_affine) {
    weight = Parameter(ones(normalized_shape, {.dtype = options.dtype}));
  }
}

std::string RMSNorm::extra_repr() const {
  return detail::concat(normalized_shape_, ", eps=", eps_ ? detail::concat(*eps_) : "none",
                        ", elementwise_affine=", weight.defined() ? "true" : "false");
}

void RMSNorm::reset_parameters() {
  const NoGradGuard no_grad;
  if (weight.defined()) {
    weight.fill_(1.0);
  }
}

double RMSNorm::eps_for(DType dtype) const {
  return eps_.value_or(dtype == kFloat64 ? std::numeric_limits<double>::epsilon()
                                         : static_cast<double>(std::numeric_limits<float>::epsilon()));
}

Tensor RMSNorm::by_channel(const Tensor& x) const { return detail::features_last(x, normalized_shape_); }

Tensor RMSNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  return rms_norm(x, normalized_shape_, weight, eps_, epilogue);
}

}  // namespace normgrad
