#include "normgrad/core/ops/elementwise/rounding.hpp"

#include <cmath>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/math_function.hpp"
#include "normgrad/core/ops/detail/promotion.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/logic/logic.hpp"

namespace normgrad {

using kernels::MathFunction;
using kernels::MathFunction2;

namespace {

Tensor rounded(const char* name, MathFunction f, const Tensor& x) {
  if (is_integer(x.dtype())) {
    return x.clone();  // a new array, as for the other dtypes
  }
  Tensor y = detail::locally_constant(detail::apply_math(name, f, x), x);
  detail::announce(name, y, {x});
  return y;
}

// The quotient is exact up to rounding, so the integer next to it is the one that the remainder left out.
Tensor remainder_of(const char* name, MathFunction2 f, const Tensor& a, const Tensor& b) {
  if (const auto same = detail::promoted(a, b)) return remainder_of(name, f, same->a, same->b);
  require<ValueError>(!is_integer(b.dtype()) || all(b).item() != 0.0, name, ": expected divisors other than 0 for ",
                      b.dtype(), " tensors but got 0");
  Tensor y = detail::apply_math(name, f, a, b);
  SavedOutput out(y);
  return record(name, std::move(y), {a, b},
                [a = Saved(a), b = Saved(b), out = std::move(out)](const Tensor& gy, GradSink& into) {
                  if (into.wants(0)) into.add(0, sum_to(gy, a.get().shape()));
                  if (into.wants(1)) {
                    const Tensor times = round(div(sub(a.get(), out.get()), b.get()));
                    into.add(1, neg(sum_to(mul(gy, times), b.get().shape())));
                  }
                });
}

Tensor remainder_of(const char* name, MathFunction2 f, const Tensor& a, Scalar b) {
  const Tensor x = to(a, result_type(a, b));
  return remainder_of(name, f, x, detail::number_like(name, x, b));
}

}  // namespace

Tensor floor(const Tensor& x) { return rounded("floor", MathFunction::floor, x); }
Tensor ceil(const Tensor& x) { return rounded("ceil", MathFunction::ceil, x); }
Tensor trunc(const Tensor& x) { return rounded("trunc", MathFunction::trunc, x); }
Tensor round(const Tensor& x) { return rounded("round", MathFunction::round, x); }

Tensor round(const Tensor& x, std::int64_t decimals) {
  detail::check_float("round", x);
  const double unit = std::pow(10.0, std::abs(static_cast<double>(decimals)));
  return decimals < 0 ? mul(round(div(x, unit)), unit) : div(round(mul(x, unit)), unit);
}

Tensor frac(const Tensor& x) {
  detail::check_float("frac", x);
  return sub(x, trunc(x));
}

Tensor fmod(const Tensor& a, const Tensor& b) { return remainder_of("fmod", MathFunction2::fmod, a, b); }
Tensor fmod(const Tensor& a, Scalar b) { return remainder_of("fmod", MathFunction2::fmod, a, b); }
Tensor remainder(const Tensor& a, const Tensor& b) { return remainder_of("remainder", MathFunction2::remainder, a, b); }
Tensor remainder(const Tensor& a, Scalar b) { return remainder_of("remainder", MathFunction2::remainder, a, b); }

}  // namespace normgrad
