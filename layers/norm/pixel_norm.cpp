#include "normgrad/layers/norm/pixel_norm.hpp"

#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(PixelNorm)

PixelNorm::PixelNorm(const PixelNormOptions& options) : eps_(options.eps), axis_(options.axis) {
  detail::check_eps("PixelNorm", eps_);
}

std::string PixelNorm::extra_repr() const { return detail::concat("eps=", eps_, ", axis=", axis_); }

Tensor PixelNorm::by_channel(const Tensor& x) const { return detail::channels_second(x, axis_); }

Tensor PixelNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_vectors(*this, x, axis_, {});
  return rms_norm_over(x, axis_, {}, eps_, epilogue);
}

}  // namespace normgrad
