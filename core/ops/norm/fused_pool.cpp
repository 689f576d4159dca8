#include "normgrad/core/ops/norm/detail/fused_pool.hpp"

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/norm/fused_pool.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/detail/pool.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/detail/formula.hpp"

namespace normgrad::detail {

namespace {

using kernels::ChannelGeometry;
using kernels::kNoArgmax;
using kernels::NormPoolGeometry;
using kernels::RowGeometry;

NormPoolGeometry with_groups(const Tensor& x, const Epilogue& epilogue, std::int64_t groups) {
  return {x.size(0), x.size(2), x.size(3), x.size(1), groups, epilogue.window_height, epilogue.window_width};
}
NormPoolGeometry pool_geometry(const Tensor& x, const ChannelGeometry& /*g*/, const Epilogue& epilogue) {
  return with_groups(x, epilogue, 0);
}
NormPoolGeometry pool_geometry(const Tensor& x, const RowGeometry& g, const Epilogue& epilogue) {
  return with_groups(x, epilogue, g.param_period);
}

// Whether the sets are those of the pooling kernel, for x: [N, C, H, W].
bool fits(const Tensor& /*x*/, const ChannelGeometry& /*g*/) { return true; }
bool fits(const Tensor& x, const RowGeometry& g) {
  return g.params() == x.size(1) && g.inner == x.size(2) * x.size(3) && g.length() > 4;
}

// The saved argmax data of the windows; `x` is empty if no backward needs it.
struct KeptArgmax {
  Buffer places, x;

  std::uint8_t* place() const { return reinterpret_cast<std::uint8_t*>(places.data()); }
  template <class T>
  kernels::PoolArgmax<T> of() const {
    return {place(), x.bytes() == 0 ? nullptr : reinterpret_cast<T*>(x.data())};
  }
};

// The pooled tensor. `s` has room for the requested statistics.
Tensor forward(const char* name, const Tensor& x, const NormPoolGeometry& g, const Tensor& weight, const Tensor& bias,
               const NormSettings& how, SetStatistics& s, const KeptArgmax& argmax) {
  Tensor y = Tensor::empty_channels_last({g.samples, g.channels, g.out_height(), g.out_width()}, x.dtype());
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::norm_pool_forward<T>(g,
                                  {.x = x.physical_data<T>(),
                                   .gamma = data_or_null<T>(weight),
                                   .beta = data_or_null<T>(bias),
                                   .eps = how.eps,
                                   .center = how.center,
                                   .y = y.mutable_physical_data<T>(),
                                   .computed = s.written(),
                                   .relu = true},
                                  argmax.of<T>());
  });
  return y;
}

void backward_fused(const char* name, const NormPoolGeometry& g, const NormSettings& how, const SetStatistics& s,
                    const Tensor& gy, const Tensor& x, const Tensor& weight, const Shape& params,
                    const KeptArgmax& argmax, GradSink& into) {
  const Tensor gy_last = gy.as_channels_last();
  const Tensor x_last = x.as_channels_last();
  Tensor gx = into.wants(0) ? Tensor::empty_channels_last(x.shape(), x.dtype()) : Tensor();
  Tensor gweight = into.wants(1) ? Tensor::empty(params, gy.dtype()) : Tensor();
  Tensor gbias = into.wants(2) ? Tensor::empty(params, gy.dtype()) : Tensor();
  dispatch_float(name, gy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::norm_pool_backward<T>(g,
                                   {.gy = gy_last.physical_data<T>(),
                                    .x = x_last.physical_data<T>(),
                                    .gamma = data_or_null<T>(weight),
                                    .mean = s.mean.data<double>(),
                                    .rstd = s.rstd.data<double>(),
                                    .center = how.center,
                                    .gx = gx.defined() ? gx.mutable_physical_data<T>() : nullptr,
                                    .ggamma = mutable_data_or_null<T>(gweight),
                                    .gbeta = mutable_data_or_null<T>(gbias),
                                    .relu = true},
                                   argmax.of<T>());
  });
  into.add(0, gx);
  into.add(1, gweight);
  into.add(2, gbias);
}

