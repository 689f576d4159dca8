#include "normgrad/core/ops/norm/detail/formula.hpp"

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::detail {

NormFormula formula_of(const kernels::RowGeometry& g, double eps, bool center) {
  return {{g.rows / g.param_period, g.param_period, g.params_per_row, g.inner},
          {2, 3},
          {1, g.param_period, g.params_per_row, 1},
          eps,
          center};
}

NormFormula formula_of(const kernels::ChannelGeometry& g, double eps, bool center) {
  return {{g.batch, g.channels, g.spatial}, {0, 2}, {1, g.channels, 1}, eps, center};
}

Tensor locally_constant(Tensor values, const std::vector<Tensor>& of) {
  return record("locally_constant", std::move(values), of, [of](const Tensor& /*gy*/, GradSink& into) {
    for (std::size_t i = 0; i < of.size(); ++i) {
      if (into.wants(i)) {
        into.add(i, zeros_of(of[i]));
      }
    }
  });
}

Tensor through_relu(const Tensor& gy, const Tensor& y, const std::vector<Tensor>& of) {
  return mul(gy, locally_constant(apply_unary_grad(kernels::UnaryGrad::relu, y, ones_of(y)), of));
}

void norm_backward_composed(const NormFormula& formula, const Tensor& gy, const Tensor& x, const Tensor& weight,
                            const Shape& weight_shape, GradSink& into) {
  const Tensor gyv = reshape_to(gy, formula.view);
  if (into.wants(2)) {
    into.add(2, reshape_to(sum_to(gyv, formula.params), weight_shape));
  }
  if (!into.wants(0) && !into.wants(1)) {
    return;
  }
  const Tensor xv = reshape_to(x, formula.view);
  const Tensor d = formula.center ? xv - mean(xv, formula.axes, true) : xv;
  const Tensor rstd = rsqrt(mean(square(d), formula.axes, true) + formula.eps);
  const Tensor xhat = d * rstd;
  if (into.wants(1)) {
    into.add(1, reshape_to(sum_to(gyv * xhat, formula.params), weight_shape));
  }
  if (into.wants(0)) {
    const Tensor g = weight.defined() ? gyv * reshape_to(weight, formula.params) : gyv;
    Tensor gx = g - xhat * mean(g * xhat, formula.axes, true);
    if (formula.center) {
      gx = gx - mean(g, formula.axes, true);
    }
    into.add(0, reshape_to(gx * rstd, x.shape()));
  }
}

}  // namespace normgrad::detail
