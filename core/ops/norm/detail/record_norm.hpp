// Shared code of the norm operations: from a geometry to a recorded result.
#pragma once

#include <vector>

#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/norm/norm.hpp"

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

/// The settings of a norm, apart from its geometry.
struct NormSettings {
  double eps;
  bool center;
  Epilogue epilogue = {};
};

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}
template <class T>
T* mutable_data_or_null(Tensor& x) {
  return x.defined() ? x.mutable_data<T>() : nullptr;
}

/// Statistics from the kernels: float64, one per set.
struct SetStatistics {
  Tensor mean;
  Tensor rstd;
  Tensor var;  ///< undefined unless requested

  kernels::ComputedStatistics written() {
    return {.mean = mean.mutable_data<double>(),
            .rstd = rstd.mutable_data<double>(),
            .var = mutable_data_or_null<double>(var)};
  }
};

/// The number of sets of elements that share statistics.
inline std::int64_t num_sets(const kernels::RowGeometry& g) noexcept { return g.rows; }
inline std::int64_t num_sets(const kernels::ChannelGeometry& g) noexcept { return g.channels; }

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

/// The norm of x over the sets of `g`, recorded as operation `name`. Fills `statistics` unless it is null.
///
/// With ReLU neither the tensor before it nor y is kept: the backward recomputes from x where y is 0.
Tensor norm_over(const char* name, const Tensor& x, const kernels::RowGeometry& g, const Tensor& weight,
                 const Tensor& bias, const NormSettings& how, SetStatistics* statistics = nullptr);
Tensor norm_over(const char* name, const Tensor& x, const kernels::ChannelGeometry& g, const Tensor& weight,
                 const Tensor& bias, const NormSettings& how, SetStatistics* statistics = nullptr);

/// Throws unless eps > 0, x is floating-point, and weight and bias (if defined) have the given shape and x's dtype.
void check_norm(const char* name, const Tensor& x, const Shape& params, const Tensor& weight, const Tensor& bias,
                double eps);
/// [batch, channels, spatial] of x: [N, C, *]. Throws ShapeError for fewer than 2 axes.
kernels::ChannelGeometry channel_geometry(const char* name, const Tensor& x);
/// Converts float64 statistics to another dtype.
Tensor rounded(const Tensor& statistics, DType dtype);

}  // namespace normgrad::detail
