// What the norm operations share: one function from a geometry to a recorded result.
#pragma once

#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/norm.hpp"

namespace normgrad::detail {

/// A norm in Tensor operations: x is seen as `view`, statistics go over `axes`, and parameters are seen as `params`,
/// which broadcasts to `view`.
struct NormFormula {
  Shape view;
  Axes axes;
  Shape params;
  double eps;
  bool centre;
};

/// Statistics as the kernels made them: float64, one per set.
struct SetStatistics {
  Tensor mean;
  Tensor rstd;
  Tensor var;  ///< undefined unless asked for
};

NormFormula formula_of(const kernels::RowGeometry& g, double eps, bool centre);
NormFormula formula_of(const kernels::ChannelGeometry& g, double eps, bool centre);

/// The backward in Tensor operations, with mean and variance computed anew from x: differentiable to any order.
void norm_backward_composed(const NormFormula& formula, const Tensor& gy, const Tensor& x, const Tensor& weight,
                            const Shape& weight_shape, GradSink& into);

/// The norm of x over the sets of `g`, recorded as operation `name`. `statistics` is filled when it is not null.
Tensor norm_over(const char* name, const Tensor& x, const kernels::RowGeometry& g, const Tensor& weight,
                 const Tensor& bias, double eps, bool centre, SetStatistics* statistics = nullptr);
Tensor norm_over(const char* name, const Tensor& x, const kernels::ChannelGeometry& g, const Tensor& weight,
                 const Tensor& bias, double eps, bool centre, SetStatistics* statistics = nullptr);

/// Throws unless eps > 0, x is floating point and weight and bias (where defined) have the shape and x's dtype.
void check_norm(const char* name, const Tensor& x, const Shape& params, const Tensor& weight, const Tensor& bias,
                double eps);
/// [batch, channels, spatial] of x: [N, C, *]; throws ShapeError for fewer than 2 axes.
kernels::ChannelGeometry channel_geometry(const char* name, const Tensor& x);
/// float64 statistics in another dtype.
Tensor rounded(const Tensor& statistics, DType dtype);

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}
template <class T>
T* mutable_data_or_null(Tensor& x) {
  return x.defined() ? x.mutable_data<T>() : nullptr;
}

}  // namespace normgrad::detail
