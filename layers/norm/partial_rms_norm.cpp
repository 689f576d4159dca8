#include "normgrad/layers/norm/partial_rms_norm.hpp"

#include <algorithm>
#include <cmath>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(PartialRMSNorm, weight, bias)

PartialRMSNorm::PartialRMSNorm(std::int64_t num_features, const PartialRMSNormOptions& options)
    : num_features_(num_features), partial_(options.partial), eps_(options.eps), axis_(options.axis) {
  detail::check_num_features("PartialRMSNorm", num_features);
  detail::check_eps("PartialRMSNorm", eps_);
  require<ValueError>(partial_ > 0.0 && partial_ <= 1.0, "PartialRMSNorm: expected partial in (0, 1] but got ",
                      partial_);
  weight = Parameter(ones({num_features}, {.dtype = options.dtype}));
  if (options.bias) {
    bias = Parameter(zeros({num_features}, {.dtype = options.dtype}));
  }
}

std::string PartialRMSNorm::extra_repr() const {
  return detail::concat(num_features_, ", partial=", partial_, ", eps=", eps_,
                        ", bias=", bias.defined() ? "true" : "false", ", axis=", axis_);
}

std::int64_t PartialRMSNorm::num_measured() const noexcept {
  return std::max<std::int64_t>(1,
                                static_cast<std::int64_t>(std::floor(static_cast<double>(num_features_) * partial_)));
}

void PartialRMSNorm::reset_parameters() {
  detail::refill(weight, 1.0);
  detail::refill(bias, 0.0);
}

Tensor PartialRMSNorm::by_channel(const Tensor& x) const { return detail::channels_second(x, axis_); }

Tensor PartialRMSNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_channel_axis(*this, x, axis_, num_features_, weight);
  const Tensor wide = x.to(kFloat64);
  const double root = std::sqrt(static_cast<double>(num_measured()));
  const Tensor rms = norm(narrow(wide, axis_, 0, num_measured()), 2.0, axis_, true) / root;
  const Tensor y = detail::apply_affine(wide / (rms + eps_), weight, bias, axis_);
  return detail::apply_epilogue(epilogue, y.to(x.dtype()));
}

}  // namespace normgrad
