#include "normgrad/core/ops/norm/masked.hpp"

#include <algorithm>
#include <vector>

#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/norm/detail/norm_over.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

void detail::check_mask(const char* name, const Tensor& x, const Tensor& mask) {
  require<DTypeError>(mask.dtype() == kBool, name, ": expected a bool mask but got ", mask.dtype());
  bool fits = mask.dim() <= x.dim();
  for (std::int64_t i = 1; fits && i <= mask.dim(); ++i) {
    fits = mask.size(-i) == 1 || mask.size(-i) == x.size(-i);
  }
  require<ShapeError>(fits, name, ": expected a mask that broadcasts to ", x.shape(), " but got ", mask.shape());
}

namespace {

using Sizes = std::vector<std::int64_t>;

struct MaskedSets {
  Tensor xhat;  // of the view's shape, float64
  Tensor mean;
  Tensor var;
  Tensor counts;
};

/// x and its mask in a shape where each set extends along whole axes.
struct MaskedView {
  MaskedView(const char* name, const Tensor& x, const Tensor& given, const Shape& shape) {
    detail::check_mask(name, x, given);
    mask = reshape_to(expand_to(given, x.shape()), shape);
    values = where(mask, reshape_to(x.to(kFloat64), shape), 0.0);
  }
  MaskedSets normalize(const Axes& axes, double eps, bool center = true) const {
    const Tensor counts = mask.to(kFloat64).sum(axes, true);
    const Tensor divisor = maximum(counts, ones_of(counts));
    const Tensor mean = values.sum(axes, true) / divisor;
    const Tensor centered = center ? where(mask, values - mean, 0.0) : values;
    const Tensor var = square(centered).sum(axes, true) / divisor;
    return {centered * rsqrt(var + eps), mean, var, counts};
  }
  /// xhat * weight + bias where the mask is true.
  Tensor apply(const Tensor& xhat, const Tensor& weight, const Tensor& bias, const Sizes& parameters,
               const Tensor& x) const {
    Tensor y = xhat;
    if (weight.defined()) {
      y = y * weight.to(kFloat64).reshape(parameters);
    }
    if (bias.defined()) {
      y = where(mask, y + bias.to(kFloat64).reshape(parameters), 0.0);
    }
    return reshape_to(y, x.shape()).to(x.dtype());
  }
  static Tensor ones_of(const Tensor& like) { return like * 0.0 + 1.0; }

  Tensor mask;
  Tensor values;
};

}  // namespace

MaskedNormResult masked_batch_norm_training(const Tensor& x, const Tensor& mask, const Tensor& weight,
                                            const Tensor& bias, double eps) {
  const kernels::ChannelGeometry g = detail::channel_geometry("masked_batch_norm", x);
  detail::check_norm("masked_batch_norm", x, {g.channels}, weight, bias, eps);
  const MaskedView view("masked_batch_norm", x, mask, {g.batch, g.channels, g.spatial});
  const MaskedSets sets = view.normalize({0, 2}, eps);
  const auto listed = [&](const Tensor& statistic) { return statistic.detach().reshape({g.channels}); };
  return {view.apply(sets.xhat, weight, bias, {1, g.channels, 1}, x), listed(sets.mean), listed(sets.var),
          listed(sets.counts)};
}

MaskedNormResult masked_instance_norm_training(const Tensor& x, const Tensor& mask, const Tensor& weight,
                                               const Tensor& bias, double eps) {
  const kernels::ChannelGeometry g = detail::channel_geometry("masked_instance_norm", x);
  detail::check_norm("masked_instance_norm", x, {g.channels}, weight, bias, eps);
  const MaskedView view("masked_instance_norm", x, mask, {g.batch, g.channels, g.spatial});
  const MaskedSets sets = view.normalize(2, eps);
  const auto listed = [&](const Tensor& statistic) { return statistic.detach().reshape({g.batch, g.channels}); };
  return {view.apply(sets.xhat, weight, bias, {1, g.channels, 1}, x), listed(sets.mean), listed(sets.var),
          listed(sets.counts)};
}

Tensor masked_instance_norm(const Tensor& x, const Tensor& mask, const Tensor& weight, const Tensor& bias, double eps) {
  return masked_instance_norm_training(x, mask, weight, bias, eps).y;
}

Tensor masked_layer_norm(const Tensor& x, const Tensor& mask, const Axes& axes, const Tensor& weight,
                         const Tensor& bias, double eps) {
  const auto named = axes.mask("masked_layer_norm", x.dim());
  Shape normalized;
  Sizes parameters;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    const bool is_normalized = axes.all() || named[i];
    parameters.push_back(is_normalized ? x.shape()[i] : 1);
    if (is_normalized) {
      normalized.push_back(x.shape()[i]);
    }
  }
  detail::check_norm("masked_layer_norm", x, normalized, weight, bias, eps);
  const MaskedView view("masked_layer_norm", x, mask, x.shape());
  return view.apply(view.normalize(axes, eps).xhat, weight, bias, parameters, x);
}

Tensor masked_group_norm(const Tensor& x, const Tensor& mask, std::int64_t num_groups, const Tensor& weight,
                         const Tensor& bias, double eps, bool center) {
  const kernels::ChannelGeometry g = detail::channel_geometry("masked_group_norm", x);
  require<ValueError>(num_groups > 0, "masked_group_norm: expected num_groups > 0 but got ", num_groups);
  require<ShapeError>(g.channels > 0 && g.channels % num_groups == 0,
                      "masked_group_norm: expected a number of channels that ", num_groups, " groups divide but got ",
                      x.shape(), ", which has ", g.channels);
  detail::check_norm("masked_group_norm", x, {g.channels}, weight, bias, eps);
  const std::int64_t each = g.channels / num_groups;
  const MaskedView view("masked_group_norm", x, mask, {g.batch, num_groups, each, g.spatial});
  return view.apply(view.normalize({2, 3}, eps, center).xhat, weight, bias, {1, num_groups, each, 1}, x);
}

}  // namespace normgrad
