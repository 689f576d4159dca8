#include "normgrad/layers/norm/instance_norm.hpp"

#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/shape_text.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(InstanceNorm1d, weight, bias, running_mean, running_var, num_batches_tracked)
NORMGRAD_DEFINE_MEMBERS(InstanceNorm2d, weight, bias, running_mean, running_var, num_batches_tracked)
NORMGRAD_DEFINE_MEMBERS(InstanceNorm3d, weight, bias, running_mean, running_var, num_batches_tracked)

InstanceNorm::InstanceNorm(const char* type, std::int64_t num_features, const InstanceNormOptions& options,
                           std::int64_t rank)
    : RunningStatsNorm(type, num_features,
                       {options.eps, options.momentum, options.affine, options.track_running_stats, options.variance,
                        options.single_value, options.dtype}),
      rank_(rank) {}

std::string InstanceNorm::expected_input() const {
  return detail::input_text(rank_, num_features()) + " or " + detail::input_text(rank_ - 1, num_features(), false);
}

// Larger batches do not help: each sample has its own statistics.
std::string InstanceNorm::single_value_advice() const {
  const std::string running = tracks_running_stats() ? "{.single_value = SingleValue::use_running}"
                                                     : "{.track_running_stats = true, .single_value = "
                                                       "SingleValue::use_running}";
  return "inputs of more than one position, a norm with statistics over more than that (GroupNorm, BatchNorm), or " +
         running;
}

Tensor InstanceNorm::by_channel(const Tensor& x) const {
  return x.dim() == rank_ - 1 ? unsqueeze(x, 0) : RunningStatsNorm::by_channel(x);
}

Tensor InstanceNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  if (x.dim() != rank_ && x.dim() != rank_ - 1) {
    fail<ShapeError>(type_name(), ": expected ", expected_input(), " but got ", x.shape());
  }
  const bool batched = x.dim() == rank_;
  check_channels(x, batched ? 1 : 0);
  return batched ? normalize(x, epilogue) : squeeze(normalize(unsqueeze(x, 0), epilogue), 0);
}

Tensor InstanceNorm::normalize(const Tensor& x, const Epilogue& epilogue) {
  const std::int64_t samples = x.size(0);
  const std::int64_t count = samples == 0 ? 0 : x.numel() / (samples * num_features());
  if (!use_batch_statistics(count, "value per sample and channel", x.shape())) {
    Tensor y = normalize_with_running(x, epilogue);
    if (update_is_due(count)) {
      update_running_stats(instance_norm_training(x.detach()), false);
    }
    return y;
  }
  const NormResult result = instance_norm_training(x, weight, bias, eps(), epilogue);
  if (update_is_due(count)) {
    update_running_stats(result, false);
  }
  return result.y;
}

}  // namespace normgrad
