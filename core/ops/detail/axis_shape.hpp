// A tensor around one of its axes, for kernels that work along an axis. Internal.
#pragma once

#include <algorithm>
#include <cstddef>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/order/axis_shape.hpp"

namespace normgrad::detail {

/// The axis counted from the front; a tensor without axes counts as having one. Throws IndexError, naming `where`.
inline std::size_t axis_of(const char* where, const Tensor& x, std::int64_t axis) {
  return normalize_axis(where, axis, std::max<std::int64_t>(x.dim(), 1));
}

/// `shape` as [outer, n, inner] around the axis.
inline kernels::AxisShape axis_shape(const Shape& shape, std::size_t axis) {
  kernels::AxisShape around{1, 1, 1};
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    (i < axis ? around.outer : i == axis ? around.n : around.inner) *= shape[i];
  }
  return around;
}

}  // namespace normgrad::detail
