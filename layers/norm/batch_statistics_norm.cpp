#include "normgrad/layers/norm/batch_statistics_norm.hpp"

#include "normgrad/layers/norm/shape_text.hpp"

namespace normgrad {

BatchStatisticsNorm::BatchStatisticsNorm(const char* type, std::int64_t num_features, const Options& options,
                                         std::int64_t min_rank, std::int64_t max_rank)
    : RunningStatsNorm(type, num_features, options), type_(type), min_rank_(min_rank), max_rank_(max_rank) {}

std::string BatchStatisticsNorm::expected_input() const {
  const std::string least = detail::input_text(min_rank_, num_features());
  const char* joint = max_rank_ == min_rank_ + 1 ? " or " : " to ";
  return max_rank_ == min_rank_ ? least : least + joint + detail::input_text(max_rank_, num_features());
}

void BatchStatisticsNorm::check_batch(const Tensor& x) const {
  if (x.dim() < min_rank_ || x.dim() > max_rank_) {
    // [C, H, W]: an image without the batch axis.
    const bool lacks_batch = x.dim() == min_rank_ - 1 && x.dim() > 1 && x.size(0) == num_features();
    const std::string others = std::string(type_, std::string(type_).size() - 2) + "1d, 2d or 3d";
    fail<ShapeError>(
        type_name(), ": expected ", expected_input(), " but got ", x.shape(),
        lacks_batch ? "; a batch of one example is x.unsqueeze(0)" : "; use " + others + " for other numbers of axes");
  }
  check_channels(x, 1);
}

}  // namespace normgrad
