#include "normgrad/layers/norm/divisive_norm.hpp"

#include <cmath>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(DivisiveNorm, weight, bias, sigma)

namespace {

// The mean over a window of odd width around each element of [N, 1, *], with zeros beyond the ends.
Tensor window_mean(const Tensor& x, std::int64_t width) {
  const AvgPoolOptions same{.stride = PerAxis(1), .padding = width / 2};
  switch (x.dim()) {
    case 3:
      return avg_pool1d(x, width, same);
    case 4:
      return avg_pool2d(x, width, same);
    default:
      return avg_pool3d(x, width, same);
  }
}

}  // namespace

DivisiveNorm::DivisiveNorm(std::int64_t num_features, const DivisiveNormOptions& options)
    : num_features_(num_features),
      sum_window_(options.sum_window),
      sup_window_(options.sup_window),
      eps_(options.eps),
      affine_(options.affine) {
  detail::check_num_features("DivisiveNorm", num_features);
  detail::check_eps("DivisiveNorm", eps_);
  for (const std::int64_t window : {sum_window_, sup_window_}) {
    require<ValueError>(window > 0 && window % 2 == 1, "DivisiveNorm: expected windows of odd width but got ", window);
  }
  const TensorOptions of{.dtype = options.dtype};
  if (affine_.scale()) {
    weight = Parameter(ones({num_features}, of));
  }
  if (affine_.bias()) {
    bias = Parameter(zeros({num_features}, of));
  }
  if (options.learn_sigma) {
    sigma = Parameter(full({1}, std::sqrt(eps_), of));
  }
}

std::string DivisiveNorm::extra_repr() const {
  return detail::concat(num_features_, ", sum_window=", sum_window_, ", sup_window=", sup_window_, ", eps=", eps_,
                        ", learn_sigma=", sigma.defined() ? "true" : "false", ", affine=", to_string(affine_));
}

double DivisiveNorm::eps_for(DType /*dtype*/) const { return sigma.defined() ? std::pow(sigma.item(), 2.0) : eps_; }

void DivisiveNorm::reset_parameters() {
  detail::refill(weight, 1.0);
  detail::refill(bias, 0.0);
  detail::refill(sigma, std::sqrt(eps_));
}

Tensor DivisiveNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  const Tensor& own = weight.defined() ? weight : bias.defined() ? bias : sigma;
  detail::check_images(*this, x, 2, num_features_, own);
  if (x.numel() == 0) {
    return detail::apply_epilogue(epilogue, detail::apply_affine(x, weight, bias, 1));
  }
  const bool features = x.dim() == 2;
  const Tensor wide = features ? x.to(kFloat64).unsqueeze(1) : x.to(kFloat64);
  const auto local_mean = [&](const Tensor& values, std::int64_t width) {
    return window_mean(features ? values : values.mean(1, true), width);
  };
  const Tensor centered = wide - local_mean(wide, sum_window_);
  const Tensor squares = local_mean(square(centered), sup_window_);
  const Tensor divisor = sigma.defined() ? squares + square(sigma.to(kFloat64)) : squares + eps_;
  const Tensor y = reshape_to(centered * rsqrt(divisor), x.shape());
  return detail::apply_epilogue(epilogue, detail::apply_affine(y, weight, bias, 1).to(x.dtype()));
}

}  // namespace normgrad
