#include "normgrad/layers/norm/running_stats.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "normgrad/core/autograd/checkpoint.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/log.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"

namespace normgrad {

namespace {

thread_local int freeze_guards = 0;

// Whether all statistics are finite, also after conversion to the dtype of the running statistics.
bool all_finite(const Tensor& statistics, DType dtype) {
  return dispatch_float("running statistics", dtype, [&](auto zero) {
    using T = decltype(zero);
    const double* values = statistics.data<double>();
    const std::int64_t n = statistics.numel();
    std::int64_t finite = 0;  // counting is branch-free
    for (std::int64_t i = 0; i < n; ++i) {
      finite += std::fabs(static_cast<T>(values[i])) <= std::numeric_limits<T>::max() ? 1 : 0;
    }
    return finite == n;
  });
}

// sqrt(running + eps) = (1 - weight) * sqrt(running + eps) + weight * sqrt(batch + eps)
void blend_deviations(Tensor& running, const Tensor& batch, double weight, double eps) {
  dispatch_float("running statistics", running.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* old = running.mutable_data<T>();
    const double* now = batch.data<double>();
    const std::int64_t n = running.numel();
    for (std::int64_t i = 0; i < n; ++i) {
      const double deviation =
          (1.0 - weight) * std::sqrt(static_cast<double>(old[i]) + eps) + weight * std::sqrt(now[i] + eps);
      old[i] = static_cast<T>(std::max(0.0, deviation * deviation - eps));
    }
  });
}

// As RunningStatsNorm::blend(), for statistics of counts[c] values in channel c. A variance needs 2 of them.
void blend_counted(Tensor& running, const Tensor& batch, const Tensor& counts, double weight, bool unbiased) {
  dispatch_float("running statistics", running.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* old = running.mutable_data<T>();
    const double* now = batch.data<double>();
    const double* count = counts.data<double>();
    const std::int64_t n = running.numel();
    for (std::int64_t i = 0; i < n; ++i) {
      if (count[i] >= 2.0) {
        const double factor = unbiased ? count[i] / (count[i] - 1.0) : 1.0;
        old[i] = static_cast<T>((1.0 - weight) * static_cast<double>(old[i]) + weight * factor * now[i]);
      }
    }
  });
}

const char* bool_text(bool on) { return on ? "true" : "false"; }

}  // namespace

FreezeStatisticsGuard::FreezeStatisticsGuard() noexcept { ++freeze_guards; }
FreezeStatisticsGuard::~FreezeStatisticsGuard() { --freeze_guards; }
bool FreezeStatisticsGuard::is_active() noexcept { return freeze_guards > 0 || detail::is_recomputing(); }

std::string to_string(Affine affine) {
  switch (affine.kind()) {
    case Affine::scale_only:
      return "scale_only";
    case Affine::bias_only:
      return "bias_only";
    case Affine::none:
      return "false";
    default:
      return "true";
  }
}

RunningStatsNorm::RunningStatsNorm(const char* type, std::int64_t num_features, const Options& options)
    : num_features_(num_features),
      eps_(options.eps),
      momentum_(options.momentum),
      affine_(options.affine),
      variance_(options.variance),
      single_value_(options.single_value),
      averages_deviation_(options.averages_deviation) {
  require<ValueError>(num_features > 0, type, ": expected num_features > 0 but got ", num_features);
  require<ValueError>(eps_ > 0.0 && std::isfinite(eps_), type, ": expected eps > 0 but got ", eps_);
  if (!momentum_.is_cumulative()) {
    const double of_batch = *momentum_.weight();
    require<ValueError>(of_batch >= 0.0 && of_batch <= 1.0, type,
                        ": expected momentum, the weight of a new batch, in [0, 1] but got ", of_batch);
  }
  require<ValueError>(options.track_running_stats || single_value_ == SingleValue::error, type,
                      ": expected track_running_stats = true for SingleValue::use_running but got false");
  const TensorOptions of{.dtype = options.dtype};
  if (affine_.scale()) {
    weight = Parameter(ones({num_features}, of));
  }
  if (affine_.bias()) {
    bias = Parameter(zeros({num_features}, of));
  }
  if (options.track_running_stats) {
    running_mean = StateBuffer(zeros({num_features}, {.dtype = kFloat64}));
    running_var = StateBuffer(ones({num_features}, {.dtype = kFloat64}));
    num_batches_tracked = StateBuffer(zeros({}, {.dtype = kInt64}));
  }
}

