#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/promotion.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"

namespace normgrad {

using detail::apply_binary;
using detail::apply_unary;
using kernels::BinaryOp;
using kernels::UnaryOp;

namespace {

Tensor power(const Tensor& x, Scalar number) {
  if (is_integer(x.dtype())) {
    require<ValueError>(number.real() >= 0, "pow: expected an exponent >= 0 for ", detail::with_article(x.dtype()),
                        " tensor but got ", number);
    detail::check_fits("pow", number, x.dtype());
    return apply_binary("pow", BinaryOp::pow, x, number);
  }
  const double exponent = number.real();
  if (exponent == 2.0) {
    return apply_unary("pow", UnaryOp::square, x);
  }
  if (exponent == 1.0) {
    return apply_binary("pow", BinaryOp::mul, x, 1.0);
  }
  if (exponent == 0.5) {
    return apply_unary("pow", UnaryOp::sqrt, x);
  }
  if (exponent == -0.5) {
    return apply_unary("pow", UnaryOp::rsqrt, x);
  }
  if (exponent == -1.0) {
    return apply_binary("pow", BinaryOp::div, x, 1.0, true);
  }
  return apply_binary("pow", BinaryOp::pow, x, exponent);
}

}  // namespace

Tensor pow(const Tensor& a, Scalar number) {
  if (const auto x = detail::promoted(a, number)) return pow(*x, number);
  detail::note_arguments("exponent", number);
  return record("pow", power(a, number), {a},
                [a = Saved(a), exponent = number.real()](const Tensor& gy, GradSink& into) {
                  if (exponent == 0.0) {
                    into.add(0, detail::locally_constant(detail::zeros_of(gy), a.get()));
                    return;
                  }
                  into.add(0, mul(mul(gy, exponent), pow(a.get(), exponent - 1.0)));
                });
}

Tensor pow(const Tensor& a, const Tensor& b) {
  if (const auto same = detail::promoted(a, b)) return pow(same->a, same->b);
  if (is_integer(a.dtype()) && is_integer(b.dtype())) {
    for (const std::int64_t exponent : b.to_vector<std::int64_t>()) {
      require<ValueError>(exponent >= 0, "pow: expected exponents >= 0 for ", b.dtype(), " tensors but got ", exponent);
    }
  }
  Tensor y = apply_binary("pow", BinaryOp::pow, a, b);
  SavedOutput out(y);
  return record("pow", std::move(y), {a, b},
                [a = Saved(a), b = Saved(b), y = std::move(out)](const Tensor& gy, GradSink& into) {
                  const Tensor one = detail::scalar_like(gy, 1.0);
                  if (into.wants(0)) {  // 0 for the exponent 0, for every a
                    const Tensor base = where(eq(b.get(), 0.0), one, a.get());
                    into.add(0, sum_to(mul(mul(gy, b.get()), pow(base, b.get() - 1.0)), a.get().shape()));
                  }
                  if (into.wants(1)) {  // 0 for the base 0 if y is finite there
                    const Tensor still = to(mul(to(eq(a.get(), 0.0), kInt64), to(ge(b.get(), 0.0), kInt64)), kBool);
                    const Tensor base = where(still, one, a.get());
                    into.add(1, sum_to(mul(gy, detail::weighted(y.get(), log(base))), b.get().shape()));
                  }
                });
}

}  // namespace normgrad
