// Input checks shared by all losses. Internal.
#pragma once

#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"

namespace normgrad::detail {

/// Throws ValueError, naming the loss, for a mean over an empty input, which would be NaN.
inline void check_something_to_average(const char* where, const Tensor& x, Reduction reduction) {
  const bool averages = reduction == Reduction::mean || (reduction == Reduction::batchmean && x.dim() > 0);
  const std::int64_t count = reduction == Reduction::batchmean && averages ? x.size(0) : x.numel();
  require<ValueError>(!averages || count > 0, where,
                      ": expected at least one element to average but got an input of shape ", x.shape(),
                      "; leave an empty batch out, or use Reduction::sum, which gives 0");
}

/// The losses reduced. Throws ValueError for batchmean and for a mean over nothing.
inline Tensor reduced_losses(const char* where, const Tensor& losses, Reduction reduction) {
  require<ValueError>(reduction != Reduction::batchmean, where,
                      ": expected reduction none, mean or sum but got batchmean, which is for kl_div only");
  check_something_to_average(where, losses, reduction);
  return reduction == Reduction::none ? losses : reduction == Reduction::mean ? mean(losses) : sum(losses);
}

}  // namespace normgrad::detail