std::string RunningStatsNorm::extra_repr() const {
  std::string momentum_text = "cumulative";
  if (!momentum_.is_cumulative()) {
    momentum_text = detail::concat(*momentum_.weight());
  }
  return detail::concat(num_features_, ", eps=", eps_, ", momentum=", momentum_text, ", affine=", to_string(affine_),
                        ", track_running_stats=", bool_text(tracks_running_stats()),
                        variance_ == Variance::biased ? ", variance=biased" : "",
                        single_value_ == SingleValue::use_running ? ", single_value=use_running" : "",
                        *frozen_ ? ", frozen" : "");
}

void RunningStatsNorm::freeze() {
  require<ValueError>(
      tracks_running_stats(), type_name(),
      ": freeze: expected a layer with running statistics but track_running_stats is false; make it with "
      "{.track_running_stats = true}");
  frozen_.set(true);
}

void RunningStatsNorm::set_statistics(Statistics statistics) {
  require<ValueError>(
      statistics != Statistics::running || tracks_running_stats(), type_name(),
      ": set_statistics: expected a layer with running statistics but track_running_stats is false; make it "
      "with {.track_running_stats = true}");
  statistics_.set(statistics);
}

void RunningStatsNorm::check_buffers() const {
  const auto check = [&](const char* name, const StateBuffer& buffer, const Shape& shape) {
    require<ShapeError>(buffer.defined() && buffer.shape() == shape, type_name(), ": expected ", name, " of shape ",
                        shape, " but got ", buffer.defined() ? detail::concat(buffer.shape()) : "an undefined one");
  };
  if (!running_mean.defined() && !running_var.defined()) {
    return;
  }
  check("running_mean", running_mean, Shape{num_features_});
  check("running_var", running_var, Shape{num_features_});
  check("num_batches_tracked", num_batches_tracked, Shape{});
  for (const StateBuffer* statistics : {&running_mean, &running_var}) {
    require<DTypeError>(is_floating_point(statistics->dtype()), type_name(),
                        ": expected running statistics of float32 or float64 but got ", statistics->dtype(),
                        "; convert them with to()");
  }
  require<DTypeError>(num_batches_tracked.dtype() == kInt64, type_name(),
                      ": expected num_batches_tracked of int64 but got ", num_batches_tracked.dtype(),
                      "; convert it with to(kInt64)");
}

void RunningStatsNorm::reset_running_stats() {
  check_buffers();
  if (tracks_running_stats()) {
    running_mean.fill_(0.0);
    running_var.fill_(1.0);
    num_batches_tracked.zero_();
  }
}

void RunningStatsNorm::reset_parameters() {
  const NoGradGuard no_grad;
  if (weight.defined()) {
    weight.fill_(1.0);
  }
  if (bias.defined()) {
    bias.fill_(0.0);
  }
  reset_running_stats();
}

void RunningStatsNorm::check_channels(const Tensor& x, std::int64_t axis) const {
  if (x.size(axis) != num_features_) {
    fail<ShapeError>(type_name(), ": expected ", expected_input(), " but got ", x.shape(), ", which has ", x.size(axis),
                     " channels; make it ", type_name(), "(", x.size(axis), ")");
  }
  for (const Tensor* own : {static_cast<const Tensor*>(&weight), static_cast<const Tensor*>(&bias)}) {
    require<DTypeError>(!own->defined() || own->dtype() == x.dtype(), type_name(), ": expected an input of dtype ",
                        own->defined() ? own->dtype() : kFloat32, " but got ", x.dtype(), "; convert it with to()");
  }
  check_buffers();
}

bool RunningStatsNorm::use_batch_statistics(std::int64_t count, const char* values, const Shape& shape) const {
  const bool batch =
      !tracks_running_stats() ||
      (!*frozen_ && (*statistics_ == Statistics::batch || (*statistics_ == Statistics::automatic && is_training())));
  if (!batch || count != 1) {
    return batch;
  }
  if (single_value_ == SingleValue::use_running) {
    return false;
  }
  fail<ShapeError>(
      type_name(), ": expected more than 1 ", values, " to take batch statistics of",
      is_training() ? " (training mode)" : (tracks_running_stats() ? "" : " (track_running_stats is false)"),
      " but got ", shape, "; use ", single_value_advice());
}

std::string RunningStatsNorm::single_value_advice() const {
  return "larger batches (leave out the last one: DataLoader {.drop_last = true}), eval() with running statistics, or "
         "{.single_value = SingleValue::use_running}";
}

std::string RunningStatsNorm::larger_batches_or_eval() {
  return "larger batches (leave out the last one: DataLoader {.drop_last = true}), or eval()";
}

