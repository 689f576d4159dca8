// Singh and Krishnan, "Filter Response Normalization Layer: Eliminating Batch Dependence in the Training of Deep Neural
// Networks", CVPR 2020.
#include "lab/reproduce/grid.hpp"

namespace reproduce {

using namespace normgrad;

Outcome frn(const Settings& settings) {
  const std::vector<std::string> norms = {"batch", "group", "frn"};
  const std::vector<std::string> names = {"BatchNorm", "GroupNorm", "FRN"};
  const std::vector<double> batches =
      settings.quick ? std::vector<double>{2, 32} : std::vector<double>{2, 4, 8, 16, 32};
  const std::vector<double> rates = {0.05, 0.2};
  const std::size_t seeds = settings.choose<std::size_t>(7, 4, 1);
  const std::int64_t images = settings.choose<std::int64_t>(60'000, 12'000, 64);
  const compare_norms::Data data = few_images(settings.data, 12'000, settings.choose(10'000, 5'000, 100));
  Outcome outcome{.name = "frn",
                  .source =
                      "Singh and Krishnan, \"Filter Response Normalization Layer\", CVPR 2020, abstract and "
                      "section 4.2",
                  .setup = "Convolutions of 8, 16 and 32 channels on 12,000 images of " + settings.data + ", " +
                           std::to_string(images) +
                           " images seen, SGD with momentum 0.9 at 0.05 or 0.2 (what is better) * batch / 32, ReLU "
                           "behind the other norms, "
                           "group norm with 4 groups, " +
                           std::to_string(seeds) + " seeds",
                  .differs = "The paper trains ResnetV2-50 and Inception-v3 on ImageNet, with a warm-up of the rate."};
  const Grid all = run_grid(settings, "frn", norms.size() * batches.size() * rates.size(), seeds,
                            [&](std::size_t setup, std::uint64_t seed) -> Numbers {
                              const auto batch =
                                  static_cast<std::int64_t>(batches[setup / rates.size() % batches.size()]);
                              const double lr = rates[setup % rates.size()] * static_cast<double>(batch) / 32.0;
                              manual_seed(seed);
                              Sequential net = small_conv_net(norms[setup / rates.size() / batches.size()], data);
                              SGD optimizer(net.parameters(), {.lr = lr, .momentum = 0.9});
                              train_steps(net, optimizer, data.images.train, images / batch, batch, seed);
                              return {test_accuracy(net, data.images.test)};
                            });
  const Grid grid = best_of(all, rates.size());
  lab::Chart chart{.section = "Accuracy over the batch size",
                   .title = "Test accuracy",
                   .x_label = "images per batch",
                   .y_label = "test accuracy",
                   .log_x = true};
  lab::Table table{.title = "After training", .header = {"test accuracy"}};
  for (const double batch : batches) {
    table.header.push_back("batch " + fixed(batch, 0));
  }
  for (std::size_t n = 0; n < norms.size(); ++n) {
    chart.series.push_back(series_of(grid, names[n], batches, n * batches.size()));
    lab::Row row{.cells = {names[n]}};
    for (std::size_t b = 0; b < batches.size(); ++b) {
      row.cells.push_back(with_interval(grid.estimate(n * batches.size() + b), 3));
    }
    table.rows.push_back(row);
  }
  outcome.charts.push_back(chart);
  outcome.tables.push_back(table);
  const std::size_t large = batches.size() - 1;
  const auto at = [&](std::size_t norm, std::size_t batch) { return norm * batches.size() + batch; };
  const lab::Estimate over_batch = grid.difference(at(2, large), at(0, large));
  outcome.findings.push_back({.claim = "With large batches (here 32) FRN is better than BatchNorm",
                              .published = "0.7 to 1.0 points better",
                              .measured = points(over_batch) + " better",
                              .held = is_above(over_batch)});
  const lab::Estimate over_group = grid.difference(at(2, 0), at(1, 0));
  outcome.findings.push_back({.claim = "With small batches (here 2) it is better than GroupNorm by more than 1 point",
                              .published = "more than 1 point better",
                              .measured = points(over_group) + " better",
                              .held = is_above(over_group, 0.01)});
  const lab::Estimate steady = grid.difference(at(2, 0), at(2, large));
  outcome.findings.push_back(
      {.claim =
           "Its accuracy does not depend on the batch size: with the smallest not worse by 1 point (which is ours)",
       .published = "no degradation",
       .measured = points(steady) + " better",
       .held = is_above(steady, -0.01)});
  return outcome;
}

}  // namespace reproduce
