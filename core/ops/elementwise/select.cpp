#include <limits>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/elementwise/compare.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  require<DTypeError>(condition.dtype() == kBool, "where: expected a bool condition but got ", condition.dtype());
  detail::check_same_dtype("where", a, b);
  const Shape shape = broadcast_shapes("where", condition.shape(), broadcast_shapes("where", a.shape(), b.shape()));
  const auto layout = kernels::broadcast_layout<3>(shape, {&condition.shape(), &a.shape(), &b.shape()});
  Tensor y = Tensor::empty(shape, a.dtype());
  dispatch_all(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::select(layout, condition.data<bool>(), a.data<T>(), b.data<T>(), y.mutable_data<T>());
  });
  detail::note_arguments("condition", condition);
  return record("where", std::move(y), {a, b},
                [condition = Saved(condition), sa = a.shape(), sb = b.shape()](const Tensor& gy, GradSink& into) {
                  const Tensor zero = detail::scalar_like(gy, 0.0);
                  if (into.wants(0)) into.add(0, sum_to(where(condition.get(), gy, zero), sa));
                  if (into.wants(1)) into.add(1, sum_to(where(condition.get(), zero, gy), sb));
                });
}

namespace {

// A number as a tensor without axes, for the dtype of `like`.
Tensor number_for(const char* name, const Tensor& like, Scalar number) {
  return Tensor::empty({}, like.dtype())
      .fill_(like.dtype() == kInt64 ? Scalar(detail::whole_number(name, number)) : number);
}

}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, Scalar b) {
  return where(condition, a, number_for("where", a, b));
}

Tensor where(const Tensor& condition, Scalar a, const Tensor& b) {
  return where(condition, number_for("where", b, a), b);
}

Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high) {
  using kernels::BinaryOp;
  require<ValueError>(low || high, "clamp: expected at least one limit but got none");
  if (x.dtype() == kInt64) {
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
