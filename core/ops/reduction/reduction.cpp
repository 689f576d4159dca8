#include "normgrad/core/ops/reduction/reduction.hpp"

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/reduce/extreme.hpp"
#include "normgrad/core/kernels/reduce/reduce.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/reduce_plan.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

using detail::reduced;
using detail::ReducePlan;
using kernels::ReduceOp;

namespace {

void check_some(const char* name, const Tensor& x, const ReducePlan& plan) {
  require<ValueError>(plan.count > 0, name, ": expected at least one element to reduce but got shape ", x.shape());
}

// gy with the reduced axes restored.
Tensor spread(const Tensor& gy, const Shape& kept, const Shape& x) { return expand_to(reshape_to(gy, kept), x); }

// Whether the reduced axes are the last ones, and small enough that one thread reduces them.
bool reduces_short_rows(const ReducePlan& plan) {
  constexpr std::int64_t kShort = std::int64_t{1} << 16;
  bool kept = true;
  for (std::size_t i = 0; i < plan.kept.rank(); ++i) {
    if (!kept && !plan.reduced[i]) {
      return false;
    }
    kept = kept && !plan.reduced[i];
  }
  return plan.count <= kShort;
}

// The gradient of a maximum or minimum in operations. Equal elements share it.
Tensor extreme_grad(const Tensor& x, const Tensor& y, const Axes& axes, const Tensor& gy) {
  const Tensor hits = to(eq(x, y), gy.dtype());
  return div(mul(gy, detail::locally_constant(hits, x)), sum(hits, axes, true));
}

// Rows whose largest or smallest element is found together with the place that the gradient goes to.
Tensor extreme_of_rows(const char* name, bool largest, const Tensor& x, const Axes& axes, const ReducePlan& plan) {
  Tensor y = Tensor::empty(plan.result, x.dtype());
  Tensor winner = Tensor::empty({y.numel()}, kInt64);
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::extremes(largest, x.data<T>(), y.mutable_data<T>(), winner.mutable_data<std::int64_t>(), y.numel(),
                      plan.count);
  });
  SavedOutput out(y);
  detail::note_arguments("reduced", plan.reduced);
  return record(name, std::move(y), {x},
                [x = Saved(x), y = std::move(out), winner, axes, kept = plan.kept](const Tensor& gy, GradSink& into) {
                  if (is_grad_enabled()) {
                    into.add(0, extreme_grad(x.get(), y.get().alias(kept), axes, reshape_to(gy, kept)));
                    return;
                  }
                  Tensor gx = Tensor::empty(x.get().shape(), gy.dtype());
                  dispatch_float("backward", gy.dtype(), [&](auto zero) {
                    using T = decltype(zero);
                    kernels::extreme_grad(x.get().data<T>(), y.get().data<T>(), winner.data<std::int64_t>(),
                                          gy.data<T>(), gx.mutable_data<T>(), gy.numel(), gx.numel() / gy.numel());
                  });
                  into.add(0, gx);
                });
}

Tensor extreme(const char* name, ReduceOp op, const Tensor& x, const Axes& axes, bool keepdim) {
  const ReducePlan plan(name, x.shape(), axes, keepdim);
  check_some(name, x, plan);
  if (x.requires_grad() && is_grad_enabled() && x.numel() > 0 && reduces_short_rows(plan)) {
    return extreme_of_rows(name, op == ReduceOp::max, x, axes, plan);
  }
  Tensor y = reduced(name, op, x, plan);
  SavedOutput out(y);
  detail::note_arguments("reduced", plan.reduced);
  return record(name, std::move(y), {x},
                [x = Saved(x), y = std::move(out), axes, kept = plan.kept](const Tensor& gy, GradSink& into) {
                  into.add(0, extreme_grad(x.get(), y.get().alias(kept), axes, reshape_to(gy, kept)));
                });
}

