#include "normgrad/core/ops/elementwise/arithmetic.hpp"

#include <cmath>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/promotion.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"

namespace normgrad {

using detail::apply_binary;
using kernels::BinaryOp;

Tensor add(const Tensor& a, const Tensor& b) {
  if (const auto same = detail::promoted(a, b)) return add(same->a, same->b);
  Tensor y = apply_binary("add", BinaryOp::add, a, b);
  return record("add", std::move(y), {a, b}, [sa = a.shape(), sb = b.shape()](const Tensor& gy, GradSink& into) {
    if (into.wants(0)) into.add(0, sum_to(gy, sa));
    if (into.wants(1)) into.add(1, sum_to(gy, sb));
  });
}

Tensor sub(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype()) {
    detail::check_numbers("sub", a);
    detail::check_numbers("sub", b);
    const auto same = detail::in_result_type(a, b);
    return sub(same.a, same.b);
  }
  Tensor y = apply_binary("sub", BinaryOp::sub, a, b);
  return record("sub", std::move(y), {a, b}, [sa = a.shape(), sb = b.shape()](const Tensor& gy, GradSink& into) {
    if (into.wants(0)) into.add(0, sum_to(gy, sa));
    if (into.wants(1)) into.add(1, neg(sum_to(gy, sb)));
  });
}

Tensor mul(const Tensor& a, const Tensor& b) {
  if (const auto same = detail::promoted(a, b)) return mul(same->a, same->b);
  Tensor y = apply_binary("mul", BinaryOp::mul, a, b);
  return record("mul", std::move(y), {a, b},
                [a = Saved(a, b.requires_grad()), b = Saved(b, a.requires_grad()), sa = a.shape(), sb = b.shape()](
                    const Tensor& gy, GradSink& into) {
                  if (into.wants(0)) into.add(0, sum_to(mul(gy, b.get()), sa));
                  if (into.wants(1)) into.add(1, sum_to(mul(gy, a.get()), sb));
                });
}

Tensor div(const Tensor& a, const Tensor& b) {
  if (const auto same = detail::promoted(a, b)) return div(same->a, same->b);
  if (!is_floating_point(a.dtype())) return div(to(a, kFloat32), to(b, kFloat32));
  Tensor y = apply_binary("div", BinaryOp::div, a, b);
  return record("div", std::move(y), {a, b},
                [a = Saved(a, b.requires_grad()), b = Saved(b), sa = a.shape(), sb = b.shape()](const Tensor& gy,
                                                                                                GradSink& into) {
                  const Tensor ga = div(gy, b.get());
                  if (into.wants(0)) into.add(0, sum_to(ga, sa));
                  if (into.wants(1)) into.add(1, neg(sum_to(mul(ga, div(a.get(), b.get())), sb)));
                });
}

Tensor add(const Tensor& a, Scalar b) {
  if (const auto x = detail::promoted(a, b)) return add(*x, b);
  detail::note_arguments("number", b);
  return record("add", apply_binary("add", BinaryOp::add, a, b), {a},
                [](const Tensor& gy, GradSink& into) { into.add(0, gy); });
}

Tensor sub(const Tensor& a, Scalar b) {
  detail::check_numbers("sub", a);
  if (const auto x = detail::promoted(a, b)) return sub(*x, b);
  detail::note_arguments("number", b);
  return record("sub", apply_binary("sub", BinaryOp::sub, a, b), {a},
                [](const Tensor& gy, GradSink& into) { into.add(0, gy); });
}

Tensor mul(const Tensor& a, Scalar b) {
  if (const auto x = detail::promoted(a, b)) return mul(*x, b);
  detail::note_arguments("number", b);
  return record("mul", apply_binary("mul", BinaryOp::mul, a, b), {a},
                [b](const Tensor& gy, GradSink& into) { into.add(0, mul(gy, b)); });
}

Tensor div(const Tensor& a, Scalar b) {
  if (!is_floating_point(a.dtype())) return div(to(a, kFloat32), b);
  detail::note_arguments("number", b);
  return record("div", apply_binary("div", BinaryOp::div, a, b), {a},
                [b](const Tensor& gy, GradSink& into) { into.add(0, div(gy, b)); });
}

Tensor operator-(Scalar a, const Tensor& b) {
  detail::check_numbers("sub", b);
  if (const auto x = detail::promoted(b, a)) return a - *x;
  detail::note_arguments("number", a, "reversed", true);
  return record("sub", apply_binary("sub", BinaryOp::sub, b, a, true), {b},
                [](const Tensor& gy, GradSink& into) { into.add(0, neg(gy)); });
}

Tensor operator/(Scalar a, const Tensor& b) {
  if (!is_floating_point(b.dtype())) return a / to(b, kFloat32);
  detail::note_arguments("number", a, "reversed", true);
  return record(
      "div", apply_binary("div", BinaryOp::div, b, a, true), {b},
      [a, b = Saved(b)](const Tensor& gy, GradSink& into) { into.add(0, neg(mul(div(gy, b.get()), a / b.get()))); });
}

Tensor operator-(const Tensor& x) { return neg(x); }

Tensor maximum(const Tensor& a, const Tensor& b) {
  if (const auto same = detail::promoted(a, b)) return maximum(same->a, same->b);
  Tensor y = apply_binary("maximum", BinaryOp::maximum, a, b);
  return record("maximum", std::move(y), {a, b}, [a = Saved(a), b = Saved(b)](const Tensor& gy, GradSink& into) {
    const Tensor share = apply_binary("maximum", BinaryOp::larger_share, a.get(), b.get());
    if (into.wants(0)) into.add(0, sum_to(mul(gy, share), a.get().shape()));
    if (into.wants(1)) into.add(1, sum_to(mul(gy, 1.0 - share), b.get().shape()));
  });
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  if (const auto same = detail::promoted(a, b)) return minimum(same->a, same->b);
  Tensor y = apply_binary("minimum", BinaryOp::minimum, a, b);
  return record("minimum", std::move(y), {a, b}, [a = Saved(a), b = Saved(b)](const Tensor& gy, GradSink& into) {
    const Tensor share = apply_binary("minimum", BinaryOp::larger_share, b.get(), a.get());
    if (into.wants(0)) into.add(0, sum_to(mul(gy, share), a.get().shape()));
    if (into.wants(1)) into.add(1, sum_to(mul(gy, 1.0 - share), b.get().shape()));
  });
}

}  // namespace normgrad
