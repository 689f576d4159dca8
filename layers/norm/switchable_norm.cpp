#include "normgrad/layers/norm/switchable_norm.hpp"

#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(SwitchableNorm1d, weight, bias, mean_weight, var_weight, running_mean, running_var,
                        num_batches_tracked)
NORMGRAD_DEFINE_MEMBERS(SwitchableNorm2d, weight, bias, mean_weight, var_weight, running_mean, running_var,
                        num_batches_tracked)
NORMGRAD_DEFINE_MEMBERS(SwitchableNorm3d, weight, bias, mean_weight, var_weight, running_mean, running_var,
                        num_batches_tracked)

namespace {

// Statistics of instance norm (if there are positions), layer norm and batch norm, each broadcasting to [N, C, P].
using SwitchedMoments = std::vector<VarMean>;

// The variance of the mixture of sets of equal size: the mean of their variances plus the variance of their means.
VarMean mix(const VarMean& parts, std::int64_t axis) {
  const VarMean of_means = var_mean(parts.mean, axis, false, true);
  return {parts.var.mean(axis, true) + of_means.var, of_means.mean};
}

// The average by softmax(weights). Written with differences, so that equal values give exactly that value.
Tensor switched(const std::vector<Tensor>& values, const Tensor& weights) {
  const Tensor share = weights.to(kFloat64).softmax(0);
  Tensor result = values[0];
  for (std::size_t k = 1; k < values.size(); ++k) {
    result = result + share[static_cast<std::int64_t>(k)] * (values[k] - values[0]);
  }
  return result;
}

}  // namespace

SwitchableNorm::SwitchableNorm(const char* type, std::int64_t num_features, const SwitchableNormOptions& options,
                               std::int64_t rank)
    : BatchStatisticsNorm(type, num_features,
                          {.eps = options.eps,
                           .momentum = options.momentum,
                           .affine = options.affine,
                           .track_running_stats = true,
                           .variance = options.variance,
                           .single_value = SingleValue::error,
                           .dtype = options.dtype},
                          rank, rank) {
  const std::int64_t kinds = rank == 2 ? 2 : 3;
  mean_weight = Parameter(ones({kinds}, {.dtype = options.dtype}));
  var_weight = Parameter(ones({kinds}, {.dtype = options.dtype}));
}

SwitchableNorm1d::SwitchableNorm1d(std::int64_t num_features, const SwitchableNormOptions& options)
    : SwitchableNorm("SwitchableNorm1d", num_features, options, 2) {
  require<ValueError>(
      num_features > 1 || options.variance == Variance::biased,
      "SwitchableNorm1d: expected more than 1 feature for an unbiased variance of each sample but got 1");
}

std::string SwitchableNorm::reason_against_folding() const {
  return "a " + type_name() + " also normalizes each sample with its own statistics";
}

void SwitchableNorm::reset_parameters() {
  RunningStatsNorm::reset_parameters();
  const NoGradGuard no_grad;
  mean_weight.fill_(1.0);
  var_weight.fill_(1.0);
}

Tensor SwitchableNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  check_batch(x);
  if (x.numel() == 0) {
    return detail::apply_epilogue(epilogue, detail::apply_affine(x, weight, bias, 1));
  }
  const std::int64_t samples = x.size(0);
  const std::int64_t channels = num_features();
  const std::int64_t positions = x.numel() / (samples * channels);
  const bool unbiased = variance() == Variance::unbiased;
  require<ShapeError>(x.dim() == 2 || positions != 1 || !unbiased, type_name(),
                      ": expected more than 1 position for an unbiased variance of each sample and channel but got ",
                      x.shape(), "; use {.variance = Variance::biased}");
  const bool by_batch = use_batch_statistics(samples * positions, "value per channel", x.shape());

  const Tensor flat = x.to(kFloat64).reshape({samples, channels, positions});
  SwitchedMoments moments;
  VarMean of_batch;
  if (x.dim() == 2) {
    moments.push_back(var_mean(flat, 1, unbiased, true));
    of_batch = by_batch ? var_mean(flat, 0, unbiased, true) : VarMean();
  } else {
    moments.push_back(var_mean(flat, 2, unbiased, true));
    moments.push_back(mix(moments[0], 1));
    of_batch = by_batch ? mix(moments[0], 0) : VarMean();
  }
  const std::vector<std::int64_t> per_channel = {1, channels, 1};
  moments.push_back(by_batch ? of_batch
                             : VarMean{running_var.to(kFloat64).reshape(per_channel),
                                       running_mean.to(kFloat64).reshape(per_channel)});
  std::vector<Tensor> means;
  std::vector<Tensor> vars;
  for (const VarMean& m : moments) {
    means.push_back(m.mean);
    vars.push_back(m.var);
  }
  Tensor y = (flat - switched(means, mean_weight)) * (switched(vars, var_weight) + eps()).rsqrt();
  if (weight.defined()) {
    y = y * weight.to(kFloat64).reshape(per_channel);
  }
  if (bias.defined()) {
    y = y + bias.to(kFloat64).reshape(per_channel);
  }
  y = detail::apply_epilogue(epilogue, reshape_to(y, x.shape()).to(x.dtype()));
  if (by_batch && update_is_due(samples * positions)) {
    const Tensor mean = of_batch.mean.detach().reshape({channels});
    const Tensor var = of_batch.var.detach().reshape({channels});
    if (accepts({mean, var})) {
      const double batches = count_batch();
      const double weight_of_batch = momentum().weight().value_or(1.0 / batches);
      blend(running_mean, mean, weight_of_batch);
      blend(running_var, var, weight_of_batch);  // of the estimate that normalizes
    }
  }
  return y;
}

}  // namespace normgrad
