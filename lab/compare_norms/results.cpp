#include "lab/compare_norms/results.hpp"
#include "lab/compare_norms/metric.hpp"
#include "lab/compare_norms/text.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <sstream>
#include <nlohmann/json.hpp>

#include "lab/compare_norms/summary.hpp"
#include "lab/files.hpp"

namespace compare_norms {

using Json = nlohmann::ordered_json;

namespace {

std::string nine_digits(double value) {
  std::ostringstream out;
  out << std::setprecision(9) << value;
  return out.str();
}

Json json_number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json json_number(std::optional<double> value) { return value ? json_number(*value) : Json(nullptr); }
Json interval(const lab::Estimate& e) { return {json_number(e.low), json_number(e.high)}; }

/// "mlp,batch,0.1": model, norm and the varied settings.
std::string key_cells(const Sweep& sweep, const Plan& plan) {
  std::string text = plan.model + "," + plan.norm;
  for (const auto& [key, value] : varied(sweep, plan)) {
    text += "," + value;
  }
  return text;
}

/// Calls f(cell, run) for all runs, seed by seed.
template <class F>
void for_all_runs(const Sweep& sweep, const F& f) {
  for (std::int64_t k = 0; k < sweep.options.seeds; ++k) {
    for (const Cell& cell : sweep.cells) {
      for (const Run& run : cell.runs) {
        if (run.seed == sweep.options.first_seed + static_cast<std::uint64_t>(k)) {
          f(cell, run);
        }
      }
    }
  }
}

void add_probe(std::ostream& out, const std::string& start, const Probe& probe) {
  const auto add = [&](const std::string& layer, const std::string& quantity, double value) {
    out << start << ',' << probe.step << ',' << layer << ',' << quantity << ',' << nine_digits(value) << '\n';
  };
  for (const Percentiles& p : probe.percentiles) {
    add(p.layer, "p15", p.p15);
    add(p.layer, "p50", p.p50);
    add(p.layer, "p85", p.p85);
    add(p.layer, "unit_p15", p.unit15);
    add(p.layer, "unit_p50", p.unit50);
    add(p.layer, "unit_p85", p.unit85);
  }
  for (const GradientNorm& g : probe.gradients) {
    add(g.layer, "gradient_norm", g.norm);
  }
  for (const StatisticsDrift& d : probe.drifts) {
    add(d.layer, "mean_shift", d.mean_shift);
    add(d.layer, "std_ratio", d.std_ratio);
  }
  add("", "train_mode_accuracy", probe.train_mode_accuracy);
  add("", "eval_mode_accuracy", probe.eval_mode_accuracy);
}

Json run_json(const Sweep& sweep, const Run& run, bool has_targets) {
  Json steps = Json::object();
  Json seconds = Json::object();
  for (const int target : has_targets ? sweep.options.targets : std::vector<int>()) {
    steps[std::to_string(target)] = json_number(steps_to(run, target));
    seconds[std::to_string(target)] = json_number(seconds_to(run, target));
  }
  Json json = {{"seed", run.seed},   {"complete", run.complete}, {"diverged", run.diverged},
               {"steps", run.steps}, {"seconds", run.seconds},   {"peak_memory_bytes", run.peak_memory}};
  json["final_accuracy"] = run.measurements.empty() ? Json(nullptr) : Json(final_accuracy(run));
  double best = run.measurements.empty() ? 0.0 : run.measurements.front().test_accuracy;
  for (const Measurement& m : run.measurements) {
    best = std::max(best, m.test_accuracy);
  }
  json["best_accuracy"] = run.measurements.empty() ? Json(nullptr) : Json(best);
  json["steps_to"] = steps;
  json["seconds_to"] = seconds;
  return json;
}

Json plan_json(const Plan& plan) {
  return {{"steps", plan.steps},           {"batch_size", plan.batch_size},
          {"optimizer", plan.optimizer},   {"lr", plan.lr},
          {"momentum", plan.momentum},     {"warmup", plan.warmup},
          {"schedule", plan.schedule},     {"placement", plan.placement},
          {"activation", plan.activation}, {"eval_every", plan.eval_every}};
}

Json cell_json(const Sweep& sweep, const Cell& cell) {
  Json json = {{"model", cell.plan.model},
               {"norm", cell.plan.norm},
               {"metric", metric_of(cell.plan.model).name},
               {"setting", plan_json(cell.plan)}};
  if (!cell.not_applicable.empty()) {
    json["not_applicable"] = cell.not_applicable;
    return json;
  }
  const Summary summary = summarize(sweep, cell);
  json["final_accuracy"] = summary.final_accuracy ? json_number(summary.final_accuracy->value) : Json(nullptr);
  json["final_accuracy_interval"] = summary.final_accuracy ? interval(*summary.final_accuracy) : Json(nullptr);
  json["best_accuracy"] = json_number(summary.best_accuracy);
  const bool has_targets = metric_of(cell.plan.model).is_accuracy;
  for (std::size_t i = 0; has_targets && i < sweep.options.targets.size(); ++i) {
    const std::string target = std::to_string(sweep.options.targets[i]);
    json["steps_to"][target] = summary.steps_to[i] ? json_number(summary.steps_to[i]->value) : Json(nullptr);
    json["seconds_to"][target] = json_number(summary.seconds_to[i]);
  }
  json["mean_step_ms"] = summary.mean_step_ms;
  json["peak_memory_bytes"] = summary.peak_memory;
  json["diverged"] = summary.diverged;
  if (const auto& d = summary.against_none) {
    json["against_none"] = {{"points", d->points.value},
                            {"interval", interval(d->points)},
                            {"seeds", d->seeds},
                            {"noise_of_test_images", d->image_noise},
                            {"beyond_noise", d->beyond_noise},
                            {"verdict", summary.verdict}};
  }
  json["runs"] = Json::array();
  for (const Run& run : cell.runs) {
    json["runs"].push_back(run_json(sweep, run, has_targets));
  }
  return json;
}

Json settings_json(const Sweep& sweep) {
  Json models = Json::object();  // of the first setting of each model
  for (const Cell& cell : sweep.cells) {
    if (!models.contains(cell.plan.model)) {
      models[cell.plan.model] = plan_json(cell.plan);
    }
  }
  return {{"command", sweep.options.command},
          {"data", sweep.data},
          {"image_shape", sweep.image_shape},
          {"classes", sweep.num_classes},
          {"train_images", sweep.train_images},
          {"test_images", sweep.test_images},
          {"norms", sweep.options.norms},
          {"first_seed", sweep.options.first_seed},
          {"seeds", sweep.options.seeds},
          {"jobs", sweep.jobs},
          {"threads", sweep.threads},
          {"simd", sweep.simd},
          {"models", models}};
}

}  // namespace

std::int64_t write_results(const Sweep& sweep, const std::filesystem::path& folder) {
  std::int64_t rows = 0;
  std::string header = "model,norm,";
  for (const auto& [key, value] : varied(sweep, sweep.cells.front().plan)) {
    header += key + ",";
  }
  std::ostringstream results;
  std::ostringstream probes;
  results << header << "seed,step,epoch,train_loss,test_loss,test_accuracy,seconds\n";
  probes << header << "seed,step,layer,quantity,value\n";
  for_all_runs(sweep, [&](const Cell& cell, const Run& run) {
    const std::string start = key_cells(sweep, cell.plan) + "," + std::to_string(run.seed);
    for (const Measurement& row : run.measurements) {
      results << start << ',' << row.step << ',' << fixed(row.epoch, 4) << ',' << nine_digits(row.train_loss) << ','
              << nine_digits(row.test_loss) << ',' << nine_digits(row.test_accuracy) << ',' << fixed(row.seconds, 3)
              << '\n';
      ++rows;
    }
    for (const Probe& probe : run.probes) {
      add_probe(probes, start, probe);
    }
  });
  if (rows > 0) {
    lab::write_whole(folder / "results.csv", results.str());
    if (sweep.options.probes) {
      lab::write_whole(folder / "probes.csv", probes.str());
    }
  }
  return rows;
}

void write_summary_json(const Sweep& sweep, const std::filesystem::path& folder) {
  Json json = {{"complete", sweep.complete}, {"settings", settings_json(sweep)}, {"results", Json::array()}};
  for (const Cell& cell : sweep.cells) {
    if (!cell.runs.empty() || !cell.not_applicable.empty()) {
      json["results"].push_back(cell_json(sweep, cell));
    }
  }
  const std::vector<HighestRate> rates = highest_rates(sweep);
  if (!rates.empty()) {
    json["highest_learning_rates"] = Json::array();
    for (const HighestRate& rate : rates) {
      json["highest_learning_rates"].push_back({{"model", rate.model},
                                                {"norm", rate.norm},
                                                {"others", rate.others},
                                                {"lr", json_number(rate.lr)},
                                                {"highest_tried", rate.is_last}});
    }
  }
  lab::write_whole(folder / "summary.json", json.dump(2) + "\n");
}

}  // namespace compare_norms
