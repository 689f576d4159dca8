// Wang et al., "DeepNet: Scaling Transformers to 1,000 Layers", 2022.
#include <cmath>

#include "lab/reproduce/grid.hpp"
#include "lab/reproduce/transformer.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

constexpr std::int64_t kDeep = 100;
constexpr std::int64_t kDeepWidth = 16;

/// The root mean square change of the scores by the first step of SGD on the matrices of the blocks, which are what the
/// paper's analysis considers.
Numbers first_update(const std::string& placement, std::int64_t layers, const compare_norms::Data& data,
                     std::uint64_t seed) {
  manual_seed(seed);
  Sequential net =
      small_transformer({.layers = layers, .width = kDeepWidth, .placement = placement, .xavier = true}, data);
  const Batch batch = compare_norms::BatchStream(data.images.train, 32, seed).next();
  std::vector<Tensor> matrices;
  for (const auto& [name, parameter] : net.named_parameters()) {
    if (name.starts_with("block") && parameter.dim() == 2) {
      matrices.push_back(parameter);
    }
  }
  SGD optimizer(matrices, {.lr = 1e-3});
  const Tensor before = net(batch.inputs);
  cross_entropy(before, batch.labels).backward();
  optimizer.step();
  const NoGradGuard no_grad;
  return {(net(batch.inputs) - before).square().mean().sqrt().item()};
}

void add_updates(Outcome& outcome, const Settings& settings, const compare_norms::Data& data) {
  const std::vector<double> depths =
      settings.tiny ? std::vector<double>{2, 4} : std::vector<double>{6, 12, 25, 50, 100};
  const std::vector<std::string> placements = {"post", "deepnorm"};
  const std::size_t seeds = settings.choose<std::size_t>(40, 15, 1);
  const Grid grid =
      run_grid(settings, "deepnorm, updates", placements.size() * depths.size(), seeds,
               [&](std::size_t setup, std::uint64_t seed) {
                 return first_update(placements[setup / depths.size()],
                                     static_cast<std::int64_t>(depths[setup % depths.size()]), data, seed);
               });
  lab::Chart chart{.section = "The first step",
                   .title = "Change of the scores by one step of SGD",
                   .x_label = "layers",
                   .y_label = "root mean square",
                   .log_x = true,
                   .log_y = true};
  std::vector<std::vector<double>> exponents(placements.size());
  for (std::size_t p = 0; p < placements.size(); ++p) {
    chart.series.push_back(series_of(grid, p == 0 ? "Post-LN" : "DeepNorm", depths, p * depths.size()));
    for (std::size_t s = 0; s < seeds; ++s) {
      std::vector<double> updates;
      for (std::size_t d = 0; d < depths.size(); ++d) {
        updates.push_back(grid.of(p * depths.size() + d)[s]);
      }
      exponents[p].push_back(exponent(depths, updates));
    }
  }
  outcome.charts.push_back(chart);
  const lab::Estimate post = lab::median_with_interval(exponents[0]);
  const lab::Estimate deep = lab::median_with_interval(exponents[1]);
  const lab::Estimate more = lab::median_with_interval(paired_difference(exponents[0], exponents[1]));
  outcome.findings.push_back(
      {.claim = "With the number of layers N, the model's update by a step of SGD on the matrices grows in Post-LN and "
                "is nearly constant with "
                "DeepNorm: the exponent of N is smaller with it",
       .published = "constant with DeepNorm (Theorem 4.2)",
       .measured = "N^" + with_interval(post, 2) + " in Post-LN, N^" + with_interval(deep, 2) + " with DeepNorm",
       .held = is_above(more)});
}

}  // namespace

Outcome deepnorm(const Settings& settings) {
  const compare_norms::Data data = few_images(settings.data, 0, settings.choose(5'000, 500, 50));
  const std::int64_t layers = settings.tiny ? 3 : kDeep;
  const std::int64_t steps = settings.choose<std::int64_t>(600, 150, 2);
  const std::size_t seeds = settings.choose<std::size_t>(5, 3, 1);
  const double lr = 1e-3;
  Outcome outcome{.name = "deepnorm",
                  .source = "Wang et al., \"DeepNet: Scaling Transformers to 1,000 Layers\", 2022, sections 3 to 5",
                  .setup = "Transformers of " + std::to_string(layers) + " layers of width 16 on " + settings.data +
                           " in 16 patches, batch 16, Adam at 0.001 with a warm-up over a quarter of " +
                           std::to_string(steps) + " steps, " + std::to_string(seeds) + " seeds",
                  .differs = "The paper trains translation models, up to 1,000 layers, for 100,000 steps."};
  const std::vector<std::string> placements = {"post", "deepnorm", "pre"};
  const std::vector<std::string> names = {"Post-LN", "DeepNorm", "Pre-LN"};
  const Grid grid =
      run_grid(settings, "deepnorm", placements.size(), seeds, [&](std::size_t setup, std::uint64_t seed) {
        return train_transformer({.layers = layers, .width = kDeepWidth, .placement = placements[setup]},
                                 {.steps = steps, .batch_size = 16, .lr = lr, .warmup = steps / 4}, data, seed);
      });
  lab::Table table{.title = "After training", .header = {"", "test accuracy", "training loss"}};
  for (std::size_t p = 0; p < placements.size(); ++p) {
    table.rows.push_back(row_of(grid, p, names[p], {3, 3}));
  }
  outcome.tables.push_back(table);
  const lab::Estimate post = grid.estimate(0);
  outcome.findings.push_back(
      {.claim = "A Post-LN transformer of 100 layers does not train: below 20 % of test accuracy (twice that of "
                "guessing; the 20 is ours)",
       .published = "diverges from 18 layers on",
       .measured = "test accuracy " + with_interval(post, 3),
       .held = post.high < 0.2});
  const lab::Estimate gain = grid.difference(1, 0);
  outcome.findings.push_back({.claim = "With DeepNorm it trains: the accuracy is higher than in Post-LN",
                              .published = "trains at 1,000 layers",
                              .measured = points(gain) + " higher, at " + with_interval(grid.estimate(1), 3),
                              .held = is_above(gain)});
  const lab::Estimate over_pre = grid.difference(1, 2);
  outcome.findings.push_back({.claim = "DeepNorm is better than Pre-LN, which also trains",
                              .published = "better at every depth",
                              .measured = points(over_pre) + " better",
                              .held = is_above(over_pre),
                              .judged = !settings.quick});
  add_updates(outcome, settings, data);
  return outcome;
}

}  // namespace reproduce
