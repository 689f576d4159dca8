#include "normgrad/core/ops/elementwise/gated.hpp"

#include <utility>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/elementwise/log_sigmoid.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/special.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

std::pair<Tensor, Tensor> halves(const char* name, const Tensor& x, std::int64_t axis) {
  detail::check_float(name, x);
  const auto a = static_cast<std::int64_t>(normalize_axis(name, axis, x.dim()));
  require<ShapeError>(x.size(a) % 2 == 0, name, ": expected an even size of axis ", axis, " but got ", x.shape());
  const std::int64_t half = x.size(a) / 2;
  return {narrow(x, a, 0, half), narrow(x, a, half, half)};
}

}  // namespace

// Beyond 1000 it is x, and below -1000 the factor tanh(softplus(x)) is 0: without infinite factors, the product has its
// limits.
Tensor mish(const Tensor& x) {
  detail::check_float("mish", x);
  const Tensor finite = clamp(x, -1000.0, 1000.0);
  return where(gt(x, 1000.0), x, mul(finite, tanh(softplus(finite))));
}

Tensor celu(const Tensor& x, double alpha) {
  detail::check_float("celu", x);
  require<ValueError>(alpha != 0.0, "celu: expected alpha other than 0 but got 0");
  return where(gt(x, 0.0), x, mul(expm1(div(clamp(x, {}, 0.0), alpha)), alpha));
}

Tensor logsigmoid(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_float("logsigmoid", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::log_sigmoid(x.data<T>(), y.mutable_data<T>(), x.numel());
  });
  return record("logsigmoid", std::move(y), {x},
                [x = Saved(x)](const Tensor& gy, GradSink& into) { into.add(0, mul(gy, sigmoid(neg(x.get())))); });
}

Tensor softsign(const Tensor& x) {
  detail::check_float("softsign", x);
  return div(x, add(abs(x), 1.0));
}

Tensor tanhshrink(const Tensor& x) {
  detail::check_float("tanhshrink", x);
  return sub(x, tanh(x));
}

Tensor softmin(const Tensor& x, std::int64_t axis) {
  detail::check_float("softmin", x);
  return softmax(neg(x), axis);
}

Tensor glu(const Tensor& x, std::int64_t axis) {
  const auto [a, b] = halves("glu", x, axis);
  return mul(a, sigmoid(b));
}

Tensor swiglu(const Tensor& x, std::int64_t axis) {
  const auto [a, b] = halves("swiglu", x, axis);
  return mul(silu(a), b);
}

Tensor geglu(const Tensor& x, std::int64_t axis) {
  const auto [a, b] = halves("geglu", x, axis);
  return mul(gelu(a), b);
}

}  // namespace normgrad
