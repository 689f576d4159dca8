#include "normgrad/layers/norm/evo_norm_b0.hpp"

#include <vector>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(EvoNormB0, weight, bias, v, running_mean, running_var, num_batches_tracked)

EvoNormB0::EvoNormB0(std::int64_t num_features, const EvoNormB0Options& options)
    : RunningStatsNorm(
          "EvoNormB0", num_features,
          {options.eps, options.momentum, true, true, options.variance, SingleValue::error, options.dtype}),
      v(ones({num_features}, {.dtype = options.dtype})) {}

std::string EvoNormB0::expected_input() const {
  return "an input [N, " + std::to_string(num_features()) + ", *] of 3 to 5 axes";
}

void EvoNormB0::reset_parameters() {
  RunningStatsNorm::reset_parameters();
  detail::refill(v, 1.0);
}

Tensor EvoNormB0::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_images(*this, x, 3, num_features(), weight);
  check_channels(x, 1);
  const std::int64_t count = x.numel() / num_features();
  const bool of_batch = use_batch_statistics(count, "value per channel", x.shape());
  if (x.numel() == 0) {
    return detail::apply_epilogue(epilogue, detail::apply_affine(x, weight, bias, 1));
  }
  const Tensor wide = x.to(kFloat64);
  const Axes positions = detail::position_axes(x);
  std::vector<std::int64_t> all_but_channels = positions.list();
  all_but_channels.insert(all_but_channels.begin(), 0);
  const Tensor batch_var =
      of_batch ? var(wide, all_but_channels, false, true) : detail::along_axis(running_var, x, 1, kFloat64);
  const Tensor batch_std = (batch_var + eps()).sqrt();
  const Tensor instance_std = (var(wide, positions, false, true) + eps()).sqrt();
  const Tensor divisor = maximum(batch_std, wide * detail::along_axis(v, x, 1, kFloat64) + instance_std);
  const Tensor y = detail::apply_affine(wide / divisor, weight, bias, 1).to(x.dtype());
  Tensor result = detail::apply_epilogue(epilogue, y);
  if (update_is_due(count)) {
    update_running_stats(batch_statistics(x), true);
  }
  return result;
}

}  // namespace normgrad
