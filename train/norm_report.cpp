#include "normgrad/train/norm_report.hpp"

#include <algorithm>
#include <cmath>

#include "normgrad/core/autograd/anomaly_check.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/train/channel_moments.hpp"
#include "normgrad/train/detail/model_mode.hpp"

namespace normgrad {

namespace detail {

namespace {

struct Watched {
  const NormLayer* norm = nullptr;
  ChannelMoments moments;
  NormFinding finding;
  DType dtype = kFloat32;  // of the latest input
};

void observe(Watched& watched, const Tensor& x) {
  watched.finding.reached = true;
  if (!is_floating_point(x.dtype()) || x.numel() == 0) {
    return;
  }
  const Tensor batch = watched.norm->by_channel(x);
  if (!batch.defined()) {
    return;
  }
  watched.dtype = x.dtype();
  const NormResult statistics = batch_statistics(batch);
  if (!is_all_finite(statistics.mean.to(x.dtype())) || !is_all_finite(statistics.var.to(x.dtype()))) {
    ++watched.finding.non_finite_batches;
    return;
  }
  ++watched.finding.batches;
  watched.moments.merge(statistics.mean, statistics.var, statistics.count);
}

// Compares the running statistics with those of the data.
void measure_drift(NormFinding& f, const RunningStatsNorm& norm, const NormReportOptions& options) {
  const std::vector<double> running_mean = norm.running_mean.to_vector<double>();
  const std::vector<double> running_var = norm.running_var.to_vector<double>();
  double worst = 0.0;
  for (std::size_t c = 0; c < f.mean.size(); ++c) {
    const double var = f.var[c] + norm.eps();
    const double drift = std::fabs(running_mean[c] - f.mean[c]) / std::sqrt(var);
    const double ratio = (running_var[c] + norm.eps()) / var;
    f.mean_drift = std::max(f.mean_drift, drift);
    f.least_var_ratio = c == 0 ? ratio : std::min(f.least_var_ratio, ratio);
    f.largest_var_ratio = c == 0 ? ratio : std::max(f.largest_var_ratio, ratio);
    const double badness =
        std::max(drift / options.max_mean_drift, std::fabs(std::log(ratio)) / std::log(options.max_var_ratio));
    if (badness > worst) {
      worst = badness;
      f.worst_channel = static_cast<std::int64_t>(c);
    }
  }
}

void look_at_channels(NormFinding& f, const NormLayer& norm, DType dtype, const NormReportOptions& options) {
  for (std::size_t c = 0; c < f.var.size(); ++c) {
    if (f.var[c] <= options.constant_var * norm.eps_for(dtype)) {
      f.constant_channels.push_back(static_cast<std::int64_t>(c));
    }
  }
  for (const auto& [name, parameter] : norm.named_parameters()) {
    if (name != "weight") {
      continue;
    }
    const std::vector<double> weight = parameter.to_vector<double>();
    for (std::size_t c = 0; c < weight.size(); ++c) {
      if (std::fabs(weight[c]) <= options.dead_weight) {
        f.dead_channels.push_back(static_cast<std::int64_t>(c));
      }
    }
  }
}

std::string list(const std::vector<std::int64_t>& channels) {
  constexpr std::size_t kShown = 8;
  std::string text = channels.size() == 1 ? "channel " : "channels ";
  for (std::size_t i = 0; i < std::min(kShown, channels.size()); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(channels[i]);
  }
  return channels.size() > kShown ? text + " and " + std::to_string(channels.size() - kShown) + " more" : text;
}

void advise(NormFinding& f, const Module& norm, const NormReportOptions& options) {
  const auto* running = dynamic_cast<const RunningStatsNorm*>(&norm);
  if (!f.reached) {
    f.advice.emplace_back("the forward does not call it: remove it, or call it");
    return;
  }
  if (f.non_finite_batches > 0 || f.non_finite_in_training > 0) {
    f.advice.push_back(concat("NaN or infinite values came in, in ", f.non_finite_batches, " of these batches and ",
                              f.non_finite_in_training,
                              " in training: lower the learning rate, clip gradients, or look for them with an "
                              "DetectAnomalyGuard"));
  }
  if (f.has_running_stats && running->num_batches_tracked.item() == 0.0 &&
      dynamic_cast<const InstanceNorm*>(&norm) == nullptr) {
    f.advice.emplace_back("the running statistics are those of the start: train, or call recalibrate()");
  } else if (f.has_running_stats &&
             (f.mean_drift > options.max_mean_drift || f.largest_var_ratio > options.max_var_ratio ||
              f.least_var_ratio < 1.0 / options.max_var_ratio)) {
    f.advice.push_back(concat("the running statistics are not those of this data, least in channel ", f.worst_channel,
                              ": call recalibrate() with training data, or train with a larger momentum or larger "
                              "batches"));
  }
  if (!f.constant_channels.empty()) {
    f.advice.push_back(concat(list(f.constant_channels),
                              " of the input do not vary: the units before are dead or saturated; look at their "
                              "initialization, activation and learning rate"));
  }
  if (!f.dead_channels.empty()) {
    f.advice.push_back(concat(list(f.dead_channels),
                              " have weight 0, so that only the bias comes out: leave norms out of the weight decay "
                              "(norm_aware_groups()), or prune them"));
  }
}

}  // namespace

struct NormObservation::State {
  State(Module& model, const NormReportOptions& how) : options(how), modes(model) {}
  NormReportOptions options;
  NoGradGuard no_grad;
  ModelModeGuard modes;
  std::vector<std::unique_ptr<Watched>> norms;
  std::vector<ScopedHook> hooks;
  std::int64_t batches = 0;
};

NormObservation::NormObservation(Module& model, NormReportOptions options)
    : state_(std::make_unique<State>(model, options)) {
  for (const auto& [name, module] : model.named_modules()) {
    const auto* norm = dynamic_cast<const NormLayer*>(module);
    if (norm == nullptr) {
      continue;
    }
    state_->norms.push_back(std::make_unique<Watched>());
    Watched* watched = state_->norms.back().get();
    watched->norm = norm;
    watched->finding.name = name;
    watched->finding.type = module->type_name();
    state_->hooks.emplace_back(module->register_forward_pre_hook([watched](Module&, const Tensor& x) {
      observe(*watched, x);
      return Tensor();
    }));
  }
  require<ValueError>(!state_->norms.empty(), "norm_report: expected norms in ", model.type_name(), " but got none");
  model.eval();
}

NormObservation::~NormObservation() = default;

void NormObservation::count_batch() noexcept { ++state_->batches; }

NormReport NormObservation::finish() {
  require<ValueError>(state_->batches > 0, "norm_report: expected batches but got none");
  NormReport report;
  for (const auto& watched : state_->norms) {
    NormFinding f = watched->finding;
    f.mean = watched->moments.mean();
    f.var = watched->moments.biased_var();
    f.channels = static_cast<std::int64_t>(f.mean.size());
    f.values = watched->moments.count();
    if (const auto* running = dynamic_cast<const RunningStatsNorm*>(watched->norm)) {
      f.channels = running->num_features();
      f.has_running_stats = running->tracks_running_stats() && running->has_input_moments();
      f.non_finite_in_training = running->non_finite_batches();
      if (f.has_running_stats && f.batches > 0) {
        measure_drift(f, *running, state_->options);
      }
    }
    look_at_channels(f, *watched->norm, watched->dtype, state_->options);
    advise(f, *watched->norm, state_->options);
    report.norms.push_back(std::move(f));
  }
  return report;
}

}  // namespace detail

bool NormReport::all_well() const noexcept {
  return std::all_of(norms.begin(), norms.end(), [](const NormFinding& f) { return f.advice.empty(); });
}

}  // namespace normgrad
