#include "normgrad/core/ops/reduction/statistics.hpp"

#include <cmath>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/reduce_plan.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// numerator / y, and 0 where y is 0.
Tensor divided_unless_zero(const Tensor& numerator, const Tensor& y) {
  const Tensor none = eq(y, 0.0);
  return where(none, 0.0, div(numerator, where(none, 1.0, y)));
}

// |x|^exponent, and 0 where x is 0.
Tensor power_unless_zero(const Tensor& size, double exponent) {
  const Tensor none = eq(size, 0.0);
  return where(none, 0.0, pow(where(none, 1.0, size), exponent));
}

// y = (sum |x|^p)^(1/p), with dy/dx = x |x|^(p - 2) / y^(p - 1). Elements are divided by y before taking powers.
Tensor general_norm(const Tensor& x, double p, const Axes& axes, const detail::ReducePlan& plan) {
  Tensor y = [&] {
    const NoGradGuard unrecorded;
    if (p == 2.0) {
      return sqrt(detail::reduced("norm", kernels::ReduceOp::sum_squares, x, plan));
    }
    return reshape_to(pow(sum(pow(abs(x), p), axes, true), 1.0 / p), plan.result);
  }();
  SavedOutput out(y);
  detail::note_arguments("reduced", plan.reduced, "p", p);
  return record("norm", std::move(y), {x},
                [x = Saved(x), out = std::move(out), p, kept = plan.kept](const Tensor& gy, GradSink& into) {
                  const Tensor length = reshape_to(out.get(), kept);
                  const Tensor weight = reshape_to(gy, kept);
                  if (p == 2.0) {
                    into.add(0, mul(x.get(), divided_unless_zero(weight, length)));
                    return;
                  }
                  const Tensor share = divided_unless_zero(x.get(), length);
                  into.add(0, mul(mul(weight, sign(x.get())), power_unless_zero(abs(share), p - 1.0)));
                });
}

}  // namespace

Tensor std(const Tensor& x, const Axes& axes, ReduceFlag unbiased, ReduceFlag keepdim) {
  detail::check_float("std", x);
  const detail::ReducePlan plan("std", x.shape(), axes, keepdim);
  const std::int64_t freedom = plan.count - (unbiased ? 1 : 0);
  require<ValueError>(freedom > 0, "std: expected ", unbiased ? "more than one element" : "at least one element",
                      " to reduce but got shape ", x.shape());
  Tensor y = [&] {
    const NoGradGuard unrecorded;
    return sqrt(var(x, axes, unbiased, keepdim));
  }();
  SavedOutput out(y);
  return record(
      "std", std::move(y), {x},
      [x = Saved(x), out = std::move(out), axes, kept = plan.kept, freedom](const Tensor& gy, GradSink& into) {
        const Tensor weight = divided_unless_zero(reshape_to(gy, kept), reshape_to(out.get(), kept));
        const Tensor centered = sub(x.get(), mean(x.get(), axes, true));
        into.add(0, mul(div(weight, static_cast<double>(freedom)), centered));
      });
}

StdMean std_mean(const Tensor& x, const Axes& axes, ReduceFlag unbiased, ReduceFlag keepdim) {
  return {std(x, axes, unbiased, keepdim), mean(x, axes, keepdim)};
}

VarMean var_mean(const Tensor& x, const Axes& axes, ReduceFlag unbiased, ReduceFlag keepdim) {
  return {var(x, axes, unbiased, keepdim), mean(x, axes, keepdim)};
}

Tensor norm(const Tensor& x, double p, const Axes& axes, ReduceFlag keepdim) {
  detail::check_float("norm", x);
  require<ValueError>(p == p, "norm: expected a p that is a number but got ", p);
  const detail::ReducePlan plan("norm", x.shape(), axes, keepdim);
  if (plan.count == 0) {
    require<ValueError>(p >= 0.0, "norm: expected at least one element to reduce but got shape ", x.shape());
    return sum(x, axes, keepdim);
  }
  if (p == 0.0) {
    return detail::locally_constant(sum(to(ne(x.detach(), 0.0), x.dtype()), axes, keepdim), x);
  }
  if (p == 1.0) {
    return sum(abs(x), axes, keepdim);
  }
  if (std::isinf(p)) {
    return p > 0.0 ? max(abs(x), axes, keepdim) : min(abs(x), axes, keepdim);
  }
  return general_norm(x, p, axes, plan);
}

}  // namespace normgrad