Tensor arg_extreme(const char* name, bool largest, const Tensor& given, std::optional<std::int64_t> axis,
                   bool keepdim) {
  const Tensor x = detail::widened(given);
  const ReducePlan plan(name, x.shape(), axis ? Axes(*axis) : Axes(), keepdim);
  check_some(name, x, plan);
  require<DTypeError>(x.dtype() != kBool, name, ": expected a tensor of numbers but got bool; convert it with to()");
  std::int64_t inner = 1;
  for (std::size_t i = x.shape().rank(); axis && i-- > 0 && !plan.reduced[i];) {
    inner *= x.shape()[i];
  }
  Tensor y = Tensor::empty(plan.result, kInt64);
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t outer = inner == 0 ? 0 : y.numel() / inner;
    kernels::arg_reduce(largest, x.data<T>(), y.mutable_data<std::int64_t>(), outer, plan.count, inner);
  };
  if (x.dtype() == kInt64) {
    run(std::int64_t{});
  } else {
    dispatch_float(name, x.dtype(), run);
  }
  detail::note_arguments("reduced", plan.reduced);
  detail::announce(name, y, {x});
  return y;
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, ReduceFlag keepdim) {
  if (x.dtype() == kBool) {
    return sum(to(x, kInt64), axes, keepdim);
  }
  const ReducePlan plan("sum", x.shape(), axes, keepdim);
  detail::note_arguments("reduced", plan.reduced);
  return record("sum", reduced("sum", ReduceOp::sum, x, plan), {x},
                [kept = plan.kept, shape = x.shape()](const Tensor& gy, GradSink& into) {
                  into.add(0, spread(gy, kept, shape));
                });
}

Tensor mean(const Tensor& x, const Axes& axes, ReduceFlag keepdim) {
  detail::check_float("mean", x);
  const ReducePlan plan("mean", x.shape(), axes, keepdim);
  check_some("mean", x, plan);
  Tensor y = reduced("mean", ReduceOp::sum, x, plan);
  const auto count = static_cast<double>(plan.count);
  y.div_(count);
  detail::note_arguments("reduced", plan.reduced);
  return record("mean", std::move(y), {x},
                [kept = plan.kept, shape = x.shape(), count](const Tensor& gy, GradSink& into) {
                  into.add(0, spread(div(gy, count), kept, shape));
                });
}

Tensor var(const Tensor& x, const Axes& axes, ReduceFlag unbiased, ReduceFlag keepdim) {
  detail::check_float("var", x);
  const ReducePlan plan("var", x.shape(), axes, keepdim);
  const std::int64_t freedom = plan.count - (unbiased ? 1 : 0);
  require<ValueError>(freedom > 0, "var: expected ", unbiased ? "more than one element" : "at least one element",
                      " to reduce but got shape ", x.shape());
  const Tensor centered = [&] {
    const NoGradGuard unrecorded;
    return sub(x, mean(x, axes, true));
  }();
  Tensor y = reduced("var", ReduceOp::sum_squares, centered, plan);
  y.div_(static_cast<double>(freedom));
  detail::note_arguments("reduced", plan.reduced, "freedom", freedom);
  return record("var", std::move(y), {x},
                [x = Saved(x), axes, kept = plan.kept, freedom](const Tensor& gy, GradSink& into) {
                  const Tensor weight = mul(reshape_to(gy, kept), 2.0 / static_cast<double>(freedom));
                  into.add(0, mul(weight, sub(x.get(), mean(x.get(), axes, true))));
                });
}

Tensor max(const Tensor& x, const Axes& axes, ReduceFlag keepdim) {
  return extreme("max", ReduceOp::max, x, axes, keepdim);
}
Tensor min(const Tensor& x, const Axes& axes, ReduceFlag keepdim) {
  return extreme("min", ReduceOp::min, x, axes, keepdim);
}

Tensor argmax(const Tensor& x, std::optional<std::int64_t> axis, ReduceFlag keepdim) {
  return arg_extreme("argmax", true, x, axis, keepdim);
}
Tensor argmin(const Tensor& x, std::optional<std::int64_t> axis, ReduceFlag keepdim) {
  return arg_extreme("argmin", false, x, axis, keepdim);
}

}  // namespace normgrad
