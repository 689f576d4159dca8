#include "lab/compare_norms/probes.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "lab/compare_norms/training.hpp"
#include "lab/statistics.hpp"

namespace compare_norms {

using namespace normgrad;

namespace {

constexpr std::int64_t kProbeImages = 500;
constexpr std::int64_t kProbeWindows = 8;
constexpr std::int64_t kMaxValues = 50'000;  // sufficient for a quantile

std::vector<double> some_values(const Tensor& x) {
  const std::vector<float> all = x.to(kFloat32).to_vector<float>();
  // An odd stride, so that it does not always select the same unit.
  const std::size_t stride = all.size() / static_cast<std::size_t>(kMaxValues) * 2 + 1;
  std::vector<double> values;
  for (std::size_t i = 0; i < all.size(); i += stride) {
    values.push_back(all[i]);
  }
  return values;
}

Percentiles percentiles_of(const std::string& layer, const Tensor& x) {
  const std::vector<double> all = some_values(x);
  const std::vector<double> unit = some_values(x.select(1, 0));
  return {.layer = layer,
          .p15 = lab::quantile(all, 0.15),
          .p50 = lab::quantile(all, 0.50),
          .p85 = lab::quantile(all, 0.85),
          .unit15 = lab::quantile(unit, 0.15),
          .unit50 = lab::quantile(unit, 0.50),
          .unit85 = lab::quantile(unit, 0.85)};
}

StatisticsDrift drift_of(const std::string& layer, const RunningStatsNorm& norm, const Tensor& x) {
  std::vector<std::int64_t> axes;
  for (std::int64_t axis = 0; axis < x.dim(); ++axis) {
    if (axis != 1) {
      axes.push_back(axis);
    }
  }
  const std::vector<float> mean = x.mean(axes).to_vector<float>();
  const std::vector<float> var = x.var(axes, false).to_vector<float>();
  const std::vector<double> running_mean = norm.running_mean.to_vector<double>();
  const std::vector<double> running_var = norm.running_var.to_vector<double>();
  StatisticsDrift drift{.layer = layer};
  std::vector<double> ratios;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double deviation = std::sqrt(static_cast<double>(var[c]) + norm.eps());
    drift.mean_shift += std::abs(running_mean[c] - static_cast<double>(mean[c])) / deviation;
    ratios.push_back(std::sqrt(running_var[c] + norm.eps()) / deviation);
  }
  drift.mean_shift /= static_cast<double>(mean.size());
  drift.std_ratio = lab::median(ratios);
  return drift;
}

std::string last_name(const std::string& path) { return path.substr(path.rfind('.') + 1); }

}  // namespace

Prober::Prober(bool on, const Dataset& examples) {
  if (on) {
    taps_ = std::make_shared<TapLog>();
    const bool is_text = holds_text(examples);
    std::vector<std::int64_t> first(
        static_cast<std::size_t>(std::min(is_text ? kProbeWindows : kProbeImages, examples.size())));
    std::iota(first.begin(), first.end(), 0);
    batch_ = examples.batch(first);
    batch_.labels = batch_.labels.flatten();
  }
}

Probe Prober::measure(Sequential& model, std::int64_t step) {
  Probe probe;
  probe.step = step;
  for (const auto& [name, parameter] : model.named_parameters()) {
    const bool weight = name.ends_with(".weight") && parameter.dim() >= 2;
    if (weight && parameter.grad().defined()) {
      probe.gradients.push_back(
          {name.substr(0, name.size() - 7), std::sqrt(square(parameter.grad().to(kFloat64)).sum().item())});
    }
  }
  const NoGradGuard no_grad;
  const FreezeStatisticsGuard frozen;
  const auto accuracy_now = [&] { return accuracy(model(batch_.inputs), batch_.labels); };
  probe.train_mode_accuracy = accuracy_now();
  model.eval();
  taps_->armed = true;
  probe.eval_mode_accuracy = accuracy_now();
  taps_->armed = false;
  model.train();
  std::map<std::string, Tensor> inputs;
  for (const TapLog::Entry& entry : taps_->entries) {
    inputs[entry.name] = entry.value;
    if (entry.name.starts_with("act")) {
      probe.percentiles.push_back(percentiles_of(entry.name, entry.value));
    }
  }
  for (const auto& [name, module] : model.named_modules()) {
    const auto* norm = dynamic_cast<const RunningStatsNorm*>(module);
    const auto input = inputs.find(last_name(name));
    if (norm != nullptr && norm->tracks_running_stats() && input != inputs.end()) {
      probe.drifts.push_back(drift_of(name, *norm, input->second));
    }
  }
  taps_->entries.clear();
  return probe;
}

}  // namespace compare_norms
