// Normalization with given statistics.
#include <algorithm>
#include <cmath>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/activation_kind.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/detail/norm_over.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

struct Given {
  Tensor mean;  // float64 copies: the source buffers may change before the backward
  Tensor rstd;
};

Given copy_statistics(const Tensor& mean, const Tensor& var, double eps) {
  Given s{Tensor::empty(mean.shape(), kFloat64), Tensor::empty(mean.shape(), kFloat64)};
  double* to_mean = s.mean.mutable_data<double>();
  double* to_rstd = s.rstd.mutable_data<double>();
  dispatch_float("batch_norm", mean.dtype(), [&](auto zero) {
    const auto* m = mean.data<decltype(zero)>();
    std::transform(m, m + mean.numel(), to_mean, [](auto v) { return static_cast<double>(v); });
  });
  dispatch_float("batch_norm", var.dtype(), [&](auto zero) {
    const auto* v = var.data<decltype(zero)>();
    std::transform(v, v + var.numel(), to_rstd,
                   [eps](auto of) { return 1.0 / std::sqrt(static_cast<double>(of) + eps); });
  });
  return s;
}

// Converts float64 statistics to another dtype.
Tensor rounded(const Tensor& statistics, DType dtype) {
  Tensor result = Tensor::empty(statistics.shape(), dtype);
  const double* from = statistics.data<double>();
  dispatch_float("batch_norm", dtype, [&](auto zero) {
    using T = decltype(zero);
    std::transform(from, from + statistics.numel(), result.mutable_data<T>(),
                   [](double v) { return static_cast<T>(v); });
  });
  return result;
}

void check_given(const char* which, const Tensor& statistic, const Tensor& x, std::int64_t channels) {
  require<ShapeError>(statistic.defined() && statistic.shape() == Shape{channels}, "batch_norm: expected a ", which,
                      " of shape [", channels, "] for an input of shape ", x.shape(), " but got ",
                      statistic.defined() ? to_string(statistic.shape()) : "none");
  require<DTypeError>(statistic.dtype() == x.dtype() || statistic.dtype() == kFloat64, "batch_norm: expected a ", which,
                      " of float64 or of the input's dtype ", x.dtype(), " but got ", statistic.dtype());
  require<GraphError>(!statistic.requires_grad(), "batch_norm: expected a ", which,
                      " without requires_grad, because it gets no gradient; detach() it");
}

kernels::ChannelGeometry sets_in(const detail::MemoryFormat& format, const kernels::ChannelGeometry& g) {
  return format.is_channels_last() ? kernels::ChannelGeometry{g.batch * g.spatial, g.channels, 1} : g;
}

// gx, gweight and gbias as Tensor operations.
void backward_composed(const kernels::ChannelGeometry& g, const Given& s, const Tensor& gy, const Tensor& x,
                       const Tensor& weight, GradSink& into) {
  const Shape view{g.batch, g.channels, g.spatial};
  const Shape params{1, g.channels, 1};
  const Tensor gyv = reshape_to(gy, view);
  const Tensor rstd = reshape_to(rounded(s.rstd, gy.dtype()), params);
  if (into.wants(0)) {
    const Tensor scale = weight.defined() ? rstd * reshape_to(weight, params) : rstd;
    into.add(0, reshape_to(gyv * scale, gy.shape()));
  }
  if (into.wants(1)) {
    const Tensor mean = reshape_to(rounded(s.mean, gy.dtype()), params);
    const Tensor xhat = (reshape_to(x, view) - mean) * rstd;
    into.add(1, reshape_to(sum_to(gyv * xhat, params), {g.channels}));
  }
  if (into.wants(2)) {
    into.add(2, reshape_to(sum_to(gyv, params), {g.channels}));
  }
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
                  const Tensor& bias, double eps, const Epilogue& epilogue) {
  const kernels::ChannelGeometry g = detail::channel_geometry("batch_norm", x);
  detail::check_norm("batch_norm", x, {g.channels}, weight, bias, eps);
  check_given("running_mean", running_mean, x, g.channels);
  check_given("running_var", running_var, x, g.channels);
  Given s = copy_statistics(running_mean, running_var, eps);
  const bool with_relu = epilogue.activation == FusedActivation::relu;
  const detail::MemoryFormat format(x, true);
  Tensor y = format.empty_like(x);
  dispatch_float("batch_norm", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::norm_forward<T>(sets_in(format, g),
                             {.x = format.read<T>(x),
                              .gamma = detail::data_or_null<T>(weight),
                              .beta = detail::data_or_null<T>(bias),
                              .y = format.write<T>(y),
                              .given = {.mean = s.mean.data<double>(), .rstd = s.rstd.data<double>()},
                              .relu = with_relu});
  });
  // With ReLU it is recorded as the two separate operations, so that the backward keeps the same tensors.
  detail::note_arguments("running_mean", running_mean, "running_var", running_var, "eps", eps);
  Tensor z = record("batch_norm", with_relu ? y.detach() : y, {x, weight, bias},
                    [g, s, x_saved = Saved(x, weight.requires_grad()), weight_saved = Saved(weight, x.requires_grad())](
                        const Tensor& gy, GradSink& into) {
                      if (is_grad_enabled()) {
                        backward_composed(g, s, gy, x_saved.get(), weight_saved.get(), into);
                        return;
                      }
                      const detail::MemoryFormat gy_format(gy, true);
                      // x is read only for the gradient of the weight.
                      const Tensor x_converted = gy_format.converted(x_saved.get().defined() ? x_saved.get() : gy);
                      Tensor gx = into.wants(0) ? gy_format.empty_like(gy) : Tensor();
                      Tensor gweight = into.wants(1) ? Tensor::empty({g.channels}, gy.dtype()) : Tensor();
                      Tensor gbias = into.wants(2) ? Tensor::empty({g.channels}, gy.dtype()) : Tensor();
                      dispatch_float("batch_norm", gy.dtype(), [&](auto zero) {
                        using T = decltype(zero);
                        kernels::norm_backward<T>(sets_in(gy_format, g),
                                                  {.gy = gy_format.read<T>(gy),
                                                   .x = gy_format.read<T>(x_converted),
                                                   .gamma = detail::data_or_null<T>(weight_saved.get()),
                                                   .mean = s.mean.data<double>(),
                                                   .rstd = s.rstd.data<double>(),
                                                   .constant_statistics = true,
                                                   .gx = gx.defined() ? gy_format.write<T>(gx) : nullptr,
                                                   .ggamma = detail::mutable_data_or_null<T>(gweight),
                                                   .gbeta = detail::mutable_data_or_null<T>(gbias)});
                      });
                      into.add(0, gx);
                      into.add(1, gweight);
                      into.add(2, gbias);
                    });
  Epilogue rest = epilogue;
  if (with_relu) {
    rest.activation = FusedActivation::none;
    z = detail::activated(detail::kReLU, std::move(y), z);
  }
  return detail::apply_epilogue(rest, z);
}

}  // namespace normgrad
