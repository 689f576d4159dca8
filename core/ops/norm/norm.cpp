#include "normgrad/core/ops/norm/norm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/norm/detail/formula.hpp"
#include "normgrad/core/ops/norm/detail/fused_pool.hpp"
#include "normgrad/core/ops/norm/detail/norm_over.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

using detail::channel_geometry;
using detail::check_norm;
using detail::norm_over;
using detail::NormSettings;
using kernels::ChannelGeometry;
using kernels::RowGeometry;

Tensor norm_last_axes(const char* name, const Tensor& x, const Shape& normalized_shape, const Tensor& weight,
                      const Tensor& bias, const NormSettings& how) {
  const std::size_t rank = normalized_shape.rank();
  require<ShapeError>(rank >= 1, name, ": expected a normalized_shape of at least 1 axis but got []");
  const Shape& shape = x.shape();
  const std::size_t outer = shape.rank() - std::min(rank, shape.rank());
  if (shape.rank() < rank || !std::equal(normalized_shape.begin(), normalized_shape.end(), shape.begin() + outer)) {
    std::string wanted = to_string(normalized_shape);
    wanted.insert(1, "*, ");
    fail<ShapeError>(name, ": expected an input ", wanted, " for normalized_shape ", normalized_shape, " but got ",
                     shape);
  }
  check_norm(name, x, normalized_shape, weight, bias, how.eps);
  std::int64_t rows = 1;
  for (std::size_t i = 0; i < outer; ++i) {
    rows *= shape[i];
  }
  return norm_over(name, x, RowGeometry{rows, 1, normalized_shape.numel(), 1}, weight, bias, how);
}

// norm(x, sizes, epilogue) normalizes the last axes: moves `axes` there, and back.
template <class Norm>
Tensor norm_axes(const char* name, const Tensor& x, const Axes& axes, const Epilogue& epilogue, const Norm& norm) {
  const std::size_t rank = x.shape().rank();
  const auto named = axes.mask(name, x.dim());
  std::vector<std::int64_t> order;
  Shape normalized;
  for (const bool last : {false, true}) {
    for (std::size_t i = 0; i < rank; ++i) {
      if (last == (axes.all() || named[i])) {
        order.push_back(static_cast<std::int64_t>(i));
        if (last) {
          normalized.push_back(x.shape()[i]);
        }
      }
    }
  }
  if (std::is_sorted(order.begin(), order.end())) {
    return norm(x, normalized, epilogue);
  }
  std::vector<std::int64_t> back(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    back[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  const Tensor y = norm(permute(x, order), normalized, Epilogue{.activation = epilogue.activation});
  return detail::apply_epilogue({.window_height = epilogue.window_height, .window_width = epilogue.window_width},
                                permute(y, back));
}

Tensor norm_groups(const char* name, const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias,
                   const NormSettings& how) {
  const ChannelGeometry g = channel_geometry(name, x);
  require<ValueError>(num_groups > 0, name, ": expected num_groups > 0 but got ", num_groups);
  require<ShapeError>(g.channels > 0 && g.channels % num_groups == 0, name,
                      ": expected channels divisible by num_groups = ", num_groups, " but got ", x.shape());
  check_norm(name, x, {g.channels}, weight, bias, how.eps);
  require<ShapeError>(x.numel() != num_groups, name, ": expected more than 1 value per group but got ", x.shape(),
                      " with ", num_groups, " groups");
  return norm_over(name, x, RowGeometry{g.batch * num_groups, num_groups, g.channels / num_groups, g.spatial}, weight,
                   bias, how);
}

Tensor norm_instances(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormSettings& how,
                      detail::SetStatistics* statistics) {
  const ChannelGeometry g = channel_geometry("instance_norm", x);
  require<ShapeError>(g.channels > 0, "instance_norm: expected at least one channel but got ", x.shape());
  check_norm("instance_norm", x, {g.channels}, weight, bias, how.eps);
  require<ShapeError>(g.spatial != 1,
                      "instance_norm: expected more than 1 value per sample and channel to take "
                      "statistics of but got ",
                      x.shape());
  return norm_over("instance_norm", x, RowGeometry{g.batch * g.channels, g.channels, 1, g.spatial}, weight, bias, how,
                   statistics);
}

// [N, C] -> [C], in float64.
Tensor mean_over_batch(const Tensor& statistics, std::int64_t batch, std::int64_t channels) {
  Tensor result = Tensor::empty({channels}, kFloat64);
  const double* from = statistics.data<double>();
  double* to = result.mutable_data<double>();
  for (std::int64_t c = 0; c < channels; ++c) {
    double sum = 0.0;
    for (std::int64_t n = 0; n < batch; ++n) {
      sum += from[n * channels + c];
    }
    to[c] = sum / static_cast<double>(batch);
  }
  return result;
}

}  // namespace

NormResult batch_norm_training(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                               const Epilogue& epilogue) {
  const ChannelGeometry g = channel_geometry("batch_norm", x);
  check_norm("batch_norm", x, {g.channels}, weight, bias, eps);
  require<ShapeError>(g.count() != 1,
                      "batch_norm: expected more than 1 value per channel to take statistics of but "
                      "got ",
                      x.shape());
  detail::SetStatistics s;
  Tensor y = norm_over("batch_norm", x, g, weight, bias, {eps, true, epilogue}, &s);
  return {std::move(y), s.mean, s.var, g.count()};
}

NormResult batch_statistics(const Tensor& x) {
  const ChannelGeometry g = channel_geometry("batch_statistics", x);
  const Shape channels{g.channels};
  detail::SetStatistics s{Tensor::empty(channels, kFloat64), Tensor::empty(channels, kFloat64),
                          Tensor::empty(channels, kFloat64)};
  dispatch_float("batch_statistics", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::norm_forward<T>(g, {.x = x.data<T>(), .eps = 1.0, .computed = s.written()});
  });
  return {{}, s.mean, s.var, g.count()};
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Epilogue& epilogue) {
  return norm_instances(x, weight, bias, {eps, true, epilogue}, nullptr);
}

