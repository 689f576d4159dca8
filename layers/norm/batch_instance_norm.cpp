#include "normgrad/layers/norm/batch_instance_norm.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(BatchInstanceNorm, weight, bias, gate, running_mean, running_var, num_batches_tracked)

namespace {

// In place, and only where it is needed, because a graph may still hold the values.
void move_into_limits(Tensor& gate) {
  const std::vector<double> values = gate.detach().to(kFloat64).to_vector<double>();
  if (std::any_of(values.begin(), values.end(), [](double v) { return v < 0.0 || v > 1.0; })) {
    const NoGradGuard no_grad;
    gate.copy_(clamp(gate, 0.0, 1.0));
  }
}

}  // namespace

BatchInstanceNorm::BatchInstanceNorm(std::int64_t num_features, const BatchInstanceNormOptions& options)
    : RunningStatsNorm(
          "BatchInstanceNorm", num_features,
          {options.eps, options.momentum, options.affine, true, Variance::unbiased, SingleValue::error, options.dtype}),
      gate(ones({num_features}, {.dtype = options.dtype})) {}

std::string BatchInstanceNorm::expected_input() const {
  return "an input [N, " + std::to_string(num_features()) + ", *] of 3 to 5 axes";
}

void BatchInstanceNorm::reset_parameters() {
  RunningStatsNorm::reset_parameters();
  detail::refill(gate, 1.0);
}

Tensor BatchInstanceNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  detail::check_images(*this, x, 3, num_features(), gate);
  check_channels(x, 1);
  const std::int64_t count = x.numel() / num_features();
  const bool by_batch = use_batch_statistics(count, "value per channel", x.shape());
  if (x.numel() == 0) {
    return detail::apply_epilogue(epilogue, detail::apply_affine(x, weight, bias, 1));
  }
  const bool updates = update_is_due(count);
  if (updates) {
    move_into_limits(gate);
  }
  const auto wide = [](const Tensor& parameter) { return parameter.defined() ? parameter.to(kFloat64) : Tensor(); };
  const Tensor of_batch = clamp(wide(gate), 0.0, 1.0);
  const Tensor of_instance = 1.0 - of_batch;
  const Tensor scale_of_batch = weight.defined() ? wide(weight) * of_batch : of_batch;
  const Tensor scale_of_instance = weight.defined() ? wide(weight) * of_instance : of_instance;
  const Tensor values = x.to(kFloat64);
  NormResult batch;
  if (by_batch) {
    batch = batch_norm_training(values, scale_of_batch, wide(bias), eps());
  } else {
    batch.y = batch_norm(values, wide(running_mean), wide(running_var), scale_of_batch, wide(bias), eps());
  }
  const Tensor y = batch.y + instance_norm(values, scale_of_instance, {}, eps());
  Tensor result = detail::apply_epilogue(epilogue, y.to(x.dtype()));
  if (updates) {
    update_running_stats(by_batch ? batch : batch_statistics(x), true);
  }
  return result;
}

}  // namespace normgrad
