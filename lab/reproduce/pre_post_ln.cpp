// Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020.
#include <algorithm>
#include <cmath>

#include "lab/compare_norms/summary.hpp"
#include "lab/reproduce/grid.hpp"
#include "lab/reproduce/transformer.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

constexpr double kExponentMargin = 0.15;
constexpr double kTrained = 0.5;  // test accuracy; guessing has 0.1

double gradient_of_block(Sequential& net, std::int64_t block) {
  for (const auto& [name, parameter] : net.named_parameters()) {
    if (name == "block" + std::to_string(block) + ".linear2.weight") {
      return std::sqrt(parameter.grad().to(kFloat64).square().sum().item());
    }
  }
  throw IndexError("no block " + std::to_string(block));
}

/// The norm of the gradient of linear2 in the last block of an untrained net, and its ratio to that in the first.
Numbers gradients_at_start(const std::string& placement, std::int64_t layers, const compare_norms::Data& data,
                           std::uint64_t seed) {
  manual_seed(seed);
  Sequential net = small_transformer({.layers = layers, .placement = placement, .xavier = true}, data);
  const Batch batch = compare_norms::BatchStream(data.images.train, 64, seed).next();
  cross_entropy(net(batch.inputs), batch.labels).backward();
  const double last = gradient_of_block(net, layers);
  return {last, last / gradient_of_block(net, 1)};
}

/// Adds the findings and the chart of the gradients.
void add_gradients(Outcome& outcome, const Settings& settings, const compare_norms::Data& data) {
  const std::vector<double> depths = settings.tiny ? std::vector<double>{2, 4} : std::vector<double>{6, 12, 24, 48};
  const std::size_t seeds = settings.choose<std::size_t>(20, 8, 1);
  const std::vector<std::string> placements = {"post", "pre"};
  const Grid grid =
      run_grid(settings, "pre-post-ln, gradients", placements.size() * depths.size(), seeds,
               [&](std::size_t setup, std::uint64_t seed) {
                 return gradients_at_start(placements[setup / depths.size()],
                                           static_cast<std::int64_t>(depths[setup % depths.size()]), data, seed);
               });
  lab::Chart chart{.section = "Before the first step",
                   .title = "Gradient of the last block's linear2",
                   .x_label = "blocks",
                   .y_label = "norm of the gradient",
                   .log_x = true,
                   .log_y = true};
  lab::Table table{.title = "Gradient of the last block over that of the first, before training",
                   .header = {"", "blocks", "ratio"}};
  for (std::size_t p = 0; p < placements.size(); ++p) {
    const bool is_post = placements[p] == "post";
    chart.series.push_back(series_of(grid, is_post ? "Post-LN" : "Pre-LN", depths, p * depths.size()));
    std::vector<double> exponents;
    for (std::size_t s = 0; s < seeds; ++s) {
      std::vector<double> norms;
      for (std::size_t d = 0; d < depths.size(); ++d) {
        norms.push_back(grid.of(p * depths.size() + d, 0)[s]);
      }
      exponents.push_back(exponent(depths, norms));
    }
    for (std::size_t d = 0; d < depths.size(); ++d) {
      lab::Row row{.cells = {is_post ? "Post-LN" : "Pre-LN", fixed(depths[d], 0)}};
      row.cells.push_back(with_interval(grid.estimate(p * depths.size() + d, 1), 2));
      table.rows.push_back(row);
    }
    const lab::Estimate power = lab::median_with_interval(exponents);
    const double theory = is_post ? 0.0 : -0.5;
    outcome.findings.push_back(
        {.claim = is_post ? "Before training, the gradient of the last block does not depend on the number of blocks L "
                            "in a Post-LN transformer: L to the power 0 (within 0.15, which is ours)"
                          : "In a Pre-LN transformer it falls as 1 / sqrt(L): L to the power -1/2 (within 0.15)",
         .published = is_post ? "0 (Theorem 1)" : "-0.5 (Theorem 1)",
         .measured = with_interval(power, 2) + ", " + std::to_string(seeds) + " nets per depth",
         .held = is_near(power, theory, kExponentMargin)});
    const lab::Estimate ratio = grid.estimate(p * depths.size(), 1);
    outcome.findings.push_back(
        {.claim = is_post ? "In Post-LN, gradients are large near the output: the last block's is above the first's"
                          : "In Pre-LN they are of the same size in all blocks: within a factor of 2 (which is ours)",
         .published = "shown in figure 3, for 6 layers",
         .measured = with_interval(ratio, 2) + " times with " + fixed(depths.front(), 0) + " blocks",
         .held = is_post ? is_above(ratio, 1.0) : ratio.low >= 0.5 && ratio.high <= 2.0});
  }
  outcome.charts.push_back(chart);
  outcome.tables.push_back(table);
}

