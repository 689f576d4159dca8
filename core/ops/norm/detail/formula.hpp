// The backward of the norms as Tensor operations. Internal.
#pragma once

#include <vector>

#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::detail {

/// A norm as Tensor operations. x is reshaped to `view`, statistics are over `axes`, and parameters are reshaped to
/// `params`, which broadcasts to `view`.
struct NormFormula {
  Shape view;
  Axes axes;
  Shape params;
  double eps;
  bool center;
};

NormFormula formula_of(const kernels::RowGeometry& g, double eps, bool center);
NormFormula formula_of(const kernels::ChannelGeometry& g, double eps, bool center);

/// `values`, a new tensor, as a function of `of` whose derivative is 0 wherever it exists. Tensors of `of` may be
/// undefined.
Tensor locally_constant(Tensor values, const std::vector<Tensor>& of);
/// gy where relu is not 0, as recorded Tensor operations, like relu's own recorded backward. `y` is relu's result.
/// relu's derivative is piecewise constant in all of `of`, which may be undefined.
Tensor through_relu(const Tensor& gy, const Tensor& y, const std::vector<Tensor>& of);

/// The backward as Tensor operations, with mean and variance recomputed from x: differentiable to any order.
void norm_backward_composed(const NormFormula& formula, const Tensor& gy, const Tensor& x, const Tensor& weight,
                            const Shape& weight_shape, GradSink& into);

}  // namespace normgrad::detail
