#include "normgrad/layers/norm/batch_norm.hpp"

#include <algorithm>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/norm/masked.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(BatchNorm1d, weight, bias, running_mean, running_var, num_batches_tracked)
NORMGRAD_DEFINE_MEMBERS(BatchNorm2d, weight, bias, running_mean, running_var, num_batches_tracked)
NORMGRAD_DEFINE_MEMBERS(BatchNorm3d, weight, bias, running_mean, running_var, num_batches_tracked)

BatchNorm::BatchNorm(const char* type, std::int64_t num_features, const BatchNormOptions& options,
                     std::int64_t min_rank, std::int64_t max_rank)
    : BatchStatisticsNorm(type, num_features,
                          {options.eps, options.momentum, options.affine, options.track_running_stats, options.variance,
                           options.single_value, options.dtype},
                          min_rank, max_rank) {}

std::string BatchNorm::extra_repr() const {
  const std::string text = RunningStatsNorm::extra_repr();
  return is_synchronized() ? text + ", statistics over " + (*sync_)->text() : text;
}

// Composed of differentiable operations, in float64 and rounded once.
Tensor BatchNorm::forward_synchronized(const Tensor& x, const Epilogue& epilogue) {
  const SharedMoments moments = (*sync_)->moments(x);
  const auto update = [&] {
    if (update_is_due(moments.count)) {
      update_running_stats({{}, moments.mean.detach(), moments.var.detach(), moments.count}, true);
    }
  };
  if (!use_batch_statistics(moments.count, "value per channel of all ranks", x.shape())) {
    Tensor y = normalize_with_running(x, epilogue);
    update();
    return y;
  }
  std::vector<std::int64_t> per_channel(static_cast<std::size_t>(x.dim()), 1);
  per_channel[1] = num_features();
  const auto spread = [&](const Tensor& values) { return values.to(kFloat64).reshape(per_channel); };
  Tensor y = (x.to(kFloat64) - spread(moments.mean)) * spread((moments.var + eps()).rsqrt());
  if (weight.defined()) {
    y = y * spread(weight);
  }
  if (bias.defined()) {
    y = y + spread(bias);
  }
  y = detail::apply_epilogue(epilogue, y.to(x.dtype()));
  update();
  return y;
}

Tensor BatchNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  check_batch(x);
  // One value is an error only if it is the only one of all processes.
  constexpr std::int64_t kEnough = 2;
  if (is_synchronized() && (use_batch_statistics(kEnough, "value per channel", x.shape()) || update_is_due(kEnough))) {
    return forward_synchronized(x, epilogue);
  }
  const auto normalize = [this](const Tensor& batch, const Epilogue& then) {
    return batch_norm_training(batch, weight, bias, eps(), then);
  };
  return normalize_and_update(x, epilogue,
                              {.count = x.numel() / num_features(),
                               .values = "value per channel",
                               .counts_batches = true,
                               .normalize = normalize,
                               .statistics = batch_statistics});
}

Tensor BatchNorm::forward_masked(const Tensor& x, const Tensor& mask) {
  check_batch(x);
  detail::check_mask(type_name().c_str(), x, mask);
  require<ValueError>(!is_synchronized(), type_name(),
                      ": expected no mask, because the statistics are those of several processes");
  constexpr std::int64_t kEnough = 2;
  bool by_batch = use_batch_statistics(kEnough, "value per channel", x.shape());
  bool updates = update_is_due(kEnough);
  MaskedNormResult batch;
  if (by_batch || updates) {
    batch = masked_batch_norm_training(by_batch ? x : x.detach(), mask, weight, bias, eps());
    const std::vector<double> counts = batch.counts.to_vector<double>();
    if (std::find(counts.begin(), counts.end(), 1.0) != counts.end()) {
      by_batch = by_batch && use_batch_statistics(1, "value per channel where the mask is true", x.shape());
      updates = false;
    }
    updates = updates && *std::max_element(counts.begin(), counts.end()) > 0.0;
  }
  Tensor y = by_batch ? batch.y : where(mask, normalize_with_running(where(mask, x, 0.0), {}), 0.0);
  if (updates) {
    update_running_stats({{}, batch.mean, batch.var, x.numel() / num_features()}, true, batch.counts);
  }
  return y;
}

}  // namespace normgrad
