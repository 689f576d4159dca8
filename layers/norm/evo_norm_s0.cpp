#include "normgrad/layers/norm/evo_norm_s0.hpp"

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(EvoNormS0, weight, bias, v)

EvoNormS0::EvoNormS0(std::int64_t num_features, const EvoNormS0Options& options)
    : num_features_(num_features),
      num_groups_(options.num_groups.value_or(detail::automatic_groups(num_features))),
      eps_(options.eps) {
  detail::check_num_features("EvoNormS0", num_features);
  require<ValueError>(num_groups_ > 0 && num_features % num_groups_ == 0,
                      "EvoNormS0: expected num_features divisible by num_groups but got ", num_features,
                      " features and ", num_groups_, " groups");
  detail::check_eps("EvoNormS0", eps_);
  const TensorOptions of{.dtype = options.dtype};
  weight = Parameter(ones({num_features}, of));
  bias = Parameter(zeros({num_features}, of));
  v = Parameter(ones({num_features}, of));
}

std::string EvoNormS0::extra_repr() const {
  return detail::concat(num_features_, ", num_groups=", num_groups_, ", eps=", eps_);
}

void EvoNormS0::reset_parameters() {
  detail::refill(weight, 1.0);
  detail::refill(bias, 0.0);
  detail::refill(v, 1.0);
}

Tensor EvoNormS0::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_images(*this, x, 2, num_features_, weight);
  if (x.numel() == 0) {
    return detail::apply_epilogue(epilogue, detail::apply_affine(x, weight, bias, 1));
  }
  std::int64_t values = num_features_ / num_groups_;
  for (std::int64_t axis = 2; axis < x.dim(); ++axis) {
    values *= x.size(axis);
  }
  require<ShapeError>(values != 1, "EvoNormS0: expected more than 1 value per group but got ", x.shape(), " with ",
                      num_groups_, " groups");
  const Tensor wide = x.to(kFloat64);
  const std::vector<std::int64_t> groups = {x.size(0), num_groups_, values};
  const Tensor rstd = rsqrt(var(wide.reshape(groups), 2, false, true) + eps_);
  const Tensor bent = wide * sigmoid(wide * detail::along_axis(v, x, 1, kFloat64));
  const Tensor y = detail::apply_affine(reshape_to(bent.reshape(groups) * rstd, x.shape()), weight, bias, 1);
  return detail::apply_epilogue(epilogue, y.to(x.dtype()));
}

}  // namespace normgrad
