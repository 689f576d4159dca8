#include "normgrad/layers/norm/mean_only_batch_norm.hpp"

#include <string>
#include <vector>

#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(MeanOnlyBatchNorm, bias, running_mean, running_var, num_batches_tracked)

MeanOnlyBatchNorm::MeanOnlyBatchNorm(std::int64_t num_features, const MeanOnlyBatchNormOptions& options)
    : RunningStatsNorm("MeanOnlyBatchNorm", num_features,
                       {.eps = 1e-5,  // unused
                        .momentum = options.momentum,
                        .affine = options.bias ? Affine::bias_only : Affine::none,
                        .track_running_stats = true,
                        .variance = Variance::unbiased,
                        .single_value = SingleValue::error,
                        .dtype = options.dtype}) {}

std::string MeanOnlyBatchNorm::extra_repr() const {
  return detail::concat(num_features(),
                        ", momentum=", momentum().is_cumulative() ? "cumulative" : detail::concat(*momentum().weight()),
                        ", bias=", bias.defined() ? "true" : "false", is_frozen() ? ", frozen" : "");
}

std::string MeanOnlyBatchNorm::expected_input() const {
  return "an input [N, " + std::to_string(num_features()) + ", *] of 2 to 5 axes";
}

Tensor MeanOnlyBatchNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_images(*this, x, 2, num_features(), bias);
  check_channels(x, 1);
  const std::int64_t count = x.numel() / num_features();
  const bool by_batch = use_batch_statistics(count, "value per channel", x.shape());
  if (x.numel() == 0) {
    return detail::apply_epilogue(epilogue, detail::apply_affine(x, {}, bias, 1));
  }
  std::vector<std::int64_t> all_but_channels = {0};
  for (std::int64_t axis = 2; axis < x.dim(); ++axis) {
    all_but_channels.push_back(axis);
  }
  const Tensor wide = x.to(kFloat64);
  const Tensor mean = by_batch ? wide.mean(all_but_channels, true) : detail::along_axis(running_mean, x, 1, kFloat64);
  const Tensor y = detail::apply_affine(wide - mean, {}, bias, 1).to(x.dtype());
  Tensor result = detail::apply_epilogue(epilogue, y);
  if (update_is_due(count)) {
    update_running_stats(batch_statistics(x), true);
  }
  return result;
}

}  // namespace normgrad
