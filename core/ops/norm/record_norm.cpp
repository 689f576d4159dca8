#include "normgrad/core/ops/norm/detail/record_norm.hpp"

#include <algorithm>
#include <cmath>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/norm/plan.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/norm/detail/fused_pool.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::detail {

namespace {

// The same sets in channels-last format.
kernels::ChannelGeometry channels_last(const kernels::ChannelGeometry& g) {
  return {g.batch * g.spatial, g.channels, 1};
}
kernels::ChannelsLastGeometry channels_last(const kernels::RowGeometry& g) {
  return {g.rows / g.param_period, g.inner, g.params(), g.param_period};
}

// Calls f with the geometry of x in its memory format.
template <class Geometry, class F>
void with_format(const Geometry& g, const MemoryFormat& format, const F& f) {
  if (format.is_channels_last()) {
    f(channels_last(g));
  } else {
    f(g);
  }
}

// Returns y and stores its statistics in `s`, which has room for the requested ones.
template <class Geometry>
Tensor normalize(const char* name, const Tensor& x, const Geometry& g, const Tensor& weight, const Tensor& bias,
                 const NormSettings& how, SetStatistics& s) {
  const MemoryFormat format(x, kernels::fits_channels_last(g));
  Tensor y = format.empty_like(x);
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const kernels::NormForward<T> a{.x = format.read<T>(x),
                                    .gamma = data_or_null<T>(weight),
                                    .beta = data_or_null<T>(bias),
                                    .eps = how.eps,
                                    .center = how.center,
                                    .y = format.write<T>(y),
                                    .computed = s.written(),
                                    .relu = how.epilogue.activation == FusedActivation::relu};
    with_format(g, format, [&](const auto& sets) { kernels::norm_forward<T>(sets, a); });
  });
  return y;
}

template <class Geometry>
SetStatistics empty_statistics(const Geometry& g) {
  const Shape sets{num_sets(g)};
  return {Tensor::empty(sets, kFloat64), Tensor::empty(sets, kFloat64), {}};
}

// The gradients computed by the kernel. `beta` is the bias of a norm with ReLU.
template <class Geometry>
void backward_fused(const char* name, const Geometry& g, const NormSettings& how, const SetStatistics& s,
                    const Tensor& gy, const Tensor& x, const Tensor& weight, const Tensor& beta, const Shape& params,
                    GradSink& into) {
  const MemoryFormat format(x, kernels::fits_channels_last(g));
  const Tensor gy_converted = format.converted(gy);
  Tensor gx = into.wants(0) ? format.empty_like(x) : Tensor();
  Tensor gweight = into.wants(1) ? Tensor::empty(params, gy.dtype()) : Tensor();
  Tensor gbias = into.wants(2) ? Tensor::empty(params, gy.dtype()) : Tensor();
  dispatch_float(name, gy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const kernels::NormBackward<T> a{.gy = format.read<T>(gy_converted),
                                     .x = format.read<T>(x),
                                     .gamma = data_or_null<T>(weight),
                                     .mean = s.mean.data<double>(),
                                     .rstd = s.rstd.data<double>(),
                                     .center = how.center,
                                     .gx = gx.defined() ? format.write<T>(gx) : nullptr,
                                     .ggamma = mutable_data_or_null<T>(gweight),
                                     .gbeta = mutable_data_or_null<T>(gbias),
                                     .relu = how.epilogue.activation == FusedActivation::relu,
                                     .beta = data_or_null<T>(beta)};
    with_format(g, format, [&](const auto& sets) { kernels::norm_backward<T>(sets, a); });
  });
  into.add(0, gx);
  into.add(1, gweight);
  into.add(2, gbias);
}

