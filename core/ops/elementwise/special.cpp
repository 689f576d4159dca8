#include "normgrad/core/ops/elementwise/special.hpp"

#include <numbers>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/math_function.hpp"
#include "normgrad/core/ops/detail/promotion.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"

namespace normgrad {

using kernels::MathFunction;
using kernels::MathFunction2;

namespace {

// f(x), whose gradient is derivative(gy, x).
template <class F>
Tensor of_input(const char* name, MathFunction f, const Tensor& x, F derivative) {
  return record(name, detail::apply_math(name, f, x), {x},
                [x = Saved(x), derivative](const Tensor& gy, GradSink& into) { into.add(0, derivative(gy, x.get())); });
}

// f(x), whose gradient is derivative(gy, f(x)).
template <class F>
Tensor of_result(const char* name, MathFunction f, const Tensor& x, F derivative) {
  Tensor y = detail::apply_math(name, f, x);
  SavedOutput out(y);
  return record(name, std::move(y), {x}, [out = std::move(out), derivative](const Tensor& gy, GradSink& into) {
    into.add(0, derivative(gy, out.get()));
  });
}

}  // namespace

Tensor reciprocal(const Tensor& x) {
  detail::check_float("reciprocal", x);
  return 1.0 / x;
}

Tensor log1p(const Tensor& x) {
  return of_input("log1p", MathFunction::log1p, x,
                  [](const Tensor& gy, const Tensor& v) { return div(gy, add(v, 1.0)); });
}

Tensor expm1(const Tensor& x) {
  return of_result("expm1", MathFunction::expm1, x,
                   [](const Tensor& gy, const Tensor& y) { return mul(gy, add(y, 1.0)); });
}

Tensor log2(const Tensor& x) {
  return of_input("log2", MathFunction::log2, x,
                  [](const Tensor& gy, const Tensor& v) { return div(gy, mul(v, std::numbers::ln2)); });
}

Tensor log10(const Tensor& x) {
  return of_input("log10", MathFunction::log10, x,
                  [](const Tensor& gy, const Tensor& v) { return div(gy, mul(v, std::numbers::ln10)); });
}

Tensor exp2(const Tensor& x) {
  return of_result("exp2", MathFunction::exp2, x,
                   [](const Tensor& gy, const Tensor& y) { return mul(gy, mul(y, std::numbers::ln2)); });
}

Tensor tan(const Tensor& x) {
  return of_result("tan", MathFunction::tan, x,
                   [](const Tensor& gy, const Tensor& y) { return mul(gy, add(square(y), 1.0)); });
}

Tensor asin(const Tensor& x) {
  return of_input("asin", MathFunction::asin, x,
                  [](const Tensor& gy, const Tensor& v) { return mul(gy, rsqrt(1.0 - square(v))); });
}

Tensor acos(const Tensor& x) {
  return of_input("acos", MathFunction::acos, x,
                  [](const Tensor& gy, const Tensor& v) { return neg(mul(gy, rsqrt(1.0 - square(v)))); });
}

Tensor atan(const Tensor& x) {
  return of_input("atan", MathFunction::atan, x,
                  [](const Tensor& gy, const Tensor& v) { return div(gy, add(square(v), 1.0)); });
}

Tensor sinh(const Tensor& x) {
  return of_input("sinh", MathFunction::sinh, x, [](const Tensor& gy, const Tensor& v) { return mul(gy, cosh(v)); });
}

Tensor cosh(const Tensor& x) {
  return of_input("cosh", MathFunction::cosh, x, [](const Tensor& gy, const Tensor& v) { return mul(gy, sinh(v)); });
}

Tensor asinh(const Tensor& x) {
  return of_input("asinh", MathFunction::asinh, x,
                  [](const Tensor& gy, const Tensor& v) { return mul(gy, rsqrt(add(square(v), 1.0))); });
}

Tensor acosh(const Tensor& x) {
  return of_input("acosh", MathFunction::acosh, x,
                  [](const Tensor& gy, const Tensor& v) { return mul(gy, rsqrt(sub(square(v), 1.0))); });
}

Tensor atanh(const Tensor& x) {
  return of_input("atanh", MathFunction::atanh, x,
                  [](const Tensor& gy, const Tensor& v) { return div(gy, 1.0 - square(v)); });
}

Tensor lgamma(const Tensor& x) {
  return of_input("lgamma", MathFunction::lgamma, x,
                  [](const Tensor& gy, const Tensor& v) { return mul(gy, digamma(v)); });
}

Tensor digamma(const Tensor& x) { return polygamma(0, x); }

Tensor polygamma(std::int64_t n, const Tensor& x) {
  require<ValueError>(n >= 0, "polygamma: expected n >= 0 but got ", n);
  const char* const name = n == 0 ? "digamma" : "polygamma";
  return record(
      name, detail::apply_math(name, MathFunction::polygamma, x, n), {x},
      [x = Saved(x), n](const Tensor& gy, GradSink& into) { into.add(0, mul(gy, polygamma(n + 1, x.get()))); });
}

Tensor atan2(const Tensor& a, const Tensor& b) {
  if (const auto same = detail::promoted(a, b)) return atan2(same->a, same->b);
  return record("atan2", detail::apply_math("atan2", MathFunction2::atan2, a, b), {a, b},
                [a = Saved(a), b = Saved(b)](const Tensor& gy, GradSink& into) {
                  const Tensor weight = div(gy, add(square(a.get()), square(b.get())));
                  if (into.wants(0)) into.add(0, sum_to(mul(weight, b.get()), a.get().shape()));
                  if (into.wants(1)) into.add(1, neg(sum_to(mul(weight, a.get()), b.get().shape())));
                });
}

Tensor hypot(const Tensor& a, const Tensor& b) {
  if (const auto same = detail::promoted(a, b)) return hypot(same->a, same->b);
  Tensor y = detail::apply_math("hypot", MathFunction2::hypot, a, b);
  SavedOutput out(y);
  return record("hypot", std::move(y), {a, b},
                [a = Saved(a), b = Saved(b), out = std::move(out)](const Tensor& gy, GradSink& into) {
                  const Tensor length = out.get();
                  const Tensor weight = div(gy, where(eq(length, 0.0), 1.0, length));
                  if (into.wants(0)) into.add(0, sum_to(mul(weight, a.get()), a.get().shape()));
                  if (into.wants(1)) into.add(1, sum_to(mul(weight, b.get()), b.get().shape()));
                });
}

// From the nearer end, so that weight = 1 gives b exactly.
Tensor lerp(const Tensor& a, const Tensor& b, double weight) {
  detail::check_float("lerp", a);
  detail::check_same_dtype("lerp", a, b);
  const Tensor way = sub(b, a);
  return weight < 0.5 ? add(a, mul(way, weight)) : sub(b, mul(way, 1.0 - weight));
}

Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight) {
  detail::check_float("lerp", a);
  detail::check_same_dtype("lerp", a, b);
  detail::check_same_dtype("lerp", a, weight);
  const Tensor way = sub(b, a);
  return where(lt(weight, 0.5), add(a, mul(way, weight)), sub(b, mul(way, 1.0 - weight)));
}

Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
  const DType type = detail::result_type_of({&x, &a, &b});
  return add(to(x, type), mul(mul(to(a, type), to(b, type)), value));
}

Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, double value) {
  detail::check_float("addcdiv", x);
  require<DTypeError>(is_floating_point(promote_types(a.dtype(), b.dtype())),
                      "addcdiv: expected a float32 or float64 dividend or divisor but got ", a.dtype(), " and ",
                      b.dtype());
  const DType type = detail::result_type_of({&x, &a, &b});
  return add(to(x, type), mul(div(to(a, type), to(b, type)), value));
}

}  // namespace normgrad
