// What the norm operations share: the checks, and the way from a geometry to a recorded result. Internal.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"
#include "normgrad/core/ops/norm/norm.hpp"

namespace normgrad::detail {

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

/// Room for the statistics of the sets of `g`.
template <class Geometry>
SetStatistics empty_statistics(const Geometry& g, bool with_var) {
  const Shape sets{num_sets(g)};
  return {Tensor::empty(sets, kFloat64), Tensor::empty(sets, kFloat64),
          with_var ? Tensor::empty(sets, kFloat64) : Tensor()};
}

/// The norm of x over the sets of `g`, a RowGeometry or a ChannelGeometry, recorded as operation `name`. Fills
/// `statistics` unless it is null. Fuses as much of the epilogue as possible.
///
/// With ReLU neither the tensor before it nor y is kept: the backward recomputes from x where y is 0.
template <class Geometry>
Tensor norm_over(const char* name, const Tensor& x, const Geometry& g, const Tensor& weight, const Tensor& bias,
                 const NormSettings& how, SetStatistics* statistics = nullptr);

/// Throws unless eps > 0, x is floating-point, and weight and bias (if defined) have the given shape and x's dtype.
void check_norm(const char* name, const Tensor& x, const Shape& params, const Tensor& weight, const Tensor& bias,
                double eps);
/// [batch, channels, spatial] of x: [N, C, *]. Throws ShapeError for fewer than 2 axes.
kernels::ChannelGeometry channel_geometry(const char* name, const Tensor& x);
}  // namespace normgrad::detail
