#include "normgrad/layers/norm/adaptive_instance_norm.hpp"

#include <vector>

#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(AdaptiveInstanceNorm)

AdaptiveInstanceNorm::AdaptiveInstanceNorm(const AdaptiveInstanceNormOptions& options) : eps_(options.eps) {
  detail::check_eps("AdaptiveInstanceNorm", eps_);
}

std::string AdaptiveInstanceNorm::extra_repr() const { return detail::concat("eps=", eps_); }

Tensor AdaptiveInstanceNorm::forward(const Tensor& content, const Tensor& style) {
  require<ShapeError>(
      content.dim() >= 3 && style.dim() >= 3 && content.size(0) == style.size(0) && content.size(1) == style.size(1),
      "AdaptiveInstanceNorm: expected a content and a style [N, C, *] of the same N and C but got ", content.shape(),
      " and ", style.shape());
  const StdMean target =
      std_mean(style.reshape({style.size(0), style.size(1), style.numel() / (style.size(0) * style.size(1))}), 2,
               /*unbiased=*/false);
  std::vector<std::int64_t> per_set(static_cast<std::size_t>(content.dim()), 1);
  per_set[0] = content.size(0);
  per_set[1] = content.size(1);
  return instance_norm(content, {}, {}, eps_) * target.std.reshape(per_set) + target.mean.reshape(per_set);
}

}  // namespace normgrad