// Scatters gy to the argmax of each window, as Tensor operations. The argmax, and whether its element is above 0, is
// locally constant in all of `of`.
Tensor spread(const NormPoolGeometry& g, const Tensor& gy, const Tensor& x, const KeptArgmax& argmax,
              const std::vector<Tensor>& of) {
  Tensor slope = Tensor::empty_channels_last(gy.shape(), gy.dtype());
  const Buffer index(static_cast<std::size_t>(gy.numel()) * sizeof(std::int32_t));
  auto* to = reinterpret_cast<std::int32_t*>(index.data());
  dispatch_float("max_pool2d", gy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* slopes = slope.mutable_physical_data<T>();
    for (std::int64_t i = 0; i < gy.numel(); ++i) {
      const std::uint8_t at = argmax.place()[i];
      const std::int64_t place = at == kNoArgmax ? 0 : at;
      const std::int64_t window = i / g.channels;
      const std::int64_t row = window / g.out_width() % g.out_height() * g.window_height + place / g.window_width;
      const std::int64_t column = window % g.out_width() * g.window_width + place % g.window_width;
      to[i] = static_cast<std::int32_t>(row * g.width + column);
      slopes[i] = at == kNoArgmax ? T(0) : T(1);
    }
  });
  return max_pool2d_backward(mul(gy, locally_constant(std::move(slope), of)), x, {g.window_height, g.window_width},
                             index);
}

}  // namespace

constexpr std::int64_t kMaxPositions = std::numeric_limits<std::int32_t>::max();  // as in max_pool2d

bool pools_on_the_way(const Tensor& x, std::int64_t window_height, std::int64_t window_width) {
  return x.dim() == 4 && x.numel() > 0 && x.size(1) >= kernels::kMinColumns && is_floating_point(x.dtype()) &&
         x.is_channels_last() && x.size(2) <= kMaxPositions / x.size(3) && window_height >= 1 && window_width >= 1 &&
         window_height <= x.size(2) && window_width <= x.size(3) && window_height <= kernels::kMaxPlaces &&
         window_width <= kernels::kMaxPlaces / window_height;
}

template <class Geometry>
Tensor norm_pool_over(const char* name, const Tensor& x, const Geometry& sets, const Tensor& weight, const Tensor& bias,
                      const NormSettings& how, SetStatistics* statistics) {
  const bool for_x = x.requires_grad();
  const bool for_params = is_grad_enabled() && (weight.requires_grad() || bias.requires_grad());
  if (how.epilogue.activation != FusedActivation::relu || (for_params && !for_x) ||
      !pools_on_the_way(x, how.epilogue.window_height, how.epilogue.window_width) || !fits(x, sets)) {
    const NormSettings unpooled{how.eps, how.center, {.activation = how.epilogue.activation}};
    return apply_epilogue({.window_height = how.epilogue.window_height, .window_width = how.epilogue.window_width},
                          norm_over(name, x, sets, weight, bias, unpooled, statistics));
  }
  const NormPoolGeometry g = pool_geometry(x, sets, how.epilogue);
  SetStatistics s = empty_statistics(sets, statistics != nullptr);
  const auto windows = static_cast<std::size_t>(g.bands() * g.out_width() * g.channels);
  const KeptArgmax argmax{Buffer(windows),
                          for_x && is_grad_enabled() ? Buffer(windows * dtype_size(x.dtype())) : Buffer()};
  Tensor y = forward(name, x, g, weight, bias, how, s, argmax);
  if (statistics != nullptr) {
    *statistics = s;
  }
  return record(
      name, std::move(y), {x, weight, bias},
      [name, sets, g, how, s, argmax, bias_kept = bias, x_saved = Saved(x, for_x), weight_saved = Saved(weight, for_x),
       params = weight.defined() ? weight.shape() : (bias.defined() ? bias.shape() : Shape())](const Tensor& gy,
                                                                                               GradSink& into) {
        const Tensor& x_kept = x_saved.get();
        const Tensor& w = weight_saved.get();
        if (!is_grad_enabled()) {
          backward_fused(name, g, how, s, gy, x_kept, w, params, argmax, into);
          return;
        }
        const Tensor gz = spread(g, gy, x_kept, argmax, {x_kept, w, bias_kept});
        norm_backward_composed(formula_of(sets, how.eps, how.center), gz, x_kept, w, params, into);
      });
}

template Tensor norm_pool_over(const char*, const Tensor&, const RowGeometry&, const Tensor&, const Tensor&,
                               const NormSettings&, SetStatistics*);
template Tensor norm_pool_over(const char*, const Tensor&, const ChannelGeometry&, const Tensor&, const Tensor&,
                               const NormSettings&, SetStatistics*);

}  // namespace normgrad::detail
