// The charts of results.hpp.
#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <numbers>
#include <set>

#include "lab/compare_norms/metric.hpp"
#include "lab/compare_norms/models.hpp"
#include "lab/compare_norms/results.hpp"
#include "lab/compare_norms/summary.hpp"

namespace compare_norms {

namespace {

std::map<std::string, std::string> chart_keys(const Sweep& sweep, const Plan& plan) {
  std::map<std::string, std::string> keys = {{"model", plan.model}};
  for (const auto& [key, value] : varied(sweep, plan)) {
    keys[key] = value;
  }
  return keys;
}

/// The values of all runs at one step.
struct Bundle {
  std::vector<double> values;
  std::vector<double> seconds;
};

/// The median over the runs at every step, with the 95 % interval if there are several.
lab::Series series_of(const std::string& name, const std::map<std::int64_t, Bundle>& bundles) {
  lab::Series series{.name = name};
  bool several = false;
  for (const auto& [step, bundle] : bundles) {
    several = several || bundle.values.size() > 1;
  }
  for (const auto& [step, bundle] : bundles) {
    series.x.push_back(static_cast<double>(step));
    if (!bundle.seconds.empty()) {
      series.other_x.push_back(lab::median(bundle.seconds));
    }
    const lab::Estimate estimate = lab::median_with_interval(bundle.values, 500);
    series.y.push_back(estimate.value);
    if (several) {
      series.low.push_back(estimate.low);
      series.high.push_back(estimate.high);
    }
  }
  return series;
}

/// The steps with measurements, without those of diverged runs unless all diverged.
std::set<std::int64_t> steps_of(const Cell& cell) {
  std::set<std::int64_t> all;
  std::set<std::int64_t> regular;
  for (const Run& run : cell.runs) {
    for (const Measurement& m : run.measurements) {
      all.insert(m.step);
      if (!run.diverged) {
        regular.insert(m.step);
      }
    }
  }
  return regular.empty() ? all : regular;
}

/// Diverged runs keep their last measurement, so that they still count in the median.
lab::Series curve(const Cell& cell, const std::function<double(const Measurement&)>& value) {
  std::map<std::int64_t, Bundle> bundles;
  for (const std::int64_t step : steps_of(cell)) {
    for (const Run& run : cell.runs) {
      const auto after = std::upper_bound(run.measurements.begin(), run.measurements.end(), step,
                                          [](std::int64_t s, const Measurement& m) { return s < m.step; });
      if (after == run.measurements.begin()) {
        continue;
      }
      const Measurement& m = *std::prev(after);
      const bool is_here = m.step == step;
      const bool goes_on = run.diverged && after == run.measurements.end();
      if ((is_here || goes_on) && std::isfinite(value(m))) {
        bundles[step].values.push_back(value(m));
      }
      if (is_here) {
        bundles[step].seconds.push_back(m.seconds);
      }
    }
  }
  std::erase_if(bundles, [](const auto& at_step) { return at_step.second.values.empty(); });
  return series_of(cell.plan.norm, bundles);
}

bool any_diverged(const Setting& setting) {
  return std::any_of(setting.cells.begin(), setting.cells.end(), [](const Cell* cell) {
    return std::any_of(cell->runs.begin(), cell->runs.end(), [](const Run& run) { return run.diverged; });
  });
}

void add_if_any(lab::Chart& chart, lab::Series series) {
  if (!series.x.empty()) {
    chart.series.push_back(std::move(series));
  }
}

void add_if_any(std::vector<lab::Chart>& charts, lab::Chart chart) {
  if (!chart.series.empty()) {
    charts.push_back(std::move(chart));
  }
}

/// Final accuracy by one setting; all other settings are keys.
void add_axis(const Sweep& sweep, const std::string& key, const std::string& label,
              const std::function<double(const Plan&)>& value, std::vector<lab::Chart>& charts) {
  std::vector<lab::Chart> found;
  for (const Cell& cell : sweep.cells) {
    const Summary summary = summarize(sweep, cell);
    if (!summary.final_accuracy) {
      continue;
    }
    const Metric& metric = metric_of(cell.plan.model);
    std::map<std::string, std::string> keys = chart_keys(sweep, cell.plan);
    keys.erase(key);
    auto chart = std::find_if(found.begin(), found.end(), [&](const lab::Chart& c) { return c.keys == keys; });
    if (chart == found.end()) {
      const std::string others = varied_in_words(sweep, cell.plan, ", ", key);
      const std::string title = cell.plan.model + (others.empty() ? "" : ", " + others);
      chart = found.insert(found.end(), {.section = "Final " + metric.name + " against " + label,
                                         .title = title,
                                         .x_label = label,
                                         .y_label = metric.label,
                                         .log_x = true,
                                         .y_low = metric.low,
                                         .y_high = metric.high,
                                         .keys = keys});
    }
    auto series = std::find_if(chart->series.begin(), chart->series.end(),
                               [&](const lab::Series& s) { return s.name == cell.plan.norm; });
    if (series == chart->series.end()) {
      series = chart->series.insert(chart->series.end(), {.name = cell.plan.norm});
    }
    series->x.push_back(value(cell.plan));
    series->y.push_back(metric.factor * summary.final_accuracy->value);
    if (sweep.options.seeds > 1) {
      const auto [low, high] =
          std::minmax(metric.factor * summary.final_accuracy->low, metric.factor * summary.final_accuracy->high);
      series->low.push_back(low);
      series->high.push_back(high);
    }
  }
  charts.insert(charts.end(), found.begin(), found.end());
}

/// The median over the seeds of a probe quantity; empty if it was not measured.
lab::Series probe_series(const Cell& cell, const std::string& name,
                         const std::function<std::optional<double>(const Probe&)>& value) {
  std::map<std::int64_t, Bundle> bundles;
  for (const Run& run : cell.runs) {
    for (const Probe& probe : run.probes) {
      const std::optional<double> v = value(probe);
      if (v && std::isfinite(*v)) {
        bundles[probe.step].values.push_back(*v);
      }
    }
  }
  return series_of(name, bundles);
}

template <class T>
const T* find_layer(const std::vector<T>& list, const std::string& layer) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const T& entry) { return entry.layer == layer; });
  return found == list.end() ? nullptr : &*found;
}

