#include "normgrad/core/ops/logic/mask.hpp"

#include <span>

#include "normgrad/core/kernels/order/search.hpp"
#include "normgrad/core/ops/detail/promotion.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

void check_mask(const char* name, const Tensor& mask) {
  require<DTypeError>(mask.dtype() == kBool, name, ": expected a bool mask but got ", mask.dtype());
}

void check_fill(const Tensor& x, const Tensor& mask) {
  check_mask("masked_fill", mask);
  require<ShapeError>(broadcast_shapes("masked_fill", x.shape(), mask.shape()) == x.shape(),
                      "masked_fill: expected a mask that broadcasts to ", x.shape(), " but got ", mask.shape());
}

// The positions of the true elements; [count].
Tensor positions_of(const Tensor& mask) {
  Tensor y = Tensor::empty({kernels::count_true(mask.data<bool>(), mask.numel())}, kInt64);
  kernels::true_positions(mask.data<bool>(), mask.numel(), y.mutable_data<std::int64_t>());
  return y;
}

}  // namespace

Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value) {
  check_fill(x, mask);
  return where(mask, detail::number_like("masked_fill", x, value), x);
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value) {
  check_fill(x, mask);
  require<ShapeError>(value.dim() == 0, "masked_fill: expected a value without axes but got ", value.shape(),
                      "; where(mask, value, x) takes one value per element");
  require<DTypeError>(can_cast(value.dtype(), x.dtype()), "masked_fill: expected a value that can be cast to ",
                      x.dtype(), " but got ", value.dtype());
  return where(mask, to(value, x.dtype()), x);
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  check_mask("masked_select", mask);
  const Shape shape = broadcast_shapes("masked_select", x.shape(), mask.shape());
  const Tensor whole = x.shape() == shape ? x : expand_to(x, shape);
  const Tensor all_of_mask = mask.shape() == shape ? mask : expand_to(mask, shape);
  return index_select(reshape_to(whole, {shape.numel()}), 0, positions_of(all_of_mask));
}

Tensor nonzero(const Tensor& x) {
  const Tensor positions = positions_of(x.dtype() == kBool ? x : ne(x, 0));
  Tensor y = Tensor::empty({positions.numel(), x.dim()}, kInt64);
  kernels::coordinates(std::span(x.shape().begin(), x.shape().rank()), positions.data<std::int64_t>(),
                       positions.numel(), y.mutable_data<std::int64_t>());
  return y;
}

}  // namespace normgrad
