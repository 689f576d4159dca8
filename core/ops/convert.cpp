#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/elementwise/compare.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/reduce_plan.hpp"
#include "normgrad/core/ops/detail/row_major.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

Tensor to(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) {
    return x;
  }
  Tensor y = Tensor::empty(x.shape(), dtype);
  bool fits = true;
  detail::dispatch_elements(x.dtype(), [&](auto from) {
    dispatch_all(dtype, [&](auto into) {
      fits = kernels::convert(detail::row_major_as<decltype(from)>(x), y.mutable_data<decltype(into)>(), x.numel());
    });
  });
  require<ValueError>(fits, "to: expected values that fit ", dtype, " but the ", x.dtype(),
                      " tensor has one that does not");
  if (!is_floating_point(dtype)) {
    detail::announce("to", y, {x});
    return y;
  }
  return record("to", std::move(y), {x},
                [before = x.dtype()](const Tensor& gy, GradSink& into) { into.add(0, to(gy, before)); });
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) {
    return x;
  }
  require<ShapeError>(shape.rank() <= x.shape().rank() && broadcast_shapes("sum_to", x.shape(), shape) == x.shape(),
                      "sum_to: expected a shape that broadcasts to ", x.shape(), " but got ", shape);
  const std::size_t added = x.shape().rank() - shape.rank();
  std::array<bool, Shape::kMaxDims> reduced{};
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    reduced[i] = i < added || shape[i - added] == 1;
  }
  const Tensor wide = detail::widened(x);
  Tensor y = Tensor::empty(shape, wide.dtype());
  detail::reduce_into("sum_to", kernels::ReduceOp::sum, wide, reduced, y);
  y = to(y, x.dtype());
  return record("sum_to", std::move(y), {x},
                [before = x.shape()](const Tensor& gy, GradSink& into) { into.add(0, expand_to(gy, before)); });
}

}  // namespace normgrad