template <class T>
std::vector<std::string> layers_of(const Setting& setting, std::vector<T> Probe::*list) {
  std::vector<std::string> layers;
  for (const Cell* cell : setting.cells) {
    for (const Run& run : cell->runs) {
      for (const T& entry : run.probes.empty() ? std::vector<T>() : run.probes.front().*list) {
        if (std::find(layers.begin(), layers.end(), entry.layer) == layers.end()) {
          layers.push_back(entry.layer);
        }
      }
    }
  }
  return layers;
}

void add_percentiles(const Sweep& sweep, const Setting& setting, std::vector<lab::Chart>& charts) {
  for (const std::string& layer : layers_of(setting, &Probe::percentiles)) {
    lab::Chart chart{.section = "Inputs of the activations",
                     .title = setting.name + ", " + layer,
                     .x_label = "step",
                     .y_label = "input: 15, 50 and 85 %",
                     .keys = chart_keys(sweep, setting.cells.front()->plan)};
    for (const Cell* cell : setting.cells) {
      const auto quantile_of = [&](double Percentiles::*member) {
        return probe_series(*cell, cell->plan.norm, [&](const Probe& probe) -> std::optional<double> {
          const Percentiles* p = find_layer(probe.percentiles, layer);
          return p != nullptr ? std::optional(p->*member) : std::nullopt;
        });
      };
      lab::Series series = quantile_of(&Percentiles::p50);
      series.low = quantile_of(&Percentiles::p15).y;
      series.high = quantile_of(&Percentiles::p85).y;
      if (series.low.size() == series.x.size() && series.high.size() == series.x.size()) {
        add_if_any(chart, series);
      }
    }
    add_if_any(charts, chart);
  }
}

void add_gradients(const Sweep& sweep, const Setting& setting, std::vector<lab::Chart>& charts) {
  for (const std::string& layer : layers_of(setting, &Probe::gradients)) {
    lab::Chart chart{.section = "Gradient norms",
                     .title = setting.name + ", " + layer,
                     .x_label = "step",
                     .y_label = "norm of the weight's gradient",
                     .log_y = true,
                     .keys = chart_keys(sweep, setting.cells.front()->plan)};
    for (const Cell* cell : setting.cells) {
      add_if_any(chart, probe_series(*cell, cell->plan.norm, [&](const Probe& probe) -> std::optional<double> {
                   const GradientNorm* g = find_layer(probe.gradients, layer);
                   return g != nullptr && g->norm > 0.0 ? std::optional(g->norm) : std::nullopt;
                 }));
    }
    add_if_any(charts, chart);
  }
}

