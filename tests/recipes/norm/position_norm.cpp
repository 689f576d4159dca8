#include "normgrad/layers/norm/position_norm.hpp"

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

PositionNorm::PositionNorm(std::int64_t num_channels, const PositionNormOptions& options)
    : num_channels_(num_channels), eps_(options.eps) {
  require<ValueError>(num_channels > 0, "PositionNorm: expected num_channels > 0 but got ", num_channels);
  detail::check_eps("PositionNorm", eps_);
  if (options.affine) {
    weight = Parameter(ones({num_channels}, {.dtype = options.dtype}));
    bias = Parameter(zeros({num_channels}, {.dtype = options.dtype}));
  }
}

std::string PositionNorm::extra_repr() const {
  return detail::concat(num_channels_, ", eps=", eps_, ", affine=", weight.defined() ? "true" : "false");
}

void PositionNorm::reset_parameters() {
  const NoGradGuard no_grad;
  if (weight.defined()) {
    weight.fill_(1.0);
    bias.fill_(0.0);
  }
}

Tensor PositionNorm::by_channel(const Tensor& x) const {
  return x.dim() >= 2 && x.size(1) == num_channels_ ? x : Tensor();
}

Tensor PositionNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  require<ShapeError>(x.dim() >= 2 && x.size(1) == num_channels_, "PositionNorm: expected an input [N, ", num_channels_,
                      ", *] but got ", x.shape());
  return layer_norm_over(x, Axes{1}, weight, bias, eps_, epilogue);
}

}  // namespace normgrad
