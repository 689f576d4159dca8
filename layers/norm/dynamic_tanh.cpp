#include "normgrad/layers/norm/dynamic_tanh.hpp"

#include <cmath>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(DynamicTanh, alpha, weight, bias)

DynamicTanh::DynamicTanh(std::int64_t num_features, const DynamicTanhOptions& options)
    : num_features_(num_features), alpha_init_value_(options.alpha_init_value), axis_(options.axis) {
  detail::check_num_features("DynamicTanh", num_features);
  require<ValueError>(alpha_init_value_ != 0.0 && std::isfinite(alpha_init_value_),
                      "DynamicTanh: expected an alpha_init_value other than 0 but got ", alpha_init_value_);
  const TensorOptions of{.dtype = options.dtype};
  alpha = Parameter(full({1}, alpha_init_value_, of));
  weight = Parameter(ones({num_features}, of));
  bias = Parameter(zeros({num_features}, of));
}

std::string DynamicTanh::extra_repr() const {
  return detail::concat(num_features_, ", alpha_init_value=", alpha_init_value_, ", axis=", axis_);
}

void DynamicTanh::reset_parameters() {
  detail::refill(alpha, alpha_init_value_);
  detail::refill(weight, 1.0);
  detail::refill(bias, 0.0);
}

Tensor DynamicTanh::by_channel(const Tensor& x) const { return detail::channels_second(x, axis_); }

Tensor DynamicTanh::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_channel_axis(*this, x, axis_, num_features_, weight);
  return detail::apply_epilogue(epilogue, detail::apply_affine(tanh(x * alpha), weight, bias, axis_));
}

}  // namespace normgrad
