#include "normgrad/layers/norm/detail/weight_axes.hpp"

#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/module/detail/parametrized.hpp"

namespace normgrad::detail {

WeightPlace find_weight(const char* where, Module& module, const std::string& name) {
  const Parametrized::Place place = Parametrized::find(where, module, name);
  const Parameter& parameter = *place.parameter;
  return {parameter.is_parametrized() ? Parametrized::value_of(parameter) : parameter.detach(),
          dynamic_cast<const TransposedConvLayer*>(place.module) != nullptr ? 1 : 0};
}

std::int64_t checked_weight_axis(const char* where, const Tensor& weight, std::int64_t dim) {
  require<IndexError>(dim >= -weight.dim() && dim < weight.dim(), where, ": expected a dim in [", -weight.dim(), ", ",
                      weight.dim(), ") for a weight ", weight.shape(), " but got ", dim);
  return dim < 0 ? dim + weight.dim() : dim;
}

std::vector<std::int64_t> axes_but(const Tensor& weight, std::int64_t dim) {
  std::vector<std::int64_t> axes;
  for (std::int64_t axis = 0; axis < weight.dim(); ++axis) {
    if (axis != dim) {
      axes.push_back(axis);
    }
  }
  return axes;
}

}  // namespace normgrad::detail
