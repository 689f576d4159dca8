#include "normgrad/layers/norm/positional_norm.hpp"

#include <cmath>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(PositionalNorm, weight, bias)

PositionalNorm::PositionalNorm(std::int64_t num_features, const PositionalNormOptions& options)
    : num_features_(num_features), eps_(options.eps), affine_(options.affine) {
  require<ValueError>(num_features > 1, "PositionalNorm: expected num_features > 1 but got ", num_features);
  detail::check_eps("PositionalNorm", eps_);
  if (affine_.scale()) {
    weight = Parameter(ones({num_features}, {.dtype = options.dtype}));
  }
  if (affine_.bias()) {
    bias = Parameter(zeros({num_features}, {.dtype = options.dtype}));
  }
}

std::string PositionalNorm::extra_repr() const {
  return detail::concat(num_features_, ", eps=", eps_, ", affine=", to_string(affine_));
}

double PositionalNorm::eps_for(DType /*dtype*/) const {
  const double c = static_cast<double>(num_features_);
  return eps_ * (c - 1.0) / c;
}

void PositionalNorm::reset_parameters() {
  detail::refill(weight, 1.0);
  detail::refill(bias, 0.0);
}

// With the biased variance v: 1 / sqrt(v C / (C - 1) + eps) = r / sqrt(v + eps r^2), r^2 = (C - 1) / C.
Tensor PositionalNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_images(*this, x, 2, num_features_, weight.defined() ? weight : bias);
  const double c = static_cast<double>(num_features_);
  const double ratio = std::sqrt((c - 1.0) / c);
  const Tensor scale = weight.defined() ? weight * ratio : full({num_features_}, ratio, {.dtype = x.dtype()});
  return layer_norm_over(x, 1, scale, bias, eps_for(x.dtype()), epilogue);
}

PositionalMoments PositionalNorm::with_moments(const Tensor& x) {
  const Tensor y = (*this)(x);
  const auto [variance, mean] = var_mean(x.to(kFloat64), 1, true, true);
  return {y, mean.to(x.dtype()), (variance + eps_).sqrt().to(x.dtype())};
}

Tensor moment_shortcut(const Tensor& x, const Tensor& mean, const Tensor& std) {
  for (const Tensor* moment : {&mean, &std}) {
    require<ShapeError>(broadcast_shapes("moment_shortcut", x.shape(), moment->shape()) == x.shape(),
                        "moment_shortcut: expected moments that broadcast to ", x.shape(), " but got ",
                        moment->shape());
  }
  return x * std + mean;
}

}  // namespace normgrad
