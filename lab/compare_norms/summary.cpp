#include "lab/compare_norms/summary.hpp"
#include "lab/compare_norms/metric.hpp"
#include "lab/compare_norms/models.hpp"
#include "lab/compare_norms/text.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <map>
#include <sstream>

namespace compare_norms {

namespace {

constexpr std::int64_t kManySeeds = 6;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class Value>
double first_reaching(const Run& run, int percent, Value Measurement::*value) {
  for (const Measurement& measurement : run.measurements) {
    if (100.0 * measurement.test_accuracy >= percent) {
      return static_cast<double>(measurement.*value);
    }
  }
  return kInfinity;
}

double best_accuracy(const Run& run) {
  double best = -kInfinity;
  for (const Measurement& measurement : run.measurements) {
    best = std::max(best, measurement.test_accuracy);
  }
  return best;
}

/// As points() of a difference in shown units.
std::string points(const PairedDifference& difference, double value) {
  const Metric& metric = metric_of(difference.model);
  return shown_difference(metric, value / metric.factor);
}

std::string seeds(std::int64_t count) { return std::to_string(count) + (count == 1 ? " seed" : " seeds"); }

bool same_but_norm(const Plan& a, const Plan& b) {
  return a.model == b.model && a.placement == b.placement && a.optimizer == b.optimizer &&
         a.activation == b.activation && a.batch_size == b.batch_size && a.lr == b.lr;
}

/// "gets to 80 % in 500 steps instead of 4250", for the highest target that the norm reaches.
std::string speed_in_words(const Sweep& sweep, const Summary& summary, const Summary& none) {
  for (std::size_t i = summary.steps_to.size(); i-- > 0;) {
    const auto& mine = summary.steps_to[i];
    const auto& other = none.steps_to[i];
    const std::string target = std::to_string(targets_of(sweep)[i]) + " %";
    if (mine && other) {
      const double ratio = other->value / mine->value;
      if (ratio < 1.15 && ratio > 1 / 1.15) {
        return "gets to " + target + " in about as many steps";
      }
      return "gets to " + target + " in " + fixed(mine->value, 0) + " steps instead of " + fixed(other->value, 0);
    }
    if (mine) {
      return "gets to " + target + " in " + fixed(mine->value, 0) + " steps, none never does";
    }
  }
  return {};
}

}  // namespace

double final_accuracy(const Run& run) { return run.measurements.empty() ? 0.0 : run.measurements.back().test_accuracy; }
double steps_to(const Run& run, int percent) { return first_reaching(run, percent, &Measurement::step); }
double seconds_to(const Run& run, int percent) { return first_reaching(run, percent, &Measurement::seconds); }

std::optional<PairedDifference> compare_cells(const Cell& first, const Cell& second, std::int64_t test_images) {
  std::vector<double> differences;
  std::vector<double> accuracies;
  std::vector<double> deviations;
  const Metric& metric = metric_of(first.plan.model);
  const double scale = std::abs(metric.factor);
  PairedDifference result;
  result.model = first.plan.model;
  for (const Run& run : first.runs) {
    const auto other =
        std::find_if(second.runs.begin(), second.runs.end(), [&](const Run& r) { return r.seed == run.seed; });
    const bool comparable = other != second.runs.end() && (run.complete || run.diverged) &&
                            (other->complete || other->diverged) && !run.measurements.empty();
    if (comparable) {
      differences.push_back(scale * (final_accuracy(run) - final_accuracy(*other)));
      accuracies.push_back(final_accuracy(run));
      accuracies.push_back(final_accuracy(*other));
      deviations.push_back(run.measurements.back().test_deviation);
      deviations.push_back(other->measurements.back().test_deviation);
      result.positive += differences.back() > 0.0 ? 1 : 0;
    }
  }
  if (differences.empty()) {
    return std::nullopt;
  }
  result.points = lab::median_with_interval(differences);
  result.seeds = static_cast<std::int64_t>(differences.size());
  const double one = scale * (metric.is_accuracy ? lab::binomial_deviation(lab::median(accuracies), test_images)
                                                 : lab::median(deviations));
  result.image_noise = 1.96 * std::sqrt(2.0) * one;
  const bool excludes_zero = result.points.low > 0.0 || result.points.high < 0.0;
  result.beyond_noise =
      excludes_zero && (result.seeds >= kManySeeds || std::abs(result.points.value) > result.image_noise);
  return result;
}

std::string in_words(const PairedDifference& d, const std::string& other) {
  const std::string size = points(d, d.points.value);
  const int digits = metric_of(d.model).digits;
  const std::string direction = d.points.value >= 0.0 ? " better than " : " worse than ";
  const std::string measured = d.points.value == 0.0 ? size : size + direction + "it";
  if (d.seeds == 1) {
    const std::string noise = "the choice of test examples alone explains " + points(d, d.image_noise);
    return d.beyond_noise ? size + direction + other + " with one seed (" + noise + ")"
                          : "no difference from " + other + " beyond noise: " + measured + ", and " + noise;
  }
  const std::string interval =
      "95 % interval " + fixed(d.points.low, digits) + " to " + fixed(d.points.high, digits) + ", " + seeds(d.seeds);
  if (!d.beyond_noise) {
    return "no difference from " + other + " beyond noise: " + measured + " (" + interval + ")";
  }
  std::string text = size + direction + other + " (" + interval + ")";
  if (d.seeds < kManySeeds) {
    text += "; so few seeds agree by chance one time in " + std::to_string(1 << (d.seeds - 1));
  }
  return text;
}

Summary summarize(const Sweep& sweep, const Cell& cell) {
  Summary summary;
  std::vector<double> final;
  std::vector<double> best;
  double seconds = 0.0;
  double count = 0.0;
  for (const Run& run : cell.runs) {
    if (!run.measurements.empty()) {
      final.push_back(final_accuracy(run));
      best.push_back(best_accuracy(run));
    }
    seconds += run.seconds;
    count += static_cast<double>(run.steps);
    summary.peak_memory = std::max(summary.peak_memory, run.peak_memory);
    summary.diverged += run.diverged ? 1 : 0;
  }
  summary.runs = static_cast<std::int64_t>(final.size());
  summary.mean_step_ms = count > 0.0 ? 1000.0 * seconds / count : 0.0;
  if (!final.empty()) {
    summary.final_accuracy = lab::median_with_interval(final);
    summary.best_accuracy = lab::median(best);
  }
  const bool has_targets = metric_of(cell.plan.model).is_accuracy;
  for (const int target : targets_of(sweep)) {
    if (!has_targets) {
      summary.steps_to.emplace_back();
      summary.seconds_to.emplace_back();
      continue;
    }
    std::vector<double> steps;
    std::vector<double> time;
    for (const Run& run : cell.runs) {
      if (!run.measurements.empty()) {
        steps.push_back(steps_to(run, target));
        time.push_back(seconds_to(run, target));
      }
    }
    const bool reached = !steps.empty() && std::isfinite(lab::median(steps));
    summary.steps_to.push_back(reached ? std::optional(lab::median_with_interval(steps)) : std::nullopt);
    summary.seconds_to.push_back(reached ? std::optional(lab::median(time)) : std::nullopt);
  }
  if (cell.plan.norm != "none") {
    const auto none = std::find_if(sweep.cells.begin(), sweep.cells.end(), [&](const Cell& other) {
      return other.plan.norm == "none" && same_but_norm(cell.plan, other.plan);
    });
    if (none != sweep.cells.end()) {
      summary.against_none = compare_cells(cell, *none, num_test_labels(sweep, cell.plan.model));
      if (summary.against_none) {
        const std::string speed = speed_in_words(sweep, summary, summarize(sweep, *none));
        summary.verdict = in_words(*summary.against_none, "none") + (speed.empty() ? "" : "; " + speed);
      }
    }
  }
  return summary;
}

std::vector<int> targets_of(const Sweep& sweep) {
  const bool some = std::any_of(sweep.cells.begin(), sweep.cells.end(),
                                [](const Cell& cell) { return metric_of(cell.plan.model).is_accuracy; });
  return some ? sweep.options.targets : std::vector<int>();
}

std::vector<Setting> settings_of(const Sweep& sweep) {
  std::vector<Setting> settings;
  for (const Cell& cell : sweep.cells) {
    if (settings.empty() || !same_but_norm(settings.back().cells.front()->plan, cell.plan)) {
      const std::string others = varied_in_words(sweep, cell.plan);
      settings.push_back({.name = cell.plan.model + (others.empty() ? "" : ", " + others), .cells = {}});
    }
    settings.back().cells.push_back(&cell);
  }
  return settings;
}

std::vector<std::string> conclusions(const Sweep& sweep, const Setting& setting) {
  const Cell* best = nullptr;
  for (const Cell* cell : setting.cells) {
    const std::optional<lab::Estimate> accuracy = summarize(sweep, *cell).final_accuracy;
    if (accuracy && (best == nullptr || accuracy->value > summarize(sweep, *best).final_accuracy->value)) {
      best = cell;
    }
  }
  if (best == nullptr) {
    return {};
  }
  std::string equals;
  bool has_others = false;
  for (const Cell* cell : setting.cells) {
    const std::optional<PairedDifference> d =
        cell == best ? std::nullopt : compare_cells(*best, *cell, num_test_labels(sweep, cell->plan.model));
    has_others = has_others || d;
    if (d && !d->beyond_noise) {
      equals += (equals.empty() ? "" : ", ") + cell->plan.norm;
    }
  }
  const Summary summary = summarize(sweep, *best);
  const Metric& metric = metric_of(best->plan.model);
  if (!has_others) {
    return {best->plan.norm + ": " + shown(metric, summary.final_accuracy->value) + ", with " + seeds(summary.runs) +
            "; there is no other norm to compare it with"};
  }
  std::vector<std::string> lines = {
      best->plan.norm + " is " + metric.best + ", " + shown(metric, summary.final_accuracy->value) + ", with " +
      seeds(summary.runs) +
      (equals.empty() ? "; every other one is " + metric.others +
                            (summary.runs == 1 ? " by more than the test images explain, but seeds may differ, too"
                                               : " by more than noise")
                      : "; indistinguishable from it: " + equals)};
  for (const Cell* cell : setting.cells) {
    const std::string verdict = summarize(sweep, *cell).verdict;
    if (!verdict.empty()) {
      lines.push_back(cell->plan.norm + ": " + verdict);
    }
  }
  return lines;
}

std::vector<HighestRate> highest_rates(const Sweep& sweep) {
  if (sweep.options.lrs.size() < 2) {
    return {};
  }
  std::map<std::string, double> best;
  std::map<std::string, double> chance;
  for (const Cell& cell : sweep.cells) {
    const std::string& model = cell.plan.model;
    const Summary summary = summarize(sweep, cell);
    if (summary.final_accuracy) {
      const double value = summary.final_accuracy->value;
      const double classes = static_cast<double>(std::max<std::int64_t>(1, num_classes_of(sweep, model)));
      best[model] = best.contains(model) ? std::max(best[model], value) : value;
      chance[model] = metric_of(model).is_accuracy ? 1.0 / classes
                      : chance.contains(model)     ? std::min(chance[model], value)
                                                   : value;
    }
  }
  std::vector<HighestRate> rates;
  for (const Cell& cell : sweep.cells) {
    const Summary summary = summarize(sweep, cell);
    if (!summary.final_accuracy) {
      continue;
    }
    const std::string others = varied_in_words(sweep, cell.plan, ", ", "lr");
    auto rate = std::find_if(rates.begin(), rates.end(), [&](const HighestRate& r) {
      return r.model == cell.plan.model && r.norm == cell.plan.norm && r.others == others;
    });
    if (rate == rates.end()) {
      rate = rates.insert(rates.end(), {.model = cell.plan.model, .norm = cell.plan.norm, .others = others});
    }
    const bool trains = summary.diverged == 0 &&
                        summary.final_accuracy->value > 0.5 * (chance[cell.plan.model] + best[cell.plan.model]);
    if (trains && (!rate->lr || cell.plan.lr > *rate->lr)) {
      rate->lr = cell.plan.lr;
      rate->is_last = cell.plan.lr == sweep.options.lrs.back();
    }
  }
  return rates;
}

}  // namespace compare_norms
