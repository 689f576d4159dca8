#include "normgrad/layers/norm/batch_renorm.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(BatchRenorm1d, weight, bias, running_mean, running_var, num_batches_tracked)
NORMGRAD_DEFINE_MEMBERS(BatchRenorm2d, weight, bias, running_mean, running_var, num_batches_tracked)
NORMGRAD_DEFINE_MEMBERS(BatchRenorm3d, weight, bias, running_mean, running_var, num_batches_tracked)

namespace {

void check_limit(const char* type, const char* name, const RenormLimit& limit, double least) {
  for (const double value : {limit.from(), limit.to()}) {
    require<ValueError>(value >= least && std::isfinite(value), type, ": expected ", name, " >= ", least, " but got ",
                        value);
  }
  require<ValueError>(limit.start() >= 0 && limit.start() <= limit.end(), type, ": expected a ", name,
                      " that starts at a batch >= 0 and ends at it or later but got ", limit.start(), " and ",
                      limit.end());
}

std::string limit_text(const RenormLimit& limit) {
  return limit.from() == limit.to()
             ? detail::concat(limit.from())
             : detail::concat(limit.from(), " to ", limit.to(), " in batches ", limit.start(), " to ", limit.end());
}

}  // namespace

double RenormLimit::at(std::int64_t batches) const noexcept {
  if (batches >= end_) {
    return to_;
  }
  if (batches <= start_) {
    return from_;
  }
  return from_ + (to_ - from_) * static_cast<double>(batches - start_) / static_cast<double>(end_ - start_);
}

BatchRenorm::BatchRenorm(const char* type, std::int64_t num_features, const BatchRenormOptions& options,
                         std::int64_t min_rank, std::int64_t max_rank)
    : BatchStatisticsNorm(type, num_features,
                          {.eps = options.eps,
                           .momentum = options.momentum,
                           .affine = options.affine,
                           .track_running_stats = true,
                           .variance = Variance::biased,
                           .single_value = options.single_value,
                           .dtype = options.dtype,
                           .averages_deviation = true},
                          min_rank, max_rank),
      r_max_(options.r_max),
      d_max_(options.d_max) {
  check_limit(type, "r_max", r_max_, 1.0);
  check_limit(type, "d_max", d_max_, 0.0);
}

double BatchRenorm::r_max() const { return r_max_.at(num_batches_tracked.item<std::int64_t>()); }
double BatchRenorm::d_max() const { return d_max_.at(num_batches_tracked.item<std::int64_t>()); }

std::string BatchRenorm::extra_repr() const {
  return RunningStatsNorm::extra_repr() + ", r_max=" + limit_text(r_max_) + ", d_max=" + limit_text(d_max_);
}

// weight * (xhat * r + d) + bias is an affine map of xhat with constant r and d, so batch norm's kernel computes it
// with the weight times r, and the bias plus the weight times d.
NormResult BatchRenorm::renormalize(const Tensor& x, const Epilogue& epilogue) const {
  const double r_limit = r_max();
  const double d_limit = d_max();
  if (r_limit == 1.0 && d_limit == 0.0) {
    return batch_norm_training(x, weight, bias, eps(), epilogue);
  }
  const NormResult batch = batch_statistics(x);
  const std::vector<double> running_means = running_mean.to_vector<double>();
  const std::vector<double> running_vars = running_var.to_vector<double>();
  std::vector<double> r(running_means.size());
  std::vector<double> d(running_means.size());
  for (std::size_t c = 0; c < r.size(); ++c) {
    const double sigma = std::sqrt(running_vars[c] + eps());
    r[c] = std::clamp(std::sqrt(batch.var.data<double>()[c] + eps()) / sigma, 1.0 / r_limit, r_limit);
    d[c] = std::clamp((batch.mean.data<double>()[c] - running_means[c]) / sigma, -d_limit, d_limit);
  }
  Tensor scale = from_vector(r, {num_features()});
  Tensor shift = from_vector(d, {num_features()});
  if (weight.defined()) {
    const Tensor gamma = weight.to(kFloat64);
    scale = gamma * scale;
    shift = gamma * shift;
  }
  if (bias.defined()) {
    shift = shift + bias.to(kFloat64);
  }
  return batch_norm_training(x, scale.to(x.dtype()), shift.to(x.dtype()), eps(), epilogue);
}

Tensor BatchRenorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  check_batch(x);
  return normalize_and_update(
      x, epilogue,
      {.count = x.numel() / num_features(),
       .values = "value per channel",
       .counts_batches = true,
       .normalize = [this](const Tensor& batch, const Epilogue& then) { return renormalize(batch, then); },
       .statistics = batch_statistics});
}

}  // namespace normgrad