bool RunningStatsNorm::is_identity() const {
  if (!tracks_running_stats()) {
    return false;
  }
  check_buffers();
  const std::vector<double> mean = running_mean.to_vector<double>();
  const std::vector<double> var = running_var.to_vector<double>();
  const auto all_are = [](const Tensor& parameter, double value) {
    const std::vector<double> values = parameter.defined() ? parameter.to_vector<double>() : std::vector<double>();
    return std::all_of(values.begin(), values.end(), [&](double v) { return v == value; });
  };
  const bool is_single = (weight.defined() ? weight.dtype() : running_var.dtype()) == kFloat32;
  const double rounding =
      is_single ? static_cast<double>(std::numeric_limits<float>::epsilon()) : std::numeric_limits<double>::epsilon();
  for (std::size_t c = 0; c < mean.size(); ++c) {
    if (mean[c] != 0.0 || !(std::fabs(var[c] + eps_ - 1.0) <= rounding)) {
      return false;
    }
  }
  return all_are(weight, 1.0) && all_are(bias, 0.0);
}

Tensor RunningStatsNorm::normalize_with_running(const Tensor& x, const Epilogue& epilogue) const {
  const bool learns = is_grad_enabled() && (weight.requires_grad() || bias.requires_grad());
  if (!learns && is_identity()) {
    return detail::apply_epilogue(epilogue, x);
  }
  return batch_norm(x, running_mean, running_var, weight, bias, eps_, epilogue);
}

Tensor RunningStatsNorm::normalize_and_update(const Tensor& x, const Epilogue& epilogue, const Batch& batch) {
  const bool by_batch = use_batch_statistics(batch.count, batch.values, x.shape());
  NormResult result;
  if (by_batch) {
    result = batch.normalize(x, epilogue);
  } else {
    result.y = normalize_with_running(x, epilogue);
  }
  if (update_is_due(batch.count)) {
    update_running_stats(by_batch ? result : batch.statistics(x), batch.counts_batches);
  }
  return result.y;
}

bool RunningStatsNorm::update_is_due(std::int64_t count, bool in_backward) const noexcept {
  return is_training() && tracks_running_stats() && *updates_ && !*frozen_ && count > 1 &&
         (in_backward ? freeze_guards == 0 : !FreezeStatisticsGuard::is_active());
}

bool RunningStatsNorm::accepts(std::initializer_list<Tensor> statistics) {
  if (std::all_of(statistics.begin(), statistics.end(),
                  [&](const Tensor& values) { return all_finite(values, running_var.dtype()); })) {
    return true;
  }
  if (++non_finite_batches_ == 1) {
    log(LogLevel::warn, type_name(), "(", num_features_,
        "): a batch with NaN or infinite values was left out of the running statistics; non_finite_batches() counts "
        "them");
  }
  return false;
}

double RunningStatsNorm::count_batch() {
  num_batches_tracked.mutable_data<std::int64_t>()[0] += 1;
  return num_batches_tracked.item();
}

void RunningStatsNorm::blend(Tensor& running, const Tensor& batch, double weight, double factor) {
  dispatch_float("running statistics", running.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* old = running.mutable_data<T>();
    const double* now = batch.data<double>();
    const std::int64_t n = running.numel();
    for (std::int64_t i = 0; i < n; ++i) {
      old[i] = static_cast<T>((1.0 - weight) * static_cast<double>(old[i]) + weight * factor * now[i]);
    }
  });
}

std::optional<double> RunningStatsNorm::update_running_stats(const NormResult& batch, bool count_batches,
                                                             const Tensor& counts) {
  if (!accepts({batch.mean, batch.var})) {
    return std::nullopt;
  }
  double weight_of_batch = momentum_.weight().value_or(0.0);
  if (count_batches) {
    const double batches = count_batch();
    if (momentum_.is_cumulative()) {
      weight_of_batch = 1.0 / batches;
    }
  }
  if (counts.defined()) {
    blend_counted(running_mean, batch.mean, counts, weight_of_batch, false);
    blend_counted(running_var, batch.var, counts, weight_of_batch, variance_ == Variance::unbiased);
    return weight_of_batch;
  }
  const double n = static_cast<double>(batch.count);
  blend(running_mean, batch.mean, weight_of_batch);
  if (averages_deviation_) {
    blend_deviations(running_var, batch.var, weight_of_batch, eps_);
  } else {
    blend(running_var, batch.var, weight_of_batch, variance_ == Variance::unbiased ? n / (n - 1.0) : 1.0);
  }
  return weight_of_batch;
}

}  // namespace normgrad
