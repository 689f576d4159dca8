#include "normgrad/core/ops/elementwise/piecewise.hpp"

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

// where() passes the gradient of the chosen piece only, so that NaN stays NaN and an infinite piece harms no other.

namespace {

// clamp() with a gradient of 0 at the limits.
Tensor limited(const char* name, const Tensor& x, double low, double high) {
  detail::check_float(name, x);
  const kernels::UnaryParams limits{low, high};
  detail::note_arguments("low", low, "high", high);
  return record("hardtanh", detail::apply_unary("hardtanh", kernels::UnaryOp::clamp, x, limits), {x},
                [x = Saved(x), limits](const Tensor& gy, GradSink& into) {
                  using detail::apply_unary_grad;
                  if (!is_grad_enabled()) {
                    into.add(0, apply_unary_grad(kernels::UnaryGrad::hardtanh, x.get(), gy, limits));
                    return;
                  }
                  const Tensor one = detail::ones_of(gy);
                  const Tensor inside = apply_unary_grad(kernels::UnaryGrad::hardtanh, x.get(), one, limits);
                  into.add(0, mul(gy, detail::locally_constant(inside, x.get())));
                });
}

void check_lambd(const char* name, const Tensor& x, double lambd) {
  detail::check_float(name, x);
  require<ValueError>(lambd >= 0.0, name, ": expected lambd >= 0 but got ", lambd);
}

}  // namespace

Tensor hardtanh(const Tensor& x, double min_val, double max_val) {
  require<ValueError>(min_val < max_val, "hardtanh: expected min_val < max_val but got ", min_val, " and ", max_val);
  return limited("hardtanh", x, min_val, max_val);
}

Tensor relu6(const Tensor& x) { return limited("relu6", x, 0.0, 6.0); }

Tensor hardsigmoid(const Tensor& x) { return div(add(limited("hardsigmoid", x, -3.0, 3.0), 3.0), 6.0); }

Tensor hardswish(const Tensor& x) {
  detail::check_float("hardswish", x);
  const Tensor middle = clamp(x, -3.0, 3.0);
  return where(le(x, -3.0), 0.0, where(ge(x, 3.0), x, div(mul(middle, add(middle, 3.0)), 6.0)));
}

Tensor hardshrink(const Tensor& x, double lambd) {
  check_lambd("hardshrink", x, lambd);
  return where(le(abs(x.detach()), lambd), 0.0, x);
}

Tensor softshrink(const Tensor& x, double lambd) {
  check_lambd("softshrink", x, lambd);
  return where(le(abs(x.detach()), lambd), 0.0, sub(x, mul(sign(x.detach()), lambd)));
}

Tensor threshold(const Tensor& x, double threshold, double value) {
  detail::check_float("threshold", x);
  return where(le(x, threshold), value, x);
}

Tensor prelu(const Tensor& x, const Tensor& weight) {
  detail::check_float("prelu", x);
  detail::check_same_dtype("prelu", x, weight);
  const std::int64_t channels = x.dim() == 0 ? 1 : x.size(x.dim() == 1 ? 0 : 1);
  require<ShapeError>(weight.dim() <= 1 && (weight.numel() == 1 || weight.numel() == channels),
                      "prelu: expected a weight of 1 or ", channels, " elements for ", x.shape(), " but got ",
                      weight.shape());
  Shape along;
  for (std::int64_t i = 0; i < x.dim(); ++i) {
    along.push_back(i == (x.dim() == 1 ? 0 : 1) ? weight.numel() : 1);
  }
  // A slope of 0 makes 0 of -inf too.
  return where(gt(x, 0.0), x, detail::weighted(reshape_to(weight, along), x));
}

Tensor rrelu(const Tensor& x, double lower, double upper, bool training, Generator* generator) {
  require<ValueError>(lower <= upper, "rrelu: expected lower <= upper but got ", lower, " and ", upper);
  detail::check_float("rrelu", x);
  if (!training) {
    return leaky_relu(x, (lower + upper) / 2);
  }
  const Tensor slope = add(mul(rand(x.shape(), {.dtype = x.dtype()}, generator), upper - lower), lower);
  return where(gt(x, 0.0), x, detail::weighted(slope, x));
}

}  // namespace normgrad
