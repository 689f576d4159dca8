#include "normgrad/core/ops/elementwise/elliot.hpp"

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"

namespace normgrad {

Tensor elliot(const Tensor& x) {
  using kernels::BinaryOp;
  const Tensor size = detail::apply_unary("elliot", kernels::UnaryOp::abs, x);
  const Tensor below = detail::apply_binary("elliot", BinaryOp::add, size, 1.0);
  return record(
      "elliot", detail::apply_binary("elliot", BinaryOp::div, x, below), {x},
      [x = Saved(x)](const Tensor& gy, GradSink& into) { into.add(0, div(gy, square(add(abs(x.get()), 1.0)))); });
}

}  // namespace normgrad
