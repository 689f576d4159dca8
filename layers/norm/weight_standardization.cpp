#include "normgrad/layers/norm/weight_standardization.hpp"

#include <cmath>

#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/layers/norm/detail/weight_axes.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(WeightStandardization)

WeightStandardization::WeightStandardization(const WeightStandardizationOptions& options)
    : eps_(options.eps), dim_(options.dim.value_or(0)) {
  require<ValueError>(eps_ >= 0.0 && std::isfinite(eps_), "WeightStandardization: expected eps >= 0 but got ", eps_);
}

std::string WeightStandardization::extra_repr() const { return detail::concat("eps=", eps_, ", dim=", dim_); }

Tensor WeightStandardization::forward(const Tensor& weight) {
  const std::int64_t dim = detail::checked_weight_axis("WeightStandardization", weight, dim_);
  require<ShapeError>(weight.numel() > weight.size(dim), "WeightStandardization: expected more than 1 weight per ",
                      "output but got a weight ", weight.shape(), " with the outputs on axis ", dim);
  const StdMean of_outputs = std_mean(weight, detail::axes_but(weight, dim), true, true);
  return (weight - of_outputs.mean) / (of_outputs.std + eps_);
}

void detail::add_weight_standardization(Module& module, const std::string& name, WeightStandardizationOptions options) {
  options.dim = options.dim.value_or(find_weight("weight_standardization", module, name).output_axis);
  register_parametrization(module, name, WeightStandardization(options));
}

}  // namespace normgrad
