#include "normgrad/layers/norm/global_response_norm.hpp"

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(GlobalResponseNorm, gamma, beta)

GlobalResponseNorm::GlobalResponseNorm(std::int64_t num_features, const GlobalResponseNormOptions& options)
    : num_features_(num_features), eps_(options.eps) {
  detail::check_num_features("GlobalResponseNorm", num_features);
  detail::check_eps("GlobalResponseNorm", eps_);
  gamma = Parameter(zeros({num_features}, {.dtype = options.dtype}));
  beta = Parameter(zeros({num_features}, {.dtype = options.dtype}));
}

std::string GlobalResponseNorm::extra_repr() const { return detail::concat(num_features_, ", eps=", eps_); }

void GlobalResponseNorm::reset_parameters() {
  detail::refill(gamma, 0.0);
  detail::refill(beta, 0.0);
}

Tensor GlobalResponseNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_images(*this, x, 3, num_features_, gamma);
  const Tensor wide = x.to(kFloat64);
  const Tensor size = norm(wide, 2.0, detail::position_axes(x), true);
  const Tensor response = wide * (size / (size.mean(1, true) + eps_));
  const Tensor y = detail::apply_affine(response, gamma, beta, 1) + wide;
  return detail::apply_epilogue(epilogue, y.to(x.dtype()));
}

}  // namespace normgrad
