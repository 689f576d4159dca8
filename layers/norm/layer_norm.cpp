#include "normgrad/layers/norm/layer_norm.hpp"

#include <algorithm>
#include <cmath>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/norm/masked.hpp"
#include "normgrad/core/ops/norm/norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(LayerNorm, weight, bias)

namespace detail {

void check_normalized_shape(const char* type, const Shape& normalized_shape) {
  require<ValueError>(!normalized_shape.empty(), type, ": expected a normalized_shape of at least 1 axis but got []");
  require<ValueError>(std::all_of(normalized_shape.begin(), normalized_shape.end(), [](auto s) { return s > 0; }), type,
                      ": expected a normalized_shape of positive sizes but got ", normalized_shape);
}

void check_eps(const char* type, double eps) {
  require<ValueError>(eps > 0.0 && std::isfinite(eps), type, ": expected eps > 0 but got ", eps);
}

Tensor features_last(const Tensor& x, const Shape& normalized_shape) {
  const std::int64_t features = normalized_shape.numel();
  return x.numel() % features == 0 ? x.reshape({-1, features}) : Tensor();
}

}  // namespace detail

LayerNorm::LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options)
    : normalized_shape_(normalized_shape), eps_(options.eps), axes_(options.axes) {
  detail::check_normalized_shape("LayerNorm", normalized_shape);
  detail::check_eps("LayerNorm", eps_);
  require<ValueError>(axes_.empty() || axes_.size() == normalized_shape.rank(), "LayerNorm: expected as many axes as ",
                      "normalized_shape ", normalized_shape, " has but got ", axes_.size());
  require<ValueError>(std::adjacent_find(axes_.begin(), axes_.end(), std::greater_equal<>()) == axes_.end(),
                      "LayerNorm: expected axes in ascending order but got ", Shape(axes_));
  if (options.elementwise_affine.scale()) {
    weight = Parameter(ones(normalized_shape, {.dtype = options.dtype}));
  }
  if (options.elementwise_affine.bias() && options.bias) {
    bias = Parameter(zeros(normalized_shape, {.dtype = options.dtype}));
  }
}

std::string LayerNorm::extra_repr() const {
  std::string text = detail::concat(normalized_shape_, ", eps=", eps_);
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    text += (i == 0 ? ", axes=[" : ", ") + std::to_string(axes_[i]) + (i + 1 == axes_.size() ? "]" : "");
  }
  return text + ", elementwise_affine=" +
         to_string(weight.defined() ? Affine(bias.defined() ? Affine::both : Affine::scale_only)
                                    : Affine(bias.defined() ? Affine::bias_only : Affine::none));
}

void LayerNorm::reset_parameters() {
  const NoGradGuard no_grad;
  if (weight.defined()) {
    weight.fill_(1.0);
  }
  if (bias.defined()) {
    bias.fill_(0.0);
  }
}

Tensor LayerNorm::by_channel(const Tensor& x) const {
  return axes_.empty() ? detail::features_last(x, normalized_shape_) : Tensor();
}

Tensor LayerNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  if (axes_.empty()) {
    return layer_norm(x, normalized_shape_, weight, bias, eps_, epilogue);
  }
  check_sizes(x, axes_);
  return layer_norm_over(x, axes_, weight, bias, eps_, epilogue);
}

void LayerNorm::check_sizes(const Tensor& x, const std::vector<std::int64_t>& axes) const {
  const auto named = Axes(axes).mask("LayerNorm", x.dim());
  Shape sizes;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    if (named[i]) {
      sizes.push_back(x.shape()[i]);
    }
  }
  require<ShapeError>(sizes == normalized_shape_, "LayerNorm: expected sizes ", normalized_shape_,
                      " along the normalized axes but got ", sizes, " in ", x.shape());
}

Tensor LayerNorm::forward_masked(const Tensor& x, const Tensor& mask) {
  detail::check_mask("LayerNorm", x, mask);
  std::vector<std::int64_t> axes = axes_;
  for (std::int64_t axis = -normalized_shape_.dim(); axes_.empty() && axis < 0; ++axis) {
    axes.push_back(axis);
  }
  check_sizes(x, axes);
  return masked_layer_norm(x, mask, axes, weight, bias, eps_);
}

}  // namespace normgrad
