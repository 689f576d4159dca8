#include "normgrad/core/ops/elementwise/unary.hpp"

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {

using detail::apply_binary;
using detail::apply_unary;
using detail::apply_unary_grad;
using kernels::BinaryOp;
using kernels::UnaryGrad;
using kernels::UnaryOp;

Tensor neg(const Tensor& x) {
  Tensor y = is_floating_point(x.dtype()) ? apply_unary("neg", UnaryOp::neg, x)
                                          : apply_binary("neg", BinaryOp::sub, x, 0.0, true);
  return record("neg", std::move(y), {x}, [](const Tensor& gy, GradSink& into) { into.add(0, neg(gy)); });
}

Tensor abs(const Tensor& x) {
  return record("abs", apply_unary("abs", UnaryOp::abs, x), {x}, [x = Saved(x)](const Tensor& gy, GradSink& into) {
    into.add(0, is_grad_enabled() ? mul(gy, sign(x.get())) : apply_unary_grad(UnaryGrad::abs, x.get(), gy));
  });
}

Tensor sign(const Tensor& x) {
  Tensor y = detail::locally_constant(apply_unary("sign", UnaryOp::sign, x), x);
  detail::announce("sign", y, {x});
  return y;
}

Tensor exp(const Tensor& x) {
  Tensor y = apply_unary("exp", UnaryOp::exp, x);
  SavedOutput out(y);
  return record("exp", std::move(y), {x},
                [y = std::move(out)](const Tensor& gy, GradSink& into) { into.add(0, mul(gy, y.get())); });
}

Tensor log(const Tensor& x) {
  return record("log", apply_unary("log", UnaryOp::log, x), {x},
                [x = Saved(x)](const Tensor& gy, GradSink& into) { into.add(0, div(gy, x.get())); });
}

Tensor sqrt(const Tensor& x) {
  Tensor y = apply_unary("sqrt", UnaryOp::sqrt, x);
  SavedOutput out(y);
  return record("sqrt", std::move(y), {x}, [y = std::move(out)](const Tensor& gy, GradSink& into) {
    into.add(0, is_grad_enabled() ? div(mul(gy, 0.5), y.get()) : apply_unary_grad(UnaryGrad::sqrt, y.get(), gy));
  });
}

Tensor rsqrt(const Tensor& x) {
  Tensor y = apply_unary("rsqrt", UnaryOp::rsqrt, x);
  SavedOutput out(y);
  return record("rsqrt", std::move(y), {x}, [y = std::move(out)](const Tensor& gy, GradSink& into) {
    into.add(
        0, is_grad_enabled() ? mul(mul(gy, -0.5), pow(y.get(), 3.0)) : apply_unary_grad(UnaryGrad::rsqrt, y.get(), gy));
  });
}

Tensor square(const Tensor& x) {
  Tensor y = is_floating_point(x.dtype()) ? apply_unary("square", UnaryOp::square, x)
                                          : apply_binary("square", BinaryOp::mul, x, x);
  return record("square", std::move(y), {x}, [x = Saved(x)](const Tensor& gy, GradSink& into) {
    into.add(0, is_grad_enabled() ? mul(mul(gy, 2.0), x.get()) : apply_unary_grad(UnaryGrad::square, x.get(), gy));
  });
}

Tensor sin(const Tensor& x) {
  return record("sin", apply_unary("sin", UnaryOp::sin, x), {x},
                [x = Saved(x)](const Tensor& gy, GradSink& into) { into.add(0, mul(gy, cos(x.get()))); });
}

Tensor cos(const Tensor& x) {
  return record("cos", apply_unary("cos", UnaryOp::cos, x), {x},
                [x = Saved(x)](const Tensor& gy, GradSink& into) { into.add(0, neg(mul(gy, sin(x.get())))); });
}

Tensor erf(const Tensor& x) {
  return record("erf", apply_unary("erf", UnaryOp::erf, x), {x}, [x = Saved(x)](const Tensor& gy, GradSink& into) {
    constexpr double kTwoByRootPi = 1.128379167095512573896158903121545;
    into.add(0, mul(gy, mul(exp(neg(square(x.get()))), kTwoByRootPi)));
  });
}

}  // namespace normgrad
