#include "normgrad/layers/flatten.hpp"

#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(Flatten)

std::string Flatten::extra_repr() const { return detail::concat("start_dim=", start_dim_, ", end_dim=", end_dim_); }

Tensor Flatten::forward(const Tensor& x) { return flatten(x, start_dim_, end_dim_); }

}  // namespace normgrad
