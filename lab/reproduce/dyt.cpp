// Zhu, Chen, He, LeCun and Liu, "Transformers without Normalization", CVPR 2025.
#include "lab/reproduce/grid.hpp"
#include "lab/reproduce/transformer.hpp"

namespace reproduce {

using namespace normgrad;

Outcome dyt(const Settings& settings) {
  const compare_norms::Data data = few_images(settings.data, 0, settings.choose(10'000, 5'000, 100));
  const std::size_t seeds = settings.choose<std::size_t>(9, 5, 1);
  const std::int64_t steps = settings.choose<std::int64_t>(3000, 1000, 2);
  const TransformerSpec spec = {.layers = settings.choose<std::int64_t>(6, 4, 1)};
  const std::vector<std::string> norms = {"layer", "dyt", "none"};
  Outcome outcome{
      .name = "dyt",
      .source = "Zhu et al., \"Transformers without Normalization\", CVPR 2025, Table 1 and Table 16",
      .setup = "Pre-LN transformers of " + std::to_string(spec.layers) + " layers of width 32 on " + settings.data +
               " in 16 patches, batch 32, Adam at 0.003 with warm-up and linear decay; convolutions of 8, 16 and 32 "
               "channels, batch 32, SGD with momentum 0.9 at 0.05; " +
               std::to_string(steps) + " steps, " + std::to_string(seeds) + " seeds; alpha starts at 0.5",
      .differs = "The paper trains ViTs and ResNets on ImageNet."};
  const std::vector<std::string> conv_norms = {"batch", "dyt"};
  const Grid grid = run_grid(
      settings, "dyt", norms.size() + conv_norms.size(), seeds, [&](std::size_t setup, std::uint64_t seed) -> Numbers {
        if (setup < norms.size()) {
          TransformerSpec mine = spec;
          mine.norm = norms[setup];
          return train_transformer(mine, {.steps = steps, .lr = 3e-3, .warmup = steps / 10, .decay = true}, data, seed);
        }
        manual_seed(seed);
        Sequential net = small_conv_net(conv_norms[setup - norms.size()], data);
        SGD optimizer(net.parameters(), {.lr = 0.05, .momentum = 0.9});
        train_steps(net, optimizer, data.images.train, steps, 32, seed);
        return {test_accuracy(net, data.images.test)};
      });
  const std::vector<std::string> names = {"transformer, LayerNorm", "transformer, DyT", "transformer, no norm",
                                          "ConvNet, BatchNorm", "ConvNet, DyT"};
  lab::Table table{.title = "After training", .header = {"", "test accuracy"}};
  for (std::size_t i = 0; i < names.size(); ++i) {
    table.rows.push_back(row_of(grid, i, names[i], {3}));
  }
  outcome.tables.push_back(table);
  const lab::Estimate same = grid.difference(1, 0);
  outcome.findings.push_back(
      {.claim = "In a transformer DyT matches or exceeds LayerNorm: not worse by 1 point (which is ours)",
       .published = "0.2 points better (ViT-B, 82.5 against 82.3)",
       .measured = points(same) + " better",
       .held = is_above(same, -0.01)});
  const lab::Estimate lost = grid.difference(3, 4);
  outcome.findings.push_back({.claim = "In a ConvNet it does not replace BatchNorm: the accuracy falls",
                              .published = "7.3 points lower (ResNet-50, 68.9 against 76.2)",
                              .measured = points(lost) + " lower",
                              .held = is_above(lost)});
  return outcome;
}

}  // namespace reproduce
