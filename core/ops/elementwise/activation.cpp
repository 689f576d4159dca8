#include "normgrad/core/ops/elementwise/activation.hpp"

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/activation_kind.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"

// Each backward has two forms: a fused kernel, and the same as operations if it is recorded.

namespace normgrad {

using detail::apply_unary;
using detail::apply_unary_grad;
using kernels::UnaryGrad;
using kernels::UnaryOp;
using kernels::UnaryParams;

namespace {

// The derivative of a piecewise linear function at x.
Tensor slope(UnaryGrad op, const Tensor& x, UnaryParams params = {}) {
  return detail::locally_constant(apply_unary_grad(op, x, detail::ones_of(x), params), x);
}

// Limits a factor whose other factor has become 0, so that the product is 0 rather than NaN at infinity.
Tensor not_too_large(const Tensor& x) { return clamp(x, -1000.0, 1000.0); }

// scale * (x for x > 0, else alpha * (exp(x) - 1))
Tensor scaled_elu(const char* name, const Tensor& x, double alpha, double scale) {
  const UnaryParams params{alpha, scale};
  detail::note_arguments("alpha", alpha, "scale", scale);
  return record(name, apply_unary(name, UnaryOp::elu, x, params), {x},
                [x = Saved(x), params](const Tensor& gy, GradSink& into) {
                  if (!is_grad_enabled()) {
                    into.add(0, apply_unary_grad(UnaryGrad::elu, x.get(), gy, params));
                    return;
                  }
                  const Tensor below = mul(exp(clamp(x.get(), {}, 0.0)), params.p * params.q);
                  const Tensor above = detail::scalar_like(gy, params.q);
                  into.add(0, mul(gy, where(gt(x.get(), 0.0), above, below)));
                });
}

}  // namespace

Tensor detail::activated(const ActivationKind& f, Tensor y, const Tensor& x) {
  SavedOutput out(y);
  return record(f.name, std::move(y), {x}, [f, out = std::move(out)](const Tensor& gy, GradSink& into) {
    const Tensor s = out.get();
    into.add(0, is_grad_enabled() ? mul(gy, slope_from_result(f, s)) : apply_unary_grad(f.grad, s, gy));
  });
}

Tensor detail::slope_from_result(const ActivationKind& f, const Tensor& y) {
  switch (f.op) {
    case UnaryOp::relu:
      return slope(UnaryGrad::relu, y);
    case UnaryOp::tanh:
      return 1.0 - square(y);
    default:
      return mul(y, 1.0 - y);
  }
}

Tensor relu(const Tensor& x) { return detail::activated(detail::kReLU, apply_unary("relu", UnaryOp::relu, x), x); }

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  const UnaryParams params{negative_slope};
  const UnaryOp op = negative_slope == 0.0 ? UnaryOp::relu : UnaryOp::leaky_relu;  // 0 * -inf is 0 here
  detail::note_arguments("negative_slope", negative_slope);
  return record("leaky_relu", apply_unary("leaky_relu", op, x, params), {x},
                [x = Saved(x), params](const Tensor& gy, GradSink& into) {
                  into.add(0, is_grad_enabled() ? mul(gy, slope(UnaryGrad::leaky_relu, x.get(), params))
                                                : apply_unary_grad(UnaryGrad::leaky_relu, x.get(), gy, params));
                });
}

Tensor elu(const Tensor& x, double alpha) { return scaled_elu("elu", x, alpha, 1.0); }

Tensor selu(const Tensor& x) {
  return scaled_elu("selu", x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946);
}

Tensor gelu(const Tensor& x) {
  return record("gelu", apply_unary("gelu", UnaryOp::gelu, x), {x}, [x = Saved(x)](const Tensor& gy, GradSink& into) {
    if (!is_grad_enabled()) {
      into.add(0, apply_unary_grad(UnaryGrad::gelu, x.get(), gy));
      return;
    }
    constexpr double kRootHalf = 0.707106781186547524400844362104849;
    constexpr double kDensityAtZero = 0.398942280401432677939946059934382;
    const Tensor distribution = mul(add(erf(mul(x.get(), kRootHalf)), 1.0), 0.5);
    const Tensor density = mul(exp(mul(square(x.get()), -0.5)), kDensityAtZero);
    into.add(0, mul(gy, add(distribution, mul(not_too_large(x.get()), density))));
  });
}

Tensor silu(const Tensor& x) {
  return record("silu", apply_unary("silu", UnaryOp::silu, x), {x}, [x = Saved(x)](const Tensor& gy, GradSink& into) {
    if (!is_grad_enabled()) {
      into.add(0, apply_unary_grad(UnaryGrad::silu, x.get(), gy));
      return;
    }
    const Tensor y = sigmoid(x.get());
    into.add(0, mul(gy, mul(y, add(mul(not_too_large(x.get()), 1.0 - y), 1.0))));
  });
}

Tensor sigmoid(const Tensor& x) {
  return detail::activated(detail::kSigmoid, apply_unary("sigmoid", UnaryOp::sigmoid, x), x);
}

Tensor tanh(const Tensor& x) { return detail::activated(detail::kTanh, apply_unary("tanh", UnaryOp::tanh, x), x); }

Tensor softplus(const Tensor& x, double beta, double threshold) {
  require<ValueError>(beta > 0.0, "softplus: expected beta > 0 but got ", beta);
  const UnaryParams params{beta, threshold};
  detail::note_arguments("beta", beta);
  return record("softplus", apply_unary("softplus", UnaryOp::softplus, x, params), {x},
                [x = Saved(x), params](const Tensor& gy, GradSink& into) {
                  if (!is_grad_enabled()) {
                    into.add(0, apply_unary_grad(UnaryGrad::softplus, x.get(), gy, params));
                    return;
                  }
                  const Tensor scaled = mul(x.get(), params.p);
                  const Tensor one = detail::scalar_like(gy, 1.0);
                  into.add(0, mul(gy, where(gt(scaled, params.q), one, sigmoid(scaled))));
                });
}

}  // namespace normgrad