template <class Geometry>
Tensor norm_over_sets(const char* name, const Tensor& x, const Geometry& g, const Tensor& weight, const Tensor& bias,
                      const NormSettings& how, SetStatistics* statistics) {
  if (x.is_channels_last() && !kernels::fits_channels_last(g)) {  // keeps the copy that is read, instead of x
    return norm_over_sets(name, x.row_major(), g, weight, bias, how, statistics);
  }
  const bool for_x = x.requires_grad();
  const bool for_weight = weight.requires_grad();
  const bool with_relu = how.epilogue.activation == FusedActivation::relu;
  // Without a gradient of x, x and weight need not be saved, and then cannot show where y is 0.
  if (with_relu && !for_x && is_grad_enabled() && (for_weight || bias.requires_grad())) {
    return relu(norm_over_sets(name, x, g, weight, bias, {how.eps, how.center}, statistics));
  }
  SetStatistics s = empty_statistics(g);
  if (statistics != nullptr) {
    s.var = Tensor::empty(s.mean.shape(), kFloat64);
  }
  Tensor y = normalize(name, x, g, weight, bias, how, s);
  if (statistics != nullptr) {
    *statistics = s;
  }
  // A copy, since the bias may change before the backward. Only the backward with ReLU needs it.
  const Tensor beta = with_relu && for_x && is_grad_enabled() && bias.defined() ? bias.detach().clone() : Tensor();
  return record(name, std::move(y), {x, weight, bias},
                [name, g, how, s, beta, bias_kept = beta.defined() ? bias : Tensor(),
                 x_saved = Saved(x, for_x || for_weight), weight_saved = Saved(weight, for_x),
                 params = weight.defined() ? weight.shape() : (bias.defined() ? bias.shape() : Shape())](
                    const Tensor& gy, GradSink& into) {
                  const Tensor& x_kept = x_saved.get();
                  const Tensor& w = weight_saved.get();
                  if (!is_grad_enabled()) {
                    // A gradient of the bias alone needs no x, but the kernel reads one.
                    backward_fused(name, g, how, s, gy, x_kept.defined() ? x_kept : gy, w, beta, params, into);
                    return;
                  }
                  Tensor gz = gy;
                  if (how.epilogue.activation == FusedActivation::relu) {
                    SetStatistics again = empty_statistics(g);
                    gz = through_relu(gy, normalize(name, x_kept, g, w, beta, how, again), {x_kept, w, bias_kept});
                  }
                  norm_backward_composed(formula_of(g, how.eps, how.center), gz, x_kept, w, params, into);
                });
}

// Fuses as much of the epilogue as possible.
template <class Geometry>
Tensor with_epilogue(const char* name, const Tensor& x, const Geometry& g, const Tensor& weight, const Tensor& bias,
                     const NormSettings& how, SetStatistics* statistics) {
  const Epilogue& e = how.epilogue;
  if (e.activation != FusedActivation::none && e.activation != FusedActivation::relu) {
    return apply_epilogue(e, norm_over_sets(name, x, g, weight, bias, {how.eps, how.center}, statistics));
  }
  return e.pools() ? norm_pool_over(name, x, g, weight, bias, how, statistics)
                   : norm_over_sets(name, x, g, weight, bias, how, statistics);
}

}  // namespace

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

Tensor norm_over(const char* name, const Tensor& x, const kernels::RowGeometry& g, const Tensor& weight,
                 const Tensor& bias, const NormSettings& how, SetStatistics* statistics) {
  return with_epilogue(name, x, g, weight, bias, how, statistics);
}

Tensor norm_over(const char* name, const Tensor& x, const kernels::ChannelGeometry& g, const Tensor& weight,
                 const Tensor& bias, const NormSettings& how, SetStatistics* statistics) {
  return with_epilogue(name, x, g, weight, bias, how, statistics);
}

void check_norm(const char* name, const Tensor& x, const Shape& params, const Tensor& weight, const Tensor& bias,
                double eps) {
  require<ValueError>(eps > 0.0 && std::isfinite(eps), name, ": expected eps > 0 but got ", eps);
  require<DTypeError>(is_floating_point(x.dtype()), name, ": expected a float32 or float64 input but got ", x.dtype());
  const auto check = [&](const char* which, const Tensor& parameter) {
    if (!parameter.defined()) {
      return;
    }
    require<ShapeError>(parameter.shape() == params, name, ": expected a ", which, " of shape ", params,
                        " for an input of shape ", x.shape(), " but got ", parameter.shape());
    require<DTypeError>(parameter.dtype() == x.dtype(), name, ": expected a ", which, " of the input's dtype ",
                        x.dtype(), " but got ", parameter.dtype());
  };
  check("weight", weight);
  check("bias", bias);
}

kernels::ChannelGeometry channel_geometry(const char* name, const Tensor& x) {
  require<ShapeError>(x.dim() >= 2, name, ": expected an input [N, C, *] of at least 2 dimensions but got ", x.shape());
  std::int64_t spatial = 1;
  for (std::size_t i = 2; i < x.shape().rank(); ++i) {
    spatial *= x.shape()[i];
  }
  return {x.shape()[0], x.shape()[1], spatial};
}

Tensor rounded(const Tensor& statistics, DType dtype) {
  Tensor result = Tensor::empty(statistics.shape(), dtype);
  const double* from = statistics.data<double>();
  dispatch_float("norm", dtype, [&](auto zero) {
    using T = decltype(zero);
    std::transform(from, from + statistics.numel(), result.mutable_data<T>(),
                   [](double v) { return static_cast<T>(v); });
  });
  return result;
}

}  // namespace normgrad::detail
