#include "normgrad/core/kernels/order/scan.hpp"

#include <limits>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/axis_shape.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/order/scan.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

using kernels::ScanOp;

namespace {

Tensor scanned(const char* name, ScanOp op, bool reverse, const Tensor& x, std::size_t axis) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    kernels::scan(op, reverse, detail::axis_shape(x.shape(), axis), x.data<T>(), y.mutable_data<T>());
  };
  if (x.dtype() == kInt64) {
    run(std::int64_t{});
  } else {
    dispatch_float(name, x.dtype(), run);
  }
  return y;
}

Tensor running_sum(const Tensor& x, std::size_t axis, bool reverse) {
  detail::note_arguments("axis", axis, "reverse", reverse);
  return record("cumsum", scanned("cumsum", ScanOp::sum, reverse, x, axis), {x},
                [axis, reverse](const Tensor& gy, GradSink& into) { into.add(0, running_sum(gy, axis, !reverse)); });
}

// y[i] = x[i - 1], and y[0] = `first`.
Tensor shifted(const Tensor& x, std::size_t axis, double first) {
  const auto a = static_cast<std::int64_t>(axis);
  const std::int64_t n = x.shape()[axis];
  if (n == 0) {
    return x;
  }
  Shape front = x.shape();
  front[axis] = 1;
  return cat({Tensor::empty(front, x.dtype()).fill_(first), narrow(x, a, 0, n - 1)}, a);
}

// y[i] = a[i] y[i - 1] + b[i], or y[i] = a[i + 1] y[i + 1] + b[i] if `reverse`. Its adjoint is itself in the other
// direction, so derivatives of any order are made of it.
Tensor recurrence(const Tensor& a, const Tensor& b, std::size_t axis, bool reverse) {
  Tensor y = Tensor::empty(b.shape(), b.dtype());
  dispatch_float("recurrence", b.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::linear_recurrence(reverse, detail::axis_shape(b.shape(), axis), a.data<T>(), b.data<T>(),
                               y.mutable_data<T>());
  });
  SavedOutput out(y);
  return record("recurrence", std::move(y), {a, b},
                [a = Saved(a), out = std::move(out), axis, reverse](const Tensor& gy, GradSink& into) {
                  const Tensor gb = recurrence(a.get(), gy, axis, !reverse);
                  if (into.wants(0)) {
                    const Tensor result = out.get();
                    into.add(0, reverse ? mul(shifted(gb, axis, 0.0), result) : mul(gb, shifted(result, axis, 0.0)));
                  }
                  if (into.wants(1)) into.add(1, gb);
                });
}

}  // namespace

Tensor cumsum(const Tensor& x, std::int64_t axis) {
  const std::size_t a = detail::axis_of("cumsum", x, axis);
  return running_sum(is_floating_point(x.dtype()) ? x : to(x, kInt64), a, false);
}

Tensor cumprod(const Tensor& x, std::int64_t axis) {
  const std::size_t a = detail::axis_of("cumprod", x, axis);
  if (x.dim() == 0) {
    return reshape_to(cumprod(reshape_to(x, {1}), 0), {});
  }
  if (x.dtype() != kInt64 && !is_floating_point(x.dtype())) {
    return cumprod(to(x, kInt64), axis);
  }
  Tensor y = scanned("cumprod", ScanOp::prod, false, x, a);
  SavedOutput out(y);
  return record("cumprod", std::move(y), {x},
                [x = Saved(x), out = std::move(out), a](const Tensor& gy, GradSink& into) {
                  into.add(0, mul(recurrence(x.get(), gy, a, true), shifted(out.get(), a, 1.0)));
                });
}

Tensor logcumsumexp(const Tensor& x, std::int64_t axis) {
  const std::size_t a = detail::axis_of("logcumsumexp", x, axis);
  detail::check_float("logcumsumexp", x);
  if (x.dim() == 0) {
    return reshape_to(logcumsumexp(reshape_to(x, {1}), 0), {});
  }
  Tensor y = scanned("logcumsumexp", ScanOp::logsumexp, false, x, a);
  SavedOutput out(y);
  // With s[i] = gy[i] + exp(y[i] - y[i + 1]) s[i + 1], whose factors are at most 1, the gradient is s exp(x - y). As
  // for logsumexp, it is 0 where x and y are -inf, and 1 times s where both are +inf.
  return record(
      "logcumsumexp", std::move(y), {x}, [x = Saved(x), out = std::move(out), a](const Tensor& gy, GradSink& into) {
        constexpr double kInfinity = std::numeric_limits<double>::infinity();
        const Tensor result = out.get();
        const Tensor divisor = where(eq(result, -kInfinity), 0.0, result);
        const auto share = [&](const Tensor& part) { return exp(where(eq(part, kInfinity), 0.0, sub(part, divisor))); };
        const Tensor s = recurrence(share(shifted(result, a, 0.0)), gy, a, true);
        into.add(0, mul(s, share(x.get())));
      });
}

}  // namespace normgrad
