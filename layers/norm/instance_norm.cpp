#include "normgrad/layers/norm/instance_norm.hpp"

#include <algorithm>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/norm/masked.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
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

void InstanceNorm::check(const Tensor& x) const {
  if (x.dim() != rank_ && x.dim() != rank_ - 1) {
    fail<ShapeError>(type_name(), ": expected ", expected_input(), " but got ", x.shape());
  }
  check_channels(x, x.dim() == rank_ ? 1 : 0);
}

Tensor InstanceNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  check(x);
  return x.dim() == rank_ ? normalize(x, epilogue) : squeeze(normalize(unsqueeze(x, 0), epilogue), 0);
}

Tensor InstanceNorm::forward_masked(const Tensor& x, const Tensor& mask) {
  check(x);
  detail::check_mask(type_name().c_str(), x, mask);
  return x.dim() == rank_ ? normalize_masked(x, mask) : squeeze(normalize_masked(unsqueeze(x, 0), mask), 0);
}

Tensor InstanceNorm::normalize(const Tensor& x, const Epilogue& epilogue) {
  const std::int64_t samples = x.size(0);
  const std::int64_t count = samples == 0 ? 0 : x.numel() / (samples * num_features());
  const auto normalize_batch = [this](const Tensor& batch, const Epilogue& then) {
    return instance_norm_training(batch, weight, bias, eps(), then);
  };
  return normalize_and_update(
      x, epilogue,
      {.count = count,
       .values = "value per sample and channel",
       .counts_batches = false,
       .normalize = normalize_batch,
       .statistics = [](const Tensor& batch) { return instance_norm_training(batch.detach()); }});
}

Tensor InstanceNorm::normalize_masked(const Tensor& x, const Tensor& mask) {
  constexpr std::int64_t kEnough = 2;
  bool by_batch = use_batch_statistics(kEnough, "value per sample and channel", x.shape());
  bool updates = update_is_due(kEnough);
  MaskedNormResult batch;
  if (by_batch || updates) {
    batch = masked_instance_norm_training(by_batch ? x : x.detach(), mask, weight, bias, eps());
    const std::vector<double> counts = batch.counts.to_vector<double>();
    if (std::find(counts.begin(), counts.end(), 1.0) != counts.end()) {
      by_batch = by_batch && use_batch_statistics(1, "value per sample and channel where the mask is true", x.shape());
      updates = false;
    }
  }
  Tensor y = by_batch ? batch.y : where(mask, normalize_with_running(where(mask, x, 0.0), {}), 0.0);
  if (updates) {
    update_masked(batch);
  }
  return y;
}

// Means over the samples, weighted by their numbers of values. A channel without any stays unchanged.
void InstanceNorm::update_masked(const MaskedNormResult& batch) {
  const NoGradGuard no_grad;
  const Tensor& n = batch.counts;
  const Tensor total = n.sum(0);
  const Tensor var = variance() == Variance::unbiased ? batch.var * n / where(n > 1, n - 1, 1.0) : batch.var;
  const auto averaged = [&](const Tensor& statistic, const Tensor& running) {
    const Tensor mean = (statistic * n).sum(0) / where(total > 0, total, 1.0);
    return where(total > 0, mean, running.to(kFloat64));
  };
  const Tensor mean_of_batch = averaged(batch.mean, running_mean);
  const Tensor var_of_batch = averaged(var, running_var);
  if (accepts({mean_of_batch, var_of_batch})) {
    const double weight_of_batch = momentum().weight().value_or(0.0);
    blend(running_mean, mean_of_batch, weight_of_batch);
    blend(running_var, var_of_batch, weight_of_batch);
  }
}

}  // namespace normgrad
