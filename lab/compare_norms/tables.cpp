// The tables and the page of results.hpp.
#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "lab/compare_norms/metric.hpp"
#include "lab/compare_norms/results.hpp"
#include "lab/compare_norms/summary.hpp"
#include "lab/compare_norms/text.hpp"

namespace compare_norms {

namespace {

std::map<std::string, std::string> keys_of(const Sweep& sweep, const Plan& plan) {
  std::map<std::string, std::string> keys = {{"model", plan.model}, {"norm", plan.norm}};
  for (const auto& [key, value] : varied(sweep, plan)) {
    keys[key] = value;
  }
  return keys;
}

std::string number_or_dash(const std::optional<double>& value, int digits) {
  return value ? fixed(*value, digits) : "-";
}

lab::Row summary_row(const Sweep& sweep, const Cell& cell) {
  lab::Row row = {.cells = {cell.plan.norm, cell.plan.model}, .keys = keys_of(sweep, cell.plan)};
  for (const auto& [key, value] : varied(sweep, cell.plan)) {
    row.cells.push_back(value);
  }
  const Summary s = summarize(sweep, cell);
  const bool many = sweep.options.seeds > 1;
  const bool ran = s.final_accuracy.has_value();
  const Metric& metric = metric_of(cell.plan.model);
  const int digits = metric.is_accuracy ? 2 : metric.digits;
  row.cells.push_back(ran ? fixed(metric.factor * s.final_accuracy->value, digits) : "-");
  if (many) {
    const auto [low, high] =
        ran ? std::minmax({metric.factor * s.final_accuracy->low, metric.factor * s.final_accuracy->high})
            : std::pair(0.0, 0.0);
    row.cells.push_back(ran ? fixed(low, metric.digits) + " to " + fixed(high, metric.digits) : "-");
  }
  row.cells.push_back(s.best_accuracy ? fixed(metric.factor * *s.best_accuracy, digits) : "-");
  for (std::size_t i = 0; i < s.steps_to.size(); ++i) {
    row.cells.push_back(s.steps_to[i] ? fixed(s.steps_to[i]->value, 0) : "-");
    row.cells.push_back(number_or_dash(s.seconds_to[i], 1));
  }
  row.cells.push_back(ran ? fixed(s.mean_step_ms, 2) : "-");
  row.cells.push_back(ran ? fixed(static_cast<double>(s.peak_memory) / (1 << 20), 1) : "-");
  std::string verdict = s.verdict;
  if (!cell.not_applicable.empty()) {
    verdict = "not applicable: " + cell.not_applicable;
  } else if (!ran) {
    verdict = "not run";
  } else if (s.diverged > 0) {
    verdict = "diverged with " + std::to_string(s.diverged) + " of " + std::to_string(cell.runs.size()) + " seeds" +
              (verdict.empty() ? "" : "; " + verdict);
  }
  row.cells.push_back(verdict);
  return row;
}

void print_row(const Sweep& sweep, const Cell& cell, std::ostream& out) {
  out << std::left << std::setw(12) << cell.plan.norm << std::right;
  if (!cell.not_applicable.empty()) {
    out << "  not applicable: " << cell.not_applicable << '\n';
    return;
  }
  const Summary s = summarize(sweep, cell);
  if (!s.final_accuracy) {
    out << "  not run\n";
    return;
  }
  const Metric& metric = metric_of(cell.plan.model);
  const double factor = metric.is_accuracy ? 1.0 : metric.factor;
  const int digits = metric.is_accuracy ? 4 : metric.digits;
  out << std::setw(8) << fixed(factor * s.final_accuracy->value, digits);
  if (sweep.options.seeds > 1) {
    const auto [low, high] = std::minmax({factor * s.final_accuracy->low, factor * s.final_accuracy->high});
    out << std::setw(18) << fixed(low, digits) + " to " + fixed(high, digits);
  }
  out << std::setw(8) << fixed(factor * s.best_accuracy.value_or(0.0), digits);
  if (metric.is_accuracy) {
    for (const std::optional<lab::Estimate>& steps : s.steps_to) {
      out << std::setw(8) << (steps ? fixed(steps->value, 0) : "-");
    }
    out << std::setw(10)
        << number_or_dash(s.seconds_to.empty() ? std::nullopt : s.seconds_to[s.seconds_to.size() / 2], 1);
  }
  out << std::setw(10) << fixed(s.mean_step_ms, 3) << std::setw(10)
      << fixed(static_cast<double>(s.peak_memory) / (1 << 20), 1);
  if (s.diverged > 0) {
    out << "  diverged with " << s.diverged << " of " << cell.runs.size() << " seeds";
  }
  out << '\n';
}

void print_header(const Sweep& sweep, const std::string& model, std::ostream& out) {
  const bool many = sweep.options.seeds > 1;
  const Metric& metric = metric_of(model);
  const std::string gap = many ? std::string(18, ' ') : "";
  const std::string second = std::string("norm           final") + (many ? "      95 % interval" : "") + "    best";
  if (!metric.is_accuracy) {
    const std::string title = metric.name + (metric.unit.empty() ? "" : "," + metric.unit);
    const std::size_t width = 22 + gap.size() + 8;
    out << std::left << std::setw(static_cast<int>(width)) << std::string(14, ' ') + title << std::right
        << "ms per    memory\n"
        << second << "      step       MiB\n";
    return;
  }
  out << "              accuracy" << gap << "          steps to accuracy"
      << std::string(8 * std::max<std::size_t>(2, sweep.options.targets.size()) - 16, ' ')
      << "  seconds    ms per    memory\n"
      << second;
  for (const int target : sweep.options.targets) {
    out << std::setw(8) << fixed(target / 100.0, 2);
  }
  const auto middle = static_cast<double>(sweep.options.targets[sweep.options.targets.size() / 2]);
  out << "   to " << fixed(middle / 100.0, 2) << "      step       MiB\n";
}

/// What the column of results holds: one metric, or those of several models.
std::string metric_title(const Sweep& sweep) {
  std::vector<std::string> names;
  std::string title;
  for (const Cell& cell : sweep.cells) {
    const Metric& metric = metric_of(cell.plan.model);
    if (std::find(names.begin(), names.end(), metric.name) == names.end()) {
      names.push_back(metric.name);
      title += (title.empty() ? "" : " / ") + metric.name;
    }
  }
  return title;
}

std::string number_text(std::int64_t value) { return std::to_string(value); }

}  // namespace

lab::Table summary_table(const Sweep& sweep) {
  const bool has_others = std::any_of(sweep.cells.begin(), sweep.cells.end(),
                                      [](const Cell& cell) { return !metric_of(cell.plan.model).is_accuracy; });
  lab::Table table{
      .title = "All settings",
      .note = "Accuracy on the test images, or of the characters predicted in the test text, in per cent" +
              std::string(
                  has_others ? "; of unet the PSNR of denoised test images in dB, of dcgan the squared kernel distance "
                               "of made images from test images, the lower the better"
                             : "") +
              ": median over the seeds at the end and at the best "
              "measurement. Steps and seconds of training until a measurement reaches a target. Times are of " +
              number_text(sweep.threads) + " thread(s) with " + number_text(sweep.jobs) +
              " run(s) at once; memory is the most that tensors held at once.",
      .header = {"norm", "model"}};
  for (const auto& [key, value] : varied(sweep, sweep.cells.front().plan)) {
    table.header.push_back(key);
  }
  table.header.push_back(metric_title(sweep));
  if (sweep.options.seeds > 1) {
    table.header.emplace_back("95 % interval");
  }
  table.header.emplace_back("best");
  for (const int target : targets_of(sweep)) {
    table.header.push_back("steps to " + number_text(target) + " %");
    table.header.push_back("seconds to " + number_text(target) + " %");
  }
  table.header.insert(table.header.end(), {"ms per step", "MiB", "verdict"});
  for (const Cell& cell : sweep.cells) {
    table.rows.push_back(summary_row(sweep, cell));
  }
  return table;
}

lab::Table rate_table(const Sweep& sweep) {
  lab::Table table{.title = "Highest learning rate that trains",
                   .note =
                       "Trains: no seed diverges, and the median accuracy is above the middle between chance and the "
                       "best that the model reaches in this sweep (between the worst and the best of another metric).",
                   .header = {"norm", "model", "setting", "learning rate"}};
  for (const HighestRate& rate : highest_rates(sweep)) {
    table.rows.push_back({.cells = {rate.norm, rate.model, rate.others,
                                    rate.lr ? short_number(*rate.lr) + (rate.is_last ? " (the highest tried)" : "")
                                            : "none of those tried"},
                          .keys = {{"model", rate.model}, {"norm", rate.norm}}});
  }
  return table;
}

lab::Page report_page(const Sweep& sweep) {
  const Options& o = sweep.options;
  lab::Page page;
  const std::vector<std::string>& models = o.models;
  const bool has_text = std::any_of(models.begin(), models.end(), reads_text);
  const bool has_images = !std::all_of(models.begin(), models.end(), reads_text);
  const std::string sources =
      (has_images ? sweep.data : "") + (has_images && has_text ? " and " : "") + (has_text ? sweep.text : "");
  page.title = "Which norm, on " + sources + "?";
  page.subtitle =
      number_text(static_cast<std::int64_t>(sweep.cells.size())) + " settings, " + number_text(o.seeds) +
      (o.seeds == 1 ? " seed" : " seeds") + ": the same start and the same batches with every norm, measured on " +
      (has_images ? number_text(sweep.test_images) + " test images" : "") + (has_images && has_text ? " and " : "") +
      (has_text ? number_text(sweep.text_labels) + " characters" : "") + ".";
  page.names = o.norms;
  if (!sweep.complete) {
    page.notices.emplace_back("Interrupted: this is what was measured up to then.");
  }
  if (o.seeds == 1) {
    page.notices.emplace_back(
        "One seed only: a difference may be the seed's. --seeds 5 measures how much seeds differ.");
  }
  const std::vector<Setting> settings = settings_of(sweep);
  constexpr std::size_t kMaxVerdicts = 12;
  for (const Setting& setting : settings) {
    const std::vector<std::string> lines = conclusions(sweep, setting);
    if (!lines.empty() && page.verdicts.size() < kMaxVerdicts) {
      page.verdicts.push_back({.title = setting.name, .lines = lines});
    }
  }
  for (auto charts : {axis_charts(sweep), curve_charts(sweep), probe_charts(sweep)}) {
    page.charts.insert(page.charts.end(), charts.begin(), charts.end());
  }
  page.tables.push_back(summary_table(sweep));
  if (lab::Table rates = rate_table(sweep); !rates.rows.empty()) {
    page.tables.insert(page.tables.begin(), rates);
  }
  page.settings = {
      {"Command", o.command},
      {"Data", sweep.data + ": " + number_text(sweep.train_images) + " training and " + number_text(sweep.test_images) +
                   " test images " + sweep.image_shape + ", " + number_text(sweep.num_classes) + " classes"},
      {"Seeds", number_text(o.seeds) + " from " + std::to_string(o.first_seed)},
      {"Machine",
       number_text(sweep.jobs) + " run(s) at once, " + number_text(sweep.threads) + " thread(s) each, " + sweep.simd}};
  if (has_text) {
    page.settings.insert(page.settings.begin() + 2,
                         {"Text", sweep.text + ": " + number_text(sweep.text_labels) + " characters for testing, " +
                                      number_text(sweep.characters) + " different ones"});
  }
  for (std::size_t i = 0; i < settings.size() && i < 24; ++i) {
    page.settings.emplace_back(settings[i].name, to_string(settings[i].cells.front()->plan));
  }
  page.settings.emplace_back("Statistics",
                             "Medians over the seeds with 95 % bootstrap intervals; differences are taken seed by "
                             "seed. A difference is called "
                             "beyond noise when its interval excludes zero and, with fewer than 6 seeds, it is larger "
                             "than what the sampling of "
                             "the test examples explains.");
  return page;
}

void print_tables(const Sweep& sweep, std::ostream& out) {
  for (const Setting& setting : settings_of(sweep)) {
    const Plan& plan = setting.cells.front()->plan;
    out << '\n'
        << plan.model << " on " << data_of(sweep, plan.model) << ": " << to_string(plan)
        << (sweep.options.seeds > 1 ? ", median of " + number_text(sweep.options.seeds) + " seeds" : "") << '\n';
    print_header(sweep, plan.model, out);
    for (const Cell* cell : setting.cells) {
      print_row(sweep, *cell, out);
    }
    for (const std::string& line : conclusions(sweep, setting)) {
      out << "  " << line << '\n';
    }
  }
  const lab::Table rates = rate_table(sweep);
  if (!rates.rows.empty()) {
    out << "\nhighest learning rate that trains\n";
    for (const lab::Row& row : rates.rows) {
      out << std::left << std::setw(12) << row.cells[0] << std::setw(12) << row.cells[1] << std::setw(16)
          << row.cells[2] << std::right << row.cells[3] << '\n';
    }
  }
  out << std::flush;
}

}  // namespace compare_norms
