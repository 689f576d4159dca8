#include <limits>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/elementwise/compare.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/promotion.hpp"
#include "normgrad/core/ops/detail/row_major.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  require<DTypeError>(condition.dtype() == kBool, "where: expected a bool condition but got ", condition.dtype());
  if (const auto same = detail::promoted(a, b)) return where(condition, same->a, same->b);
  const Shape shape = broadcast_shapes("where", condition.shape(), broadcast_shapes("where", a.shape(), b.shape()));
  const auto layout = kernels::broadcast_layout<3>(shape, {&condition.shape(), &a.shape(), &b.shape()});
  Tensor y = Tensor::empty(shape, a.dtype());
  detail::dispatch_size(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::select(layout, condition.data<bool>(), detail::row_major_as<T>(a), detail::row_major_as<T>(b),
                    reinterpret_cast<T*>(y.buffer().data()));
  });
  detail::note_arguments("condition", condition);
  return record("where", std::move(y), {a, b},
                [condition = Saved(condition), sa = a.shape(), sb = b.shape()](const Tensor& gy, GradSink& into) {
                  const Tensor zero = detail::scalar_like(gy, 0.0);
                  if (into.wants(0)) into.add(0, sum_to(where(condition.get(), gy, zero), sa));
                  if (into.wants(1)) into.add(1, sum_to(where(condition.get(), zero, gy), sb));
                });
}

Tensor where(const Tensor& condition, const Tensor& a, Scalar b) {
  if (const auto x = detail::promoted(a, b)) return where(condition, *x, b);
  return where(condition, a, detail::number_like("where", a, b));
}

Tensor where(const Tensor& condition, Scalar a, const Tensor& b) {
  if (const auto x = detail::promoted(b, a)) return where(condition, a, *x);
  return where(condition, detail::number_like("where", b, a), b);
}

Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high) {
  using kernels::BinaryOp;
  require<ValueError>(low || high, "clamp: expected at least one limit but got none");
  for (const std::optional<Scalar>& limit : {low, high}) {
    if (!limit) continue;
    if (const auto wide = detail::promoted(x, *limit)) return clamp(*wide, low, high);
  }
  for (const std::optional<Scalar>& limit : {low, high}) {
    if (limit) detail::check_fits("clamp", *limit, x.dtype());
  }
  if (is_integer(x.dtype())) {
    const Tensor raised = low ? detail::apply_binary("clamp", BinaryOp::maximum, x, *low) : x;
    return high ? detail::apply_binary("clamp", BinaryOp::minimum, raised, *high) : raised;
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const kernels::UnaryParams limits{low.value_or(-kInfinity).real(), high.value_or(kInfinity).real()};
  detail::note_arguments("low", limits.p, "high", limits.q);
  return record("clamp", detail::apply_unary("clamp", kernels::UnaryOp::clamp, x, limits), {x},
                [x = Saved(x), limits](const Tensor& gy, GradSink& into) {
                  using detail::apply_unary_grad;
                  if (!is_grad_enabled()) {
                    into.add(0, apply_unary_grad(kernels::UnaryGrad::clamp, x.get(), gy, limits));
                    return;
                  }
                  const Tensor one = detail::ones_of(gy);
                  const Tensor inside = apply_unary_grad(kernels::UnaryGrad::clamp, x.get(), one, limits);
                  into.add(0, mul(gy, detail::locally_constant(inside, x.get())));
                });
}

}  // namespace normgrad
