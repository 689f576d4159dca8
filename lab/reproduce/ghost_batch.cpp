// Hoffer, Hubara and Soudry, "Train longer, generalize better: closing the generalization gap in large batch training
// of neural networks", NeurIPS 2017.
#include <algorithm>
#include <cmath>

#include "lab/reproduce/grid.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

struct GhostSetup {
  std::string name;
  std::string norm;
  std::int64_t batch;
  double lr;
};

}  // namespace

Outcome ghost_batch(const Settings& settings) {
  constexpr std::int64_t kTrain = 10'000;
  constexpr std::int64_t kLarge = 1600;  // the paper's ratio: 4096 to 128
  constexpr std::int64_t kBatch = 50;
  const compare_norms::Data data =
      few_images(settings.data, settings.tiny ? 2000 : kTrain, settings.tiny ? 100 : 10'000);
  const std::int64_t large = std::min(kLarge, data.images.train.size());
  const std::size_t seeds = settings.choose<std::size_t>(15, 9, 1);
  const std::int64_t epochs = settings.choose<std::int64_t>(60, 20, 1);
  const double lr = 0.05;
  const double scaled = lr * std::sqrt(static_cast<double>(large) / static_cast<double>(kBatch));
  const std::vector<GhostSetup> setups = {
      {"small batch", "batch", kBatch, lr},
      {"large batch", "batch", large, lr},
      {"large batch, scaled rate", "batch", large, scaled},
      {"large batch, scaled rate, ghost", "ghost:" + std::to_string(kBatch), large, scaled}};
  Outcome outcome{
      .name = "ghost-batch",
      .source = "Hoffer et al., \"Train longer, generalize better\", NeurIPS 2017, sections 4 and 5, Table 1",
      .setup = "784-100-100-10 on 10,000 images of " + settings.data +
               ", SGD with momentum 0.9, batches of 50 at 0.05 and of 1,600 at 0.05 and at 0.05 * sqrt(32), " +
               std::to_string(epochs) + " epochs each, virtual batches of 50, " + std::to_string(seeds) + " seeds",
      .differs =
          "The paper trains convolutional nets on CIFAR and ImageNet with batches of 128 and 4,096, "
          "and divides the rate during training."};
  const Grid grid =
      run_grid(settings, "ghost-batch", setups.size(), seeds, [&](std::size_t setup, std::uint64_t seed) -> Numbers {
        manual_seed(seed);
        Sequential net = small_connected_net(setups[setup].norm, data);
        SGD optimizer(net.parameters(), {.lr = setups[setup].lr, .momentum = 0.9});
        train_steps(net, optimizer, data.images.train, epochs * data.images.train.size() / setups[setup].batch,
                    setups[setup].batch, seed);
        return {test_accuracy(net, data.images.test), compare_norms::score(net, data.images.train).accuracy};
      });
  lab::Table table{.title = "After training", .header = {"", "test accuracy", "accuracy on the training images"}};
  for (std::size_t i = 0; i < setups.size(); ++i) {
    table.rows.push_back(row_of(grid, i, setups[i].name, {3, 3}));
  }
  outcome.tables.push_back(table);
  const lab::Estimate gap = grid.difference(0, 1);
  outcome.findings.push_back(
      {.claim = "With the same rate and number of epochs, large batches generalize worse than small ones",
       .published = "worse on every data set",
       .measured = points(gap) + " worse",
       .held = is_above(gap)});
  const lab::Estimate rate = grid.difference(2, 1);
  outcome.findings.push_back({.claim = "A rate that is scaled by the square root of the batch closes a part of the gap",
                              .published = "higher accuracy on every data set",
                              .measured = points(rate) + " higher",
                              .held = is_above(rate)});
  const lab::Estimate ghost = grid.difference(3, 2);
  outcome.findings.push_back({.claim = "Ghost batch norm closes a part of the gap",
                              .published = "a significant decrease of the gap",
                              .measured = points(ghost) + " higher",
                              .held = is_above(ghost)});
  return outcome;
}

}  // namespace reproduce
