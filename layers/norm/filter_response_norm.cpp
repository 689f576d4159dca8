#include "normgrad/layers/norm/filter_response_norm.hpp"

#include <cmath>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(FilterResponseNorm, weight, bias, tau, eps_l)

FilterResponseNorm::FilterResponseNorm(std::int64_t num_features, const FilterResponseNormOptions& options)
    : num_features_(num_features), eps_(options.eps), eps_l_init_(options.eps_l_init) {
  detail::check_num_features("FilterResponseNorm", num_features);
  detail::check_eps("FilterResponseNorm", eps_);
  require<ValueError>(eps_l_init_ > 0.0 && std::isfinite(eps_l_init_),
                      "FilterResponseNorm: expected eps_l_init > 0 but got ", eps_l_init_);
  const TensorOptions of{.dtype = options.dtype};
  weight = Parameter(ones({num_features}, of));
  bias = Parameter(zeros({num_features}, of));
  if (options.tlu) {
    tau = Parameter(zeros({num_features}, of));
  }
  if (options.learn_eps) {
    eps_l = Parameter(full({1}, eps_l_init_, of));
  }
}

std::string FilterResponseNorm::extra_repr() const {
  return detail::concat(num_features_, ", eps=", eps_, ", tlu=", tau.defined() ? "true" : "false",
                        ", learn_eps=", eps_l.defined() ? "true" : "false");
}

double FilterResponseNorm::eps_for(DType /*dtype*/) const {
  return eps_ + (eps_l.defined() ? std::fabs(eps_l.item()) : 0.0);
}

void FilterResponseNorm::reset_parameters() {
  detail::refill(weight, 1.0);
  detail::refill(bias, 0.0);
  detail::refill(tau, 0.0);
  detail::refill(eps_l, eps_l_init_);
}

Tensor FilterResponseNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_images(*this, x, 3, num_features_, weight);
  require<ShapeError>(eps_l.defined() || x.numel() != x.size(0) * num_features_ || x.numel() == 0,
                      "FilterResponseNorm: expected more than 1 position but got ", x.shape(),
                      "; for maps of one position use {.learn_eps = true}");
  Tensor y;
  if (eps_l.defined()) {
    const Tensor wide = x.to(kFloat64);
    const Tensor squares = square(wide).mean(detail::position_axes(x), true);
    y = detail::apply_affine(wide * rsqrt(squares + (abs(eps_l.to(kFloat64)) + eps_)), weight, bias, 1).to(x.dtype());
  } else {
    y = group_rms_norm(x, num_features_, weight, bias, eps_);
  }
  if (tau.defined()) {
    y = maximum(y, detail::along_axis(tau, x, 1, x.dtype()));
  }
  return detail::apply_epilogue(epilogue, y);
}

}  // namespace normgrad