NormResult instance_norm_training(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                                  const Epilogue& epilogue) {
  detail::SetStatistics s;
  Tensor y = norm_instances(x, weight, bias, {eps, true, epilogue}, &s);
  const ChannelGeometry g = channel_geometry("instance_norm", x);
  return {std::move(y), mean_over_batch(s.mean, g.batch, g.channels), mean_over_batch(s.var, g.batch, g.channels),
          g.spatial};
}

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias, double eps,
                  const Epilogue& epilogue) {
  return norm_last_axes("layer_norm", x, normalized_shape, weight, bias, {eps, true, epilogue});
}

Tensor layer_norm_over(const Tensor& x, const Axes& axes, const Tensor& weight, const Tensor& bias, double eps,
                       const Epilogue& epilogue) {
  return norm_axes("layer_norm", x, axes, epilogue, [&](const Tensor& last, const Shape& sizes, const Epilogue& fused) {
    return layer_norm(last, sizes, weight, bias, eps, fused);
  });
}

Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps,
                  const Epilogue& epilogue) {
  return norm_groups("group_norm", x, num_groups, weight, bias, {eps, true, epilogue});
}

Tensor group_rms_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps,
                      const Epilogue& epilogue) {
  return norm_groups("group_rms_norm", x, num_groups, weight, bias, {eps, false, epilogue});
}

Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, std::optional<double> eps,
                const Epilogue& epilogue) {
  const double machine = x.dtype() == kFloat64 ? std::numeric_limits<double>::epsilon()
                                               : static_cast<double>(std::numeric_limits<float>::epsilon());
  return norm_last_axes("rms_norm", x, normalized_shape, weight, {}, {eps.value_or(machine), false, epilogue});
}

Tensor rms_norm_over(const Tensor& x, const Axes& axes, const Tensor& weight, std::optional<double> eps,
                     const Epilogue& epilogue) {
  return norm_axes("rms_norm", x, axes, epilogue, [&](const Tensor& last, const Shape& sizes, const Epilogue& fused) {
    return rms_norm(last, sizes, weight, eps, fused);
  });
}

namespace detail {

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
  require<ShapeError>(x.dim() >= 2, name, ": expected an input [N, C, *] of at least 2 axes but got ", x.shape());
  std::int64_t spatial = 1;
  for (std::size_t i = 2; i < x.shape().rank(); ++i) {
    spatial *= x.shape()[i];
  }
  return {x.shape()[0], x.shape()[1], spatial};
}

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

}  // namespace

template <class Geometry>
Tensor norm_over(const char* name, const Tensor& x, const Geometry& g, const Tensor& weight, const Tensor& bias,
                 const NormSettings& how, SetStatistics* statistics) {
  const bool with_relu = how.epilogue.activation == FusedActivation::relu;
  if (how.epilogue.activation != FusedActivation::none && !with_relu) {
    return apply_epilogue(how.epilogue, norm_over(name, x, g, weight, bias, {how.eps, how.center}, statistics));
  }
  if (how.epilogue.pools()) {
    return norm_pool_over(name, x, g, weight, bias, how, statistics);
  }
  if (x.is_channels_last() && !kernels::fits_channels_last(g)) {  // keeps the copy that is read, instead of x
    return norm_over(name, x.row_major(), g, weight, bias, how, statistics);
  }
  const bool for_x = x.requires_grad();
  const bool for_weight = weight.requires_grad();
  // Without a gradient of x, x and weight need not be saved, and then cannot show where y is 0.
  if (with_relu && !for_x && is_grad_enabled() && (for_weight || bias.requires_grad())) {
    return relu(norm_over(name, x, g, weight, bias, {how.eps, how.center}, statistics));
  }
  SetStatistics s = empty_statistics(g, statistics != nullptr);
  Tensor y = normalize(name, x, g, weight, bias, how, s);
  if (statistics != nullptr) {
    *statistics = s;
  }
  // A copy, since the bias may change before the backward. Only the backward with ReLU needs it.
  const Tensor beta = with_relu && for_x && is_grad_enabled() && bias.defined() ? bias.detach().clone() : Tensor();
  const NormFormula formula = formula_of(g, how.eps, how.center);
  note_arguments("view", formula.view, "params", formula.params, "eps", how.eps, "center", how.center);
  return record(name, std::move(y), {x, weight, bias},
                [name, g, how, with_relu, s, beta, bias_kept = beta.defined() ? bias : Tensor(),
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
                  if (with_relu) {
                    SetStatistics again = empty_statistics(g, false);
                    gz = through_relu(gy, normalize(name, x_kept, g, w, beta, how, again), {x_kept, w, bias_kept});
                  }
                  norm_backward_composed(formula_of(g, how.eps, how.center), gz, x_kept, w, params, into);
                });
}

template Tensor norm_over(const char*, const Tensor&, const kernels::RowGeometry&, const Tensor&, const Tensor&,
                          const NormSettings&, SetStatistics*);
template Tensor norm_over(const char*, const Tensor&, const kernels::ChannelGeometry&, const Tensor&, const Tensor&,
                          const NormSettings&, SetStatistics*);

}  // namespace detail

}  // namespace normgrad
