#include "normgrad/layers/norm/scale_norm.hpp"

#include <cmath>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/distance.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(ScaleNorm, scale)

ScaleNorm::ScaleNorm(double scale_of_results, const ScaleNormOptions& options)
    : initial_scale_(scale_of_results), eps_(options.eps), axis_(options.axis) {
  require<ValueError>(initial_scale_ != 0.0 && std::isfinite(initial_scale_),
                      "ScaleNorm: expected a scale other than 0 but got ", initial_scale_);
  detail::check_eps("ScaleNorm", eps_);
  scale = Parameter(full({1}, initial_scale_, {.dtype = options.dtype}));
}

std::string ScaleNorm::extra_repr() const {
  return detail::concat("scale=", initial_scale_, ", eps=", eps_, ", axis=", axis_);
}

void ScaleNorm::reset_parameters() { detail::refill(scale, initial_scale_); }

Tensor ScaleNorm::by_channel(const Tensor& x) const { return detail::channels_second(x, axis_); }

Tensor ScaleNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_vectors(*this, x, axis_, scale);
  const Tensor y = normalize(x.to(kFloat64), 2.0, axis_, eps_) * scale.to(kFloat64);
  return detail::apply_epilogue(epilogue, y.to(x.dtype()));
}

}  // namespace normgrad
