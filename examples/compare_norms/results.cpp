#include "examples/compare_norms/results.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <iomanip>
#include <limits>
#include <sstream>
#include <nlohmann/json.hpp>

namespace compare_norms {

using normgrad::IoError;
using normgrad::require;
using Json = nlohmann::ordered_json;

namespace {

std::string fixed(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

std::string nine_digits(double value) {
  std::ostringstream out;
  out << std::setprecision(9) << value;
  return out.str();
}

std::optional<double> median(std::vector<double> values) {
  if (values.empty()) {
    return std::nullopt;
  }
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  const double middle = values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
  return std::isfinite(middle) ? std::optional(middle) : std::nullopt;
}

double steps_to(const Run& run, int percent) {
  for (const Measurement& measurement : run.measurements) {
    if (100.0 * measurement.test_accuracy >= percent) {
      return static_cast<double>(measurement.step);
    }
  }
  return std::numeric_limits<double>::infinity();
}

double best_accuracy(const Run& run) {
  double best = 0.0;
  for (const Measurement& measurement : run.measurements) {
    best = std::max(best, measurement.test_accuracy);
  }
  return best;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json number(std::optional<double> value) { return value ? number(*value) : Json(nullptr); }

Json run_json(const Run& run) {
  Json steps = Json::object();
  for (const int target : kTargets) {
    steps[std::to_string(target)] = number(steps_to(run, target));
  }
  Json json = {{"seed", run.seed},   {"complete", run.complete}, {"diverged", run.diverged},
               {"steps", run.steps}, {"seconds", run.seconds},   {"peak_memory_bytes", run.peak_memory}};
  json["final_accuracy"] = run.measurements.empty() ? Json(nullptr) : Json(run.measurements.back().test_accuracy);
  json["best_accuracy"] = run.measurements.empty() ? Json(nullptr) : Json(best_accuracy(run));
  json["steps_to"] = steps;
  return json;
}

Json comparison_json(const Comparison& comparison) {
  Json json = {{"model", comparison.model}, {"norm", comparison.norm}};
  if (!comparison.not_applicable.empty()) {
    json["not_applicable"] = comparison.not_applicable;
    return json;
  }
  const Summary summary = summarize(comparison);
  json["final_accuracy"] = number(summary.final_accuracy);
  json["best_accuracy"] = number(summary.best_accuracy);
  for (std::size_t i = 0; i < kTargets.size(); ++i) {
    json["steps_to"][std::to_string(kTargets[i])] = number(summary.steps_to[i]);
  }
  json["mean_step_ms"] = summary.mean_step_ms;
  json["peak_memory_bytes"] = summary.peak_memory;
  json["runs"] = Json::array();
  for (const Run& run : comparison.runs) {
    json["runs"].push_back(run_json(run));
  }
  return json;
}

Json settings_json(const Report& report) {
  Json models = Json::object();
  for (const Plan& plan : report.plans) {
    models[plan.model] = {{"steps", plan.steps}, {"batch_size", plan.batch_size}, {"optimizer", plan.optimizer},
                          {"lr", plan.lr},       {"momentum", plan.momentum},     {"eval_every", plan.eval_every}};
  }
  return {{"data", report.data},
          {"train_images", report.train_images},
          {"test_images", report.test_images},
          {"norms", report.options.norms},
          {"first_seed", report.options.first_seed},
          {"seeds", report.options.seeds},
          {"threads", report.threads},
          {"models", models}};
}

std::string cell(const std::optional<double>& value, int digits) { return value ? fixed(*value, digits) : "-"; }

void print_row(const Comparison& comparison, std::ostream& out) {
  out << std::left << std::setw(12) << comparison.norm << std::right;
  if (!comparison.not_applicable.empty()) {
    out << "  not applicable: " << comparison.not_applicable << '\n';
    return;
  }
  if (comparison.runs.empty()) {
    out << "  not run\n";
    return;
  }
  const Summary summary = summarize(comparison);
  out << std::setw(8) << cell(summary.final_accuracy, 4) << std::setw(8) << cell(summary.best_accuracy, 4);
  for (const std::optional<double>& steps : summary.steps_to) {
    out << std::setw(8) << cell(steps, 0);
  }
  out << std::setw(10) << fixed(summary.mean_step_ms, 3) << std::setw(10)
      << fixed(static_cast<double>(summary.peak_memory) / (1 << 20), 1);
  if (summary.diverged > 0) {
    out << "  diverged with " << summary.diverged << " of " << comparison.runs.size() << " seeds";
  }
  out << '\n';
}

}  // namespace

PartialFile::PartialFile(std::filesystem::path path)
    : path_(std::move(path)), partial_(path_.string() + ".partial"), file_(std::fopen(partial_.c_str(), "wb")) {
  require<IoError>(file_ != nullptr, "'", partial_.string(), "' cannot be written: ", std::strerror(errno));
}

PartialFile::~PartialFile() {
  if (file_) {
    file_.reset();
    std::error_code ignored;
    std::filesystem::remove(partial_, ignored);
  }
}

void PartialFile::write(const std::string& text) {
  const bool ok = std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size() && std::fflush(file_.get()) == 0;
  require<IoError>(ok, "'", partial_.string(), "' cannot be written: ", std::strerror(errno));
}

void PartialFile::commit() {
  file_.reset();
  std::error_code error;
  std::filesystem::rename(partial_, path_, error);
  require<IoError>(!error, "'", path_.string(), "' cannot be written: ", error.message());
}

ResultsCsv::ResultsCsv(const std::filesystem::path& folder) : file_(folder / "results.csv") {
  file_.write("model,norm,seed,step,epoch,train_loss,test_loss,test_accuracy,seconds\n");
}

void ResultsCsv::add(const Run& run, const Measurement& row) {
  std::ostringstream line;
  line << run.model << ',' << run.norm << ',' << run.seed << ',' << row.step << ',' << fixed(row.epoch, 4) << ','
       << nine_digits(row.train_loss) << ',' << nine_digits(row.test_loss) << ',' << nine_digits(row.test_accuracy)
       << ',' << fixed(row.seconds, 3) << '\n';
  file_.write(line.str());
  ++rows_;
}

Summary summarize(const Comparison& comparison) {
  Summary summary;
  std::vector<double> final;
  std::vector<double> best;
  std::array<std::vector<double>, kTargets.size()> steps;
  double seconds = 0.0;
  double count = 0.0;
  for (const Run& run : comparison.runs) {
    if (!run.measurements.empty()) {
      final.push_back(run.measurements.back().test_accuracy);
      best.push_back(best_accuracy(run));
      for (std::size_t i = 0; i < kTargets.size(); ++i) {
        steps[i].push_back(steps_to(run, kTargets[i]));
      }
    }
    seconds += run.seconds;
    count += static_cast<double>(run.steps);
    summary.peak_memory = std::max(summary.peak_memory, run.peak_memory);
    summary.diverged += run.diverged ? 1 : 0;
  }
  summary.final_accuracy = median(final);
  summary.best_accuracy = median(best);
  for (std::size_t i = 0; i < kTargets.size(); ++i) {
    summary.steps_to[i] = median(steps[i]);
  }
  summary.mean_step_ms = count > 0.0 ? 1000.0 * seconds / count : 0.0;
  return summary;
}

void write_summary(const Report& report, const std::filesystem::path& folder) {
  Json json = {{"complete", report.complete}, {"settings", settings_json(report)}, {"results", Json::array()}};
  for (const Comparison& comparison : report.comparisons) {
    if (!comparison.runs.empty() || !comparison.not_applicable.empty()) {
      json["results"].push_back(comparison_json(comparison));
    }
  }
  PartialFile file(folder / "summary.json");
  file.write(json.dump(2) + "\n");
  file.commit();
}

void print_table(const Report& report, std::ostream& out) {
  for (const Plan& plan : report.plans) {
    out << '\n' << plan.model << " on " << report.data << ": " << to_string(plan);
    out << (report.options.seeds > 1 ? ", median of " + std::to_string(report.options.seeds) + " seeds" : "") << '\n';
    out << "              accuracy          steps to accuracy          ms per    memory\n"
        << "norm           final    best    0.70    0.80    0.85      step       MiB\n";
    for (const Comparison& comparison : report.comparisons) {
      if (comparison.model == plan.model) {
        print_row(comparison, out);
      }
    }
  }
  out << std::flush;
}

}  // namespace compare_norms