struct Arm {
  std::string name;
  std::string placement;
  bool warmup;
};

/// Adds the findings, the chart and the table of the training.
void add_training(Outcome& outcome, const Settings& settings, const compare_norms::Data& data) {
  const std::vector<double> rates = {1e-3, 3e-3, 1e-2};
  const std::vector<Arm> arms = {
      {"Post-LN, no warm-up", "post", false}, {"Post-LN, warm-up", "post", true}, {"Pre-LN, no warm-up", "pre", false}};
  const std::size_t seeds = settings.choose<std::size_t>(7, 3, 1);
  const std::int64_t steps = settings.choose<std::int64_t>(1500, 300, 2);
  const std::int64_t layers = settings.choose<std::int64_t>(12, 12, 2);
  const Grid grid =
      run_grid(settings, "pre-post-ln", arms.size() * rates.size(), seeds, [&](std::size_t setup, std::uint64_t seed) {
        const Arm& arm = arms[setup / rates.size()];
        return train_transformer(
            {.layers = layers, .placement = arm.placement},
            {.steps = steps, .lr = rates[setup % rates.size()], .warmup = arm.warmup ? steps / 4 : 0}, data, seed);
      });
  outcome.setup += "; " + std::to_string(layers) + " blocks, batch 32, Adam at 0.001, 0.003 and 0.01, " +
                   std::to_string(steps) + " steps, warm-up over a quarter of them, " + std::to_string(seeds) +
                   " seeds";
  lab::Table table{.title = "After training", .header = {"", "lr", "test accuracy", "training loss"}};
  lab::Chart chart{.section = "Training",
                   .title = "Test accuracy after " + std::to_string(steps) + " steps",
                   .x_label = "learning rate",
                   .y_label = "test accuracy",
                   .log_x = true,
                   .y_low = 0.0,
                   .y_high = 1.0};
  for (std::size_t a = 0; a < arms.size(); ++a) {
    chart.series.push_back(series_of(grid, arms[a].name, rates, a * rates.size()));
    for (std::size_t r = 0; r < rates.size(); ++r) {
      const std::size_t setup = a * rates.size() + r;
      lab::Row row = row_of(grid, setup, arms[a].name, {3, 3});
      row.cells.insert(row.cells.begin() + 1, compare_norms::short_number(rates[r]));
      table.rows.push_back(row);
    }
  }
  std::size_t best = 0;
  std::size_t highest = 0;
  for (std::size_t r = 0; r < rates.size(); ++r) {
    best = grid.estimate(rates.size() + r).value > grid.estimate(rates.size() + best).value ? r : best;
    highest = grid.estimate(rates.size() + r).value >= kTrained ? r : highest;
  }
  outcome.charts.push_back(chart);
  outcome.tables.push_back(table);
  const auto at = [&](std::size_t r) { return " at " + compare_norms::short_number(rates[r]); };
  const auto lost = [&](std::size_t r) { return grid.difference(rates.size() + r, r); };
  outcome.findings.push_back({.claim =
                                  "Post-LN needs the warm-up: without it the accuracy is lower, at the rate that is "
                                  "best with it",
                              .published = "crucial for the final performance (abstract)",
                              .measured = points(lost(best)) + " lower" + at(best),
                              .held = is_above(lost(best))});
  outcome.findings.push_back({.claim = "Large rates make it unstable without the warm-up: the accuracy is lower at the "
                                       "highest rate that trains with it (to 50 %)",
                              .published = "unstable",
                              .measured = points(lost(highest)) + " lower" + at(highest),
                              .held = is_above(lost(highest))});
  const lab::Estimate gained = grid.difference(2 * rates.size() + best, rates.size() + best);
  outcome.findings.push_back(
      {.claim = "Pre-LN without warm-up is comparable to Post-LN with it, at the rate that is best for this: not worse "
                "by 1 point (which is ours)",
       .published = "comparable",
       .measured = points(gained) + " better" + at(best),
       .held = is_above(gained, -0.01)});
}

}  // namespace

Outcome pre_post_ln(const Settings& settings) {
  const compare_norms::Data data = few_images(settings.data, 0, settings.choose(10'000, 1'000, 100));
  Outcome outcome{.name = "pre-post-ln",
                  .source =
                      "Xiong et al., \"On Layer Normalization in the Transformer Architecture\", ICML 2020, "
                      "Theorem 1, sections 3.2 to 4",
                  .setup = "Transformers of width 32 on " + settings.data +
                           " in 16 patches, Xavier's normal weights for the gradients",
                  .differs = "The paper trains translation models and BERT; images of clothes are an easier task."};
  add_gradients(outcome, settings, data);
  add_training(outcome, settings, data);
  return outcome;
}

}  // namespace reproduce
