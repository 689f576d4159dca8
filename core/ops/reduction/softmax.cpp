#include "normgrad/core/ops/reduction/softmax.hpp"

#include <cmath>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/reduce/softmax.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

using kernels::SoftmaxOp;

namespace {

// x as [outer, n, inner], where n is the size of the axis.
struct Columns {
  std::int64_t outer = 1;
  std::int64_t n = 1;
  std::int64_t inner = 1;

  Columns(const Shape& x, std::size_t axis) {
    for (std::size_t i = 0; i < x.rank(); ++i) {
      (i < axis ? outer : i == axis ? n : inner) *= x[i];
    }
  }
};

// A tensor without axes counts as one element.
std::size_t checked_axis(const char* name, const Tensor& x, std::int64_t axis) {
  return normalize_axis(name, axis, std::max<std::int64_t>(x.dim(), 1));
}

Tensor forward(const char* name, SoftmaxOp op, const Tensor& x, std::size_t axis) {
  return dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Columns at(x.shape(), axis);
    Tensor y = Tensor::empty(x.shape(), x.dtype());
    kernels::softmax(op, x.data<T>(), y.mutable_data<T>(), at.outer, at.n, at.inner);
    return y;
  });
}

Tensor backward_of(SoftmaxOp op, const Tensor& y, const Tensor& gy, std::size_t axis) {
  return dispatch_float("softmax", y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Columns at(y.shape(), axis);
    Tensor gx = Tensor::empty(y.shape(), y.dtype());
    kernels::softmax_grad(op, y.data<T>(), gy.data<T>(), gx.mutable_data<T>(), at.outer, at.n, at.inner);
    return gx;
  });
}

Axes axes_of(const Tensor& x, std::size_t axis) {
  return x.dim() == 0 ? Axes() : Axes(static_cast<std::int64_t>(axis));
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis) {
  const std::size_t at = checked_axis("softmax", x, axis);
  Tensor y = forward("softmax", SoftmaxOp::softmax, x, at);
  SavedOutput out(y);
  detail::note_arguments("axis", at);
  return record("softmax", std::move(y), {x}, [out = std::move(out), at](const Tensor& gy, GradSink& into) {
    const Tensor s = out.get();
    into.add(0, is_grad_enabled() ? mul(s, sub(gy, sum(mul(gy, s), axes_of(s, at), true)))
                                  : backward_of(SoftmaxOp::softmax, s, gy, at));
  });
}

Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  const std::size_t at = checked_axis("log_softmax", x, axis);
  Tensor y = forward("log_softmax", SoftmaxOp::log_softmax, x, at);
  SavedOutput out(y);
  detail::note_arguments("axis", at);
  return record("log_softmax", std::move(y), {x}, [out = std::move(out), at](const Tensor& gy, GradSink& into) {
    const Tensor s = out.get();
    into.add(0, is_grad_enabled() ? sub(gy, mul(exp(s), sum(gy, axes_of(s, at), true)))
                                  : backward_of(SoftmaxOp::log_softmax, s, gy, at));
  });
}

Tensor logsumexp(const Tensor& x, const Axes& axes, ReduceFlag keepdim) {
  detail::check_float("logsumexp", x);
  const std::array<bool, Shape::kMaxDims> reduced = axes.mask("logsumexp", x.dim());
  Shape kept;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    kept.push_back(reduced[i] ? 1 : x.shape()[i]);
  }
  require<ValueError>(x.numel() > 0, "logsumexp: expected at least one element to reduce but got shape ", x.shape());
  Tensor y = [&] {
    const NoGradGuard unrecorded;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const Tensor largest = max(x, axes, true);
    const Tensor finite = where(lt(abs(largest), kInfinity), largest, detail::scalar_like(x, 0.0));
    const Tensor result = add(log(sum(exp(sub(x, finite)), axes, true)), finite);
    return keepdim ? result : sum(result, axes);
  }();
  SavedOutput out(y);
  detail::note_arguments("reduced", reduced);
  return record("logsumexp", std::move(y), {x},
                [x = Saved(x), out = std::move(out), kept](const Tensor& gy, GradSink& into) {
                  // For an infinite result: 0 if all inputs are -inf, and 1 for an input of +inf.
                  constexpr double kInfinity = std::numeric_limits<double>::infinity();
                  const Tensor result = reshape_to(out.get(), kept);
                  const Tensor zero = detail::scalar_like(gy, 0.0);
                  const Tensor shifted = sub(x.get(), where(eq(result, -kInfinity), zero, result));
                  const Tensor share = exp(where(eq(x.get(), kInfinity), zero, shifted));
                  into.add(0, mul(reshape_to(gy, kept), share));
                });
}

}  // namespace normgrad
