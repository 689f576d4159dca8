#include "normgrad/layers/norm/weight_norm.hpp"

#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/layers/norm/detail/weight_axes.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(WeightNorm)

std::string WeightNorm::extra_repr() const { return "dim=" + (dim_ ? std::to_string(*dim_) : std::string("none")); }

Tensor WeightNorm::norm_of(const Tensor& v) const {
  const std::int64_t dim = dim_.value_or(-1);
  if (dim == -1) {
    return norm(v);
  }
  require<IndexError>(dim >= 0 && dim < v.dim(), "WeightNorm: expected a dim in [-1, ", v.dim(), ") for a weight ",
                      v.shape(), " but got ", dim);
  return v.dim() == 1 ? abs(v) : norm(v, 2.0, detail::axes_but(v, dim), true);
}

Tensor WeightNorm::combine(const std::vector<Tensor>& originals) {
  require<ValueError>(originals.size() == 2, "WeightNorm: expected the originals g and v but got ", originals.size(),
                      "; it must be the first parametrization of a parameter");
  return originals[1] * (originals[0] / norm_of(originals[1]));
}

std::vector<Tensor> WeightNorm::right_inverse(const Tensor& weight) { return {norm_of(weight), weight}; }

}  // namespace normgrad