void add_drifts(const Sweep& sweep, const Setting& setting, std::vector<lab::Chart>& charts) {
  for (const std::string& layer : layers_of(setting, &Probe::drifts)) {
    lab::Chart chart{.section = "Running against actual statistics",
                     .title = setting.name + ", " + layer,
                     .x_label = "step",
                     .y_label = "shift of the mean, standard deviations",
                     .y_low = 0.0,
                     .note = "Mean over the channels of |running mean - mean of the probe images| / their deviation.",
                     .keys = chart_keys(sweep, setting.cells.front()->plan)};
    for (const Cell* cell : setting.cells) {
      add_if_any(chart, probe_series(*cell, cell->plan.norm, [&](const Probe& probe) -> std::optional<double> {
                   const StatisticsDrift* d = find_layer(probe.drifts, layer);
                   return d != nullptr ? std::optional(d->mean_shift) : std::nullopt;
                 }));
    }
    add_if_any(charts, chart);
  }
}

void add_gap(const Sweep& sweep, const Setting& setting, std::vector<lab::Chart>& charts) {
  lab::Chart chart{.section = "Training mode against evaluation mode",
                   .title = setting.name,
                   .x_label = "step",
                   .y_label = "accuracy in training mode minus in eval mode, points",
                   .note = "On the same 500 training images; zero where a norm does the same in both modes.",
                   .keys = chart_keys(sweep, setting.cells.front()->plan)};
  for (const Cell* cell : setting.cells) {
    add_if_any(chart, probe_series(*cell, cell->plan.norm, [](const Probe& probe) -> std::optional<double> {
                 return 100.0 * (probe.train_mode_accuracy - probe.eval_mode_accuracy);
               }));
  }
  add_if_any(charts, chart);
}

}  // namespace

std::vector<lab::Chart> curve_charts(const Sweep& sweep) {
  std::vector<lab::Chart> charts;
  for (const Setting& setting : settings_of(sweep)) {
    const Plan& plan = setting.cells.front()->plan;
    const Metric& metric = metric_of(plan.model);
    lab::Chart accuracy{.section = "Curves",
                        .title = setting.name + " on " + data_of(sweep, plan.model) + ": " + to_string(plan) +
                                 (sweep.complete ? "" : " (interrupted)"),
                        .x_label = "step",
                        .y_label = metric.label,
                        .other_x_label = "seconds of training",
                        .y_low = metric.low,
                        .y_high = metric.high,
                        .keys = chart_keys(sweep, plan)};
    lab::Chart loss = accuracy;
    const bool is_text = reads_text(plan.model);
    loss.y_label = is_text                 ? "bits per character of the test text"
                   : plan.model == "dcgan" ? "loss of the discriminator"
                                           : "training loss";
    loss.y_low = 0.0;
    loss.y_high.reset();
    if (any_diverged(setting)) {
      accuracy.note = "Diverged runs keep the " + metric.name + " that they had at that point.";
      loss.note = "Diverged runs have no loss from that point on: the curve shows the others.";
    }
    for (const Cell* cell : setting.cells) {
      add_if_any(accuracy, curve(*cell, [&](const Measurement& m) { return metric.factor * m.test_accuracy; }));
      add_if_any(loss, curve(*cell, [&](const Measurement& m) {
                   return is_text ? m.test_loss / std::numbers::ln2 : m.train_loss;
                 }));
    }
    add_if_any(charts, accuracy);
    add_if_any(charts, loss);
  }
  return charts;
}

std::vector<lab::Chart> axis_charts(const Sweep& sweep) {
  std::vector<lab::Chart> charts;
  if (sweep.options.lrs.size() > 1) {
    add_axis(
        sweep, "lr", "learning rate", [](const Plan& plan) { return plan.lr; }, charts);
  }
  if (sweep.options.batch_sizes.size() > 1) {
    add_axis(
        sweep, "batch_size", "batch size", [](const Plan& plan) { return static_cast<double>(plan.batch_size); },
        charts);
  }
  return charts;
}

std::vector<lab::Chart> probe_charts(const Sweep& sweep) {
  std::vector<lab::Chart> charts;
  if (!sweep.options.probes) {
    return charts;
  }
  const std::vector<Setting> settings = settings_of(sweep);
  for (const auto add : {add_percentiles, add_gradients, add_drifts, add_gap}) {
    for (const Setting& setting : settings) {
      add(sweep, setting, charts);
    }
  }
  return charts;
}

}  // namespace compare_norms
