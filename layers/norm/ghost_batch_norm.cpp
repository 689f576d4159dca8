#include "normgrad/layers/norm/ghost_batch_norm.hpp"

#include <algorithm>
#include <vector>

#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(GhostBatchNorm1d, weight, bias, running_mean, running_var, num_batches_tracked)
NORMGRAD_DEFINE_MEMBERS(GhostBatchNorm2d, weight, bias, running_mean, running_var, num_batches_tracked)
NORMGRAD_DEFINE_MEMBERS(GhostBatchNorm3d, weight, bias, running_mean, running_var, num_batches_tracked)

namespace {

/// Consecutive samples that make up `batches` virtual batches of equal size.
struct VirtualPart {
  std::int64_t start;
  std::int64_t samples;
  std::int64_t batches;
};

/// Divides a batch into full virtual batches, and the remainder. One value per channel has no variance.
std::vector<VirtualPart> virtual_parts(std::int64_t samples, std::int64_t positions, std::int64_t size) {
  std::int64_t batches = samples / size;
  const bool joins = samples % size == 1 && positions == 1;
  if (batches == 0 || (joins && batches == 1) || samples == size) {
    return {{0, samples, 1}};
  }
  batches -= joins ? 1 : 0;
  std::vector<VirtualPart> parts = {{0, batches * size, batches}};
  if (samples > batches * size) {
    parts.push_back({batches * size, samples - batches * size, 1});
  }
  return parts;
}

/// [k * n, C, *] -> [n, k * C, positions]: each channel of each of the k virtual batches as a channel of its own.
Tensor as_channels(const Tensor& x, std::int64_t k) {
  const std::int64_t n = x.size(0) / k;
  const std::int64_t channels = x.size(1);
  const std::int64_t positions = x.numel() / (x.size(0) * channels);
  return x.reshape({k, n, channels, positions}).permute({1, 0, 2, 3}).reshape({n, k * channels, positions});
}

}  // namespace

GhostBatchNorm::GhostBatchNorm(const char* type, std::int64_t num_features, const GhostBatchNormOptions& options,
                               std::int64_t min_rank, std::int64_t max_rank)
    : BatchStatisticsNorm(type, num_features,
                          {.eps = options.eps,
                           .momentum = options.momentum,
                           .affine = options.affine,
                           .track_running_stats = true,
                           .variance = options.variance,
                           .single_value = options.single_value,
                           .dtype = options.dtype},
                          min_rank, max_rank),
      virtual_batch_size_(options.virtual_batch_size) {
  require<ValueError>(virtual_batch_size_ > 0, type, ": expected virtual_batch_size > 0 but got ", virtual_batch_size_);
}

std::string GhostBatchNorm::extra_repr() const {
  return detail::concat(RunningStatsNorm::extra_repr(), ", virtual_batch_size=", virtual_batch_size_);
}

std::string GhostBatchNorm::single_value_advice() const {
  return virtual_batch_size_ == 1 ? "a virtual_batch_size of more than 1" : RunningStatsNorm::single_value_advice();
}

NormResult GhostBatchNorm::normalize_part(const Tensor& part, std::int64_t batches, const Epilogue& epilogue) const {
  if (batches == 1) {
    return batch_norm_training(part, weight, bias, eps(), epilogue);
  }
  const auto repeated = [&](const Tensor& parameter) {
    return parameter.defined() ? parameter.repeat({batches}) : Tensor();
  };
  const Tensor x = as_channels(part, batches);
  NormResult result = batch_norm_training(x, repeated(weight), repeated(bias), eps(), epilogue);
  const std::int64_t n = x.size(0);
  result.y = reshape_to(result.y.reshape({n, batches, num_features(), x.size(2)}).permute({1, 0, 2, 3}), part.shape());
  return result;
}

Tensor GhostBatchNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  check_batch(x);
  const std::int64_t samples = x.size(0);
  const std::int64_t positions = samples == 0 ? 0 : x.numel() / (samples * num_features());
  const std::vector<VirtualPart> parts = virtual_parts(samples, positions, virtual_batch_size_);
  std::int64_t fewest = samples * positions;
  for (const VirtualPart& part : parts) {
    fewest = std::min(fewest, part.samples / part.batches * positions);
  }
  const bool by_batch = use_batch_statistics(fewest, "value per channel and virtual batch", x.shape());
  const bool updates = update_is_due(fewest);
  std::vector<Tensor> results;
  std::vector<std::pair<std::int64_t, NormResult>> statistics;
  for (const VirtualPart& part : parts) {
    const Tensor samples_of_part = parts.size() == 1 ? x : x.narrow(0, part.start, part.samples);
    if (by_batch) {
      statistics.emplace_back(part.batches, normalize_part(samples_of_part, part.batches, epilogue));
      results.push_back(statistics.back().second.y);
    } else if (updates) {
      statistics.emplace_back(part.batches, batch_statistics(as_channels(samples_of_part.detach(), part.batches)));
    }
  }
  Tensor y = !by_batch ? normalize_with_running(x, epilogue) : results.size() == 1 ? results.front() : cat(results);
  for (std::size_t i = 0; updates && i < statistics.size(); ++i) {
    const auto& [batches, moments] = statistics[i];
    for (std::int64_t k = 0; k < batches; ++k) {
      const std::int64_t first = k * num_features();
      update_running_stats({{},
                            moments.mean.narrow(0, first, num_features()),
                            moments.var.narrow(0, first, num_features()),
                            moments.count},
                           true);
    }
  }
  return y;
}

}  // namespace normgrad
