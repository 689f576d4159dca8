#include "normgrad/layers/norm/iter_norm.hpp"

#include <optional>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(IterNorm, weight, bias, running_mean, running_var, num_batches_tracked, running_wm)

namespace {

/// The axes of [N, C, *] with the first two exchanged.
std::vector<std::int64_t> channels_first(std::int64_t rank) {
  std::vector<std::int64_t> order = {1, 0};
  for (std::int64_t axis = 2; axis < rank; ++axis) {
    order.push_back(axis);
  }
  return order;
}

Tensor identity_matrices(std::int64_t groups, std::int64_t d) {
  return eye(d, {.dtype = kFloat64}).unsqueeze(0).expand({groups, d, d});
}

}  // namespace

IterNorm::IterNorm(std::int64_t num_features, const IterNormOptions& options)
    : RunningStatsNorm("IterNorm", num_features,
                       {.eps = options.eps,
                        .momentum = options.momentum,
                        .affine = options.affine,
                        .track_running_stats = true,
                        .variance = Variance::biased,
                        .single_value = SingleValue::error,
                        .dtype = options.dtype}),
      num_groups_(options.num_groups),
      iterations_(options.T) {
  require<ValueError>(num_groups_ > 0, "IterNorm: expected num_groups > 0 but got ", num_groups_);
  require<ValueError>(num_features % num_groups_ == 0,
                      "IterNorm: expected num_features divisible by num_groups but got ", num_features,
                      " features and ", num_groups_, " groups");
  require<ValueError>(iterations_ > 0, "IterNorm: expected T > 0 iterations but got ", iterations_);
  running_wm = StateBuffer(identity_matrices(num_groups_, num_features / num_groups_));
}

std::string IterNorm::extra_repr() const {
  return detail::concat(RunningStatsNorm::extra_repr(), ", num_groups=", num_groups_, ", T=", iterations_);
}

std::string IterNorm::reason_against_folding() const { return "an IterNorm mixes the channels"; }

std::string IterNorm::expected_input() const { return detail::concat("an input [N, ", num_features(), ", *]"); }

void IterNorm::reset_running_stats() {
  RunningStatsNorm::reset_running_stats();
  const NoGradGuard no_grad;
  running_wm.copy_(identity_matrices(num_groups_, num_features() / num_groups_).to(running_wm.dtype()));
}

void IterNorm::reset_parameters() {
  RunningStatsNorm::reset_parameters();
  reset_running_stats();
}

// [g, d, m] -> [g, d, d]
Tensor IterNorm::whitening(const Tensor& centered) const {
  const std::int64_t d = centered.size(1);
  const Tensor identity = identity_matrices(num_groups_, d);
  const Tensor sigma =
      matmul(centered, centered.transpose(1, 2)) / static_cast<double>(centered.size(2)) + identity * eps();
  const Tensor trace = (sigma * identity).sum({1, 2}, true);
  const Tensor normalized = sigma / trace;
  Tensor p = identity;
  for (std::int64_t k = 0; k < iterations_; ++k) {
    p = p * 1.5 - matmul(matmul(matmul(p, p), p), normalized) * 0.5;
  }
  return p * trace.rsqrt();
}

Tensor IterNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  require<ShapeError>(x.dim() >= 2, "IterNorm: expected ", expected_input(), " of at least 2 axes but got ", x.shape());
  check_channels(x, 1);
  const std::int64_t channels = num_features();
  const std::int64_t d = channels / num_groups_;
  require<ShapeError>(running_wm.defined() && running_wm.shape() == Shape({num_groups_, d, d}),
                      "IterNorm: expected running_wm of shape ", Shape({num_groups_, d, d}), " but got ",
                      running_wm.defined() ? detail::concat(running_wm.shape()) : "an undefined one");
  if (x.numel() == 0) {
    return detail::apply_epilogue(epilogue, detail::apply_affine(x, weight, bias, 1));
  }
  const std::int64_t count = x.numel() / channels;
  const bool by_batch = use_batch_statistics(count, "value per channel", x.shape());
  const bool updates = update_is_due(count);

  const std::vector<std::int64_t> order = channels_first(x.dim());
  const Tensor turned = x.to(kFloat64).permute(order);
  const Tensor grouped = turned.reshape({num_groups_, d, count});
  const auto per_channel = [&](const Tensor& values) { return values.to(kFloat64).reshape({num_groups_, d, 1}); };
  Tensor mean;
  Tensor matrix;
  if (by_batch || updates) {
    mean = grouped.mean(2, true);
    matrix = whitening(grouped - mean);
  }
  const Tensor centered = grouped - (by_batch ? mean : per_channel(running_mean));
  Tensor y = matmul(by_batch ? matrix : running_wm.to(kFloat64), centered);
  if (weight.defined()) {
    y = y * per_channel(weight);
  }
  if (bias.defined()) {
    y = y + per_channel(bias);
  }
  y = reshape_to(y, turned.shape()).permute(order).to(x.dtype());
  y = detail::apply_epilogue(epilogue, y);
  if (updates) {
    const NoGradGuard no_grad;
    const Tensor var = (grouped - mean).square().mean(2);
    const std::optional<double> weight_of_batch =
        update_running_stats({{}, mean.detach().reshape({channels}), var.reshape({channels}), count}, true);
    if (weight_of_batch) {
      blend(running_wm, matrix.detach(), *weight_of_batch);
    }
  }
  return y;
}

}  // namespace normgrad
