// Dehghani et al., "Scaling Vision Transformers to 22 Billion Parameters", 2023; Wortsman et al., "Small-scale proxies
// for large-scale Transformer training instabilities", 2023; Henry et al., "Query-Key Normalization for Transformers",
// 2020.
#include <algorithm>
#include <cmath>

#include "lab/compare_norms/summary.hpp"
#include "lab/reproduce/grid.hpp"
#include "lab/reproduce/transformer.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

constexpr double kStable = 0.5;  // test accuracy; guessing has 0.1

/// By seed: the highest stable rate, and the sensitivity to the rate.
struct ByRate {
  std::vector<double> highest;
  std::vector<double> sensitivity;
};

ByRate by_rate(const Grid& grid, std::size_t first, const std::vector<double>& rates, double loss_at_start) {
  ByRate result;
  for (std::size_t s = 0; s < grid.seeds(); ++s) {
    std::vector<double> accuracies;
    std::vector<double> losses;
    for (std::size_t r = 0; r < rates.size(); ++r) {
      accuracies.push_back(grid.of(first + r, kTestAccuracy)[s]);
      losses.push_back(grid.of(first + r, kFinalLoss)[s]);
    }
    result.highest.push_back(highest_rate(rates, accuracies, kStable));
    result.sensitivity.push_back(rate_sensitivity(losses, loss_at_start));
  }
  return result;
}

}  // namespace

Outcome qk_norm(const Settings& settings) {
  const compare_norms::Data data = few_images(settings.data, 0, settings.choose(10'000, 1'000, 100));
  std::vector<double> rates = {1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1};
  if (settings.tiny) {
    rates.resize(2);
  }
  const std::size_t seeds = settings.choose<std::size_t>(7, 3, 1);
  const std::int64_t steps = settings.choose<std::int64_t>(1500, 300, 2);
  const TransformerSpec spec = {.layers = settings.choose<std::int64_t>(6, 4, 2)};
  const Grid grid = run_grid(settings, "qk-norm", 2 * rates.size(), seeds, [&](std::size_t setup, std::uint64_t seed) {
    TransformerSpec mine = spec;
    mine.qk_norm = setup >= rates.size();
    return train_transformer(mine, {.steps = steps, .lr = rates[setup % rates.size()], .warmup = steps / 10}, data,
                             seed);
  });
  Outcome outcome{.name = "qk-norm",
                  .source =
                      "Wortsman et al., \"Small-scale proxies for large-scale Transformer training "
                      "instabilities\", 2023, section 3.1; Dehghani et al. 2023, section 2",
                  .setup = "Pre-LN transformers of " + std::to_string(spec.layers) + " layers of width 32 on " +
                           settings.data + " in 16 patches, batch 32, Adam with a warm-up over a tenth of " +
                           std::to_string(steps) + " steps, " + std::to_string(rates.size()) + " rates from 0.001 to " +
                           compare_norms::short_number(rates.back()) + ", " + std::to_string(seeds) +
                           " seeds; a rate is stable if the test accuracy reaches 50 %",
                  .differs =
                      "The papers train language models and vision transformers of up to 22 billion parameters "
                      "with a decay of the rate."};
  lab::Chart accuracy{.section = "Learning rates",
                      .title = "Test accuracy",
                      .x_label = "learning rate",
                      .y_label = "test accuracy",
                      .log_x = true,
                      .y_low = 0.0,
                      .y_high = 1.0};
  lab::Chart loss{.section = "Learning rates",
                  .title = "Training loss at the end",
                  .x_label = "learning rate",
                  .y_label = "training loss",
                  .log_x = true,
                  .y_low = 0.0};
  const std::vector<std::string> names = {"without", "with QK norm"};
  lab::Table table{.title = "After training", .header = {"test accuracy"}};
  for (const double rate : rates) {
    table.header.push_back("lr " + compare_norms::short_number(rate));
  }
  std::vector<ByRate> results;
  for (std::size_t q = 0; q < 2; ++q) {
    accuracy.series.push_back(series_of(grid, names[q], rates, q * rates.size(), kTestAccuracy));
    loss.series.push_back(series_of(grid, names[q], rates, q * rates.size(), kFinalLoss));
    lab::Row row{.cells = {names[q]}};
    for (std::size_t r = 0; r < rates.size(); ++r) {
      row.cells.push_back(with_interval(grid.estimate(q * rates.size() + r, kTestAccuracy), 3));
    }
    table.rows.push_back(row);
    results.push_back(by_rate(grid, q * rates.size(), rates, std::log(static_cast<double>(data.num_classes))));
  }
  outcome.charts = {accuracy, loss};
  outcome.tables.push_back(table);
  const lab::Estimate higher = lab::median_with_interval(paired_difference(results[1].highest, results[0].highest));
  outcome.findings.push_back({.claim = "The highest stable learning rate is higher with a norm of queries and keys",
                              .published = "higher: diverges without, trains with it",
                              .measured = compare_norms::short_number(lab::median(results[1].highest)) + " against " +
                                          compare_norms::short_number(lab::median(results[0].highest)) +
                                          " without; higher by " + with_interval(higher, 3) + ", " +
                                          std::to_string(seeds) + " seeds",
                              .held = is_above(higher)});
  const lab::Estimate lower =
      lab::median_with_interval(paired_difference(results[0].sensitivity, results[1].sensitivity));
  outcome.findings.push_back(
      {.claim =
           "The loss is less sensitive to the rate (the mean over the rates of min(loss, loss at the start) - best "
           "loss)",
       .published = "lower (figure 1)",
       .measured = with_interval(lab::median_with_interval(results[1].sensitivity), 3) + " against " +
                   with_interval(lab::median_with_interval(results[0].sensitivity), 3) + " without; lower by " +
                   with_interval(lower, 3),
       .held = is_above(lower)});
  return outcome;
}

}  // namespace reproduce
