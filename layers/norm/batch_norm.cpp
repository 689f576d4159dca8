#include "normgrad/layers/norm/batch_norm.hpp"

#include "normgrad/layers/norm/shape_text.hpp"

namespace normgrad {

BatchNorm::BatchNorm(const char* type, std::int64_t num_features, const BatchNormOptions& options,
                     std::int64_t min_rank, std::int64_t max_rank)
    : RunningStatsNorm(type, num_features,
                       {options.eps, options.momentum, options.affine, options.track_running_stats, options.variance,
                        options.single_value, options.dtype}),
      min_rank_(min_rank),
      max_rank_(max_rank) {}

std::string BatchNorm::expected_input() const {
  const std::string least = detail::input_text(min_rank_, num_features());
  return max_rank_ == min_rank_ ? least : least + " or " + detail::input_text(max_rank_, num_features());
}

Tensor BatchNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  if (x.dim() < min_rank_ || x.dim() > max_rank_) {
    // [C, H, W]: an image without the batch axis.
    const bool lacks_batch = x.dim() == min_rank_ - 1 && x.dim() > 1 && x.size(0) == num_features();
    fail<ShapeError>(type_name(), ": expected ", expected_input(), " but got ", x.shape(),
                     lacks_batch ? "; a batch of one example is x.unsqueeze(0)"
                                 : "; for other numbers of axes there are BatchNorm1d, 2d and 3d");
  }
  check_channels(x, 1);
  const std::int64_t count = x.numel() / num_features();
  if (!use_batch_statistics(count, "value per channel", x.shape())) {
    Tensor y = normalize_with_running(x, epilogue);
    if (update_is_due(count)) {
      update_running_stats(batch_statistics(x), true);
    }
    return y;
  }
  const NormResult result = batch_norm_training(x, weight, bias, eps(), epilogue);
  if (update_is_due(count)) {
    update_running_stats(result, true);
  }
  return result.y;
}

}  // namespace normgrad
