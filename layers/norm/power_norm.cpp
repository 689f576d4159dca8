#include "normgrad/layers/norm/power_norm.hpp"

#include <cmath>
#include <vector>

#include "normgrad/core/autograd/checkpoint.hpp"
#include "normgrad/core/autograd/function.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/detail/channel_axis.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(PowerNorm, weight, bias, running_mean, running_var, num_batches_tracked, ema_gz)

PowerNorm::PowerNorm(std::int64_t num_features, const PowerNormOptions& options)
    : RunningStatsNorm("PowerNorm", num_features,
                       {.eps = options.eps,
                        .momentum = 0.0,  // unused: see alpha_fwd
                        .affine = options.affine,
                        .track_running_stats = true,
                        .variance = Variance::biased,
                        .single_value = SingleValue::error,
                        .dtype = options.dtype}),
      alpha_fwd_(options.alpha_fwd),
      alpha_bkw_(options.alpha_bkw),
      warmup_iters_(options.warmup_iters),
      group_num_(options.group_num) {
  require<ValueError>(alpha_fwd_ >= 0.0 && alpha_fwd_ <= 1.0, "PowerNorm: expected alpha_fwd in [0, 1] but got ",
                      alpha_fwd_);
  require<ValueError>(alpha_bkw_ >= 0.0 && alpha_bkw_ <= 1.0, "PowerNorm: expected alpha_bkw in [0, 1] but got ",
                      alpha_bkw_);
  require<ValueError>(warmup_iters_ >= 0, "PowerNorm: expected warmup_iters >= 0 but got ", warmup_iters_);
  require<ValueError>(!group_num_ || (*group_num_ > 0 && num_features % *group_num_ == 0),
                      "PowerNorm: expected a group_num that divides num_features ", num_features, " but got ",
                      group_num_.value_or(0));
  ema_gz = StateBuffer(zeros({num_features}, {.dtype = kFloat64}));
}

std::string PowerNorm::extra_repr() const {
  const Affine affine(weight.defined() ? (bias.defined() ? Affine::both : Affine::scale_only)
                                       : (bias.defined() ? Affine::bias_only : Affine::none));
  return detail::concat(num_features(), ", eps=", eps(), ", alpha_fwd=", alpha_fwd_, ", alpha_bkw=", alpha_bkw_,
                        ", affine=", to_string(affine), is_frozen() ? ", frozen" : "", ", warmup_iters=", warmup_iters_,
                        ", group_num=", group_num_ ? detail::concat(*group_num_) : "none");
}

std::string PowerNorm::reason_against_folding() const {
  return "a PowerNorm divides each sample by its own root mean squares, too";
}

std::string PowerNorm::expected_input() const { return detail::concat("an input [N, ", num_features(), ", *]"); }

void PowerNorm::reset_running_stats() {
  RunningStatsNorm::reset_running_stats();
  ema_gz.fill_(0.0);
}

void PowerNorm::reset_parameters() {
  RunningStatsNorm::reset_parameters();
  reset_running_stats();
}

// [N, C, P], divided by the root mean square of each group of channels at each position.
Tensor PowerNorm::divide_groups(const Tensor& x) const {
  if (!group_num_) {
    return x;
  }
  const std::int64_t channels = num_features() / *group_num_;
  const Tensor rows = x.permute({0, 2, 1}).reshape({x.size(0), x.size(2), *group_num_, channels});
  return rms_norm(rows, {channels}, {}, eps()).reshape({x.size(0), x.size(2), num_features()}).permute({0, 2, 1});
}

// z of x: [N, C, P], with the backward of the authors.
Tensor PowerNorm::power(const Tensor& x, const Tensor& mean_square, bool updates) const {
  const std::vector<std::int64_t> per_channel = {1, num_features(), 1};
  // The second call of a checkpoint finds the batch counted.
  const std::int64_t batch = num_batches_tracked.item<std::int64_t>() + (updates && detail::is_recomputing() ? 0 : 1);
  const bool warm = batch > warmup_iters_;
  const Tensor of_batch = (mean_square + eps()).rsqrt().reshape(per_channel);
  // A copy: the buffer changes before the backward.
  const Tensor divisor = warm ? (running_var.detach().to(kFloat64) + eps()).rsqrt().reshape(per_channel) : of_batch;
  const double share = 1.0 - alpha_bkw_;
  return apply_function(
      "power_norm", {x}, [&](const auto& in) { return in[0] * divisor; },
      [=, running = Tensor(ema_gz)](const auto& in, const Tensor& /*z*/, const Tensor& g) {
        const Tensor z = in[0] * divisor;  // recorded, unlike the result
        const Tensor nu = running.detach().clone().to(kFloat64).reshape(per_channel);
        const Tensor corrected = g - nu * z * share;
        if (updates && !FreezeStatisticsGuard::is_active()) {
          const NoGradGuard no_grad;
          const Tensor step = (corrected.detach() * z.detach()).mean({0, 2}).to(running.dtype());
          if (isfinite(step).all().item() != 0.0) {
            Tensor(running).add_(step);
          }
        }
        return std::vector<Tensor>{corrected * of_batch};
      });
}

Tensor PowerNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  require<ShapeError>(x.dim() >= 2, "PowerNorm: expected ", expected_input(), " of at least 2 axes but got ",
                      x.shape());
  check_channels(x, 1);
  require<ShapeError>(ema_gz.defined() && ema_gz.shape() == Shape{num_features()},
                      "PowerNorm: expected ema_gz of shape ", Shape{num_features()}, " but got ",
                      ema_gz.defined() ? detail::concat(ema_gz.shape()) : "an undefined one");
  if (x.numel() == 0) {
    return detail::apply_epilogue(epilogue, detail::apply_affine(x, weight, bias, 1));
  }
  const std::int64_t samples = x.size(0);
  const std::int64_t count = x.numel() / num_features();
  const bool by_batch = use_batch_statistics(count, "value per channel", x.shape());
  const bool updates = update_is_due(count);
  const Tensor scaled = divide_groups(x.to(kFloat64).reshape({samples, num_features(), count / samples}));
  Tensor mean_square;
  {
    const NoGradGuard no_grad;
    mean_square = by_batch || updates ? scaled.square().mean({0, 2}) : Tensor();
  }
  Tensor y;
  if (by_batch) {
    const std::vector<std::int64_t> per_channel = {1, num_features(), 1};
    y = power(scaled, mean_square, update_is_due(count, true));
    if (weight.defined()) {
      y = y * weight.to(kFloat64).reshape(per_channel);
    }
    if (bias.defined()) {
      y = y + bias.to(kFloat64).reshape(per_channel);
    }
  } else {
    const auto wide = [](const Tensor& parameter) { return parameter.defined() ? parameter.to(kFloat64) : Tensor(); };
    y = batch_norm(scaled, zeros({num_features()}, {.dtype = kFloat64}), running_var.to(kFloat64), wide(weight),
                   wide(bias), eps());
  }
  y = detail::apply_epilogue(epilogue, reshape_to(y, x.shape()).to(x.dtype()));
  if (updates && accepts({mean_square})) {
    const double batches = count_batch();
    if (batches < static_cast<double>(warmup_iters_)) {
      blend(running_var, mean_square, 1.0 / batches);
    }
    blend(running_var, mean_square, 1.0 - alpha_fwd_);
  }
  return y;
}

}  // namespace normgrad
