#include "normgrad/train/channel_moments.hpp"

#include <algorithm>

namespace normgrad {

void ChannelMoments::merge(const Tensor& mean, const Tensor& var, std::int64_t count) {
  if (count == 0) {
    return;
  }
  const std::vector<double> batch_mean = mean.to_vector<double>();
  const std::vector<double> batch_var = var.to_vector<double>();
  if (mean_.empty()) {
    mean_.assign(batch_mean.size(), 0.0);
    m2_.assign(batch_mean.size(), 0.0);
  }
  require<ShapeError>(batch_mean.size() == mean_.size() && batch_var.size() == mean_.size(),
                      "ChannelMoments: expected ", mean_.size(), " channels but got ", batch_mean.size());
  const double a = static_cast<double>(count_);
  const double b = static_cast<double>(count);
  for (std::size_t c = 0; c < mean_.size(); ++c) {
    const double shift = batch_mean[c] - mean_[c];
    mean_[c] += shift * b / (a + b);
    m2_[c] += batch_var[c] * b + shift * shift * a * b / (a + b);
  }
  count_ += count;
}

std::vector<double> ChannelMoments::var(std::int64_t divisor) const {
  std::vector<double> result = m2_;
  for (double& v : result) {
    v /= static_cast<double>(std::max<std::int64_t>(divisor, 1));
  }
  return result;
}

std::vector<double> ChannelMoments::biased_var() const { return var(count_); }

std::vector<double> ChannelMoments::unbiased_var() const { return var(count_ - 1); }

}  // namespace normgrad
