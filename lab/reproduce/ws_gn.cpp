// Qiao, Wang, Liu, Shen and Yuille, "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization",
// 2019.
#include <algorithm>

#include "lab/compare_norms/summary.hpp"
#include "lab/reproduce/grid.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

constexpr std::int64_t kMicroBatch = 32;

struct MicroSetup {
  std::string name;
  std::string norm;
  bool standardized;
  std::int64_t part;  // images that pass the net at once
};

Sequential micro_net(const MicroSetup& setup, const compare_norms::Data& data) {
  Sequential net = small_conv_net(setup.norm, data);
  for (const auto& [name, module] : net.named_modules()) {
    if (auto* conv = dynamic_cast<Conv2d*>(module); conv != nullptr && setup.standardized) {
      weight_standardization(*conv);
    }
  }
  return net;
}

/// The largest difference of a parameter after some steps on the batch at once and on one image after the other, of the
/// largest parameter.
Numbers difference_of_parts(const compare_norms::Data& data, std::int64_t steps, std::uint64_t seed) {
  std::vector<std::vector<Tensor>> parameters;
  for (const std::int64_t part : {kMicroBatch, std::int64_t{1}}) {
    manual_seed(seed);
    Sequential net = micro_net({"", "group", true, part}, data);
    SGD optimizer(net.parameters(), {.lr = 0.05, .momentum = 0.9});
    compare_norms::BatchStream stream(data.images.train, kMicroBatch, seed);
    for (std::int64_t step = 0; step < steps; ++step) {
      step_in_parts(net, optimizer, parts_of(stream.next(), part));
    }
    parameters.push_back(net.parameters());
  }
  double largest = 0.0;
  double difference = 0.0;
  for (std::size_t i = 0; i < parameters[0].size(); ++i) {
    largest = std::max(largest, parameters[0][i].abs().max().item());
    difference = std::max(difference, (parameters[0][i] - parameters[1][i]).abs().max().item());
  }
  return {difference / largest};
}

}  // namespace

Outcome ws_gn(const Settings& settings) {
  const std::vector<MicroSetup> setups = {{"BatchNorm, 32 images at once", "batch", false, kMicroBatch},
                                          {"BatchNorm, 2 images at once", "batch", false, 2},
                                          {"GroupNorm", "group", false, kMicroBatch},
                                          {"GroupNorm, standardized weights", "group", true, kMicroBatch}};
  const std::size_t seeds = settings.choose<std::size_t>(9, 5, 1);
  const std::int64_t steps = settings.choose<std::int64_t>(3000, 400, 2);
  const compare_norms::Data data = few_images(settings.data, 20'000, settings.choose(10'000, 5'000, 100));
  Outcome outcome{.name = "ws-gn",
                  .source =
                      "Qiao et al., \"Micro-Batch Training with Batch-Channel Normalization and Weight "
                      "Standardization\", 2019, section 5.1",
                  .setup = "Convolutions of 8, 16 and 32 channels on 20,000 images of " + settings.data + ", " +
                           std::to_string(steps) +
                           " steps of 32 images, SGD with momentum 0.9 at 0.05, group norm with 4 groups, " +
                           std::to_string(seeds) +
                           " seeds. GroupNorm computes the same for one image at a time (the first claim), so its "
                           "batches pass at once, as in the authors' code",
                  .differs = "The paper trains ResNets on ImageNet with 1 image per GPU against 64."};
  const Grid same = run_grid(settings, "ws-gn, parts", 1, settings.choose<std::size_t>(5, 3, 1),
                             [&](std::size_t /*setup*/, std::uint64_t seed) {
                               return difference_of_parts(data, settings.choose<std::int64_t>(10, 10, 1), seed);
                             });
  const Grid grid =
      run_grid(settings, "ws-gn", setups.size(), seeds, [&](std::size_t i, std::uint64_t seed) -> Numbers {
        manual_seed(seed);
        Sequential net = micro_net(setups[i], data);
        SGD optimizer(net.parameters(), {.lr = 0.05, .momentum = 0.9});
        compare_norms::BatchStream stream(data.images.train, kMicroBatch, seed);
        for (std::int64_t step = 0; step < steps; ++step) {
          step_in_parts(net, optimizer, parts_of(stream.next(), setups[i].part));
        }
        return {test_accuracy(net, data.images.test)};
      });
  lab::Table table{.title = "After training", .header = {"", "test accuracy"}};
  for (std::size_t i = 0; i < setups.size(); ++i) {
    table.rows.push_back(row_of(grid, i, setups[i].name, {3}));
  }
  outcome.tables.push_back(table);
  const lab::Estimate rounding = same.estimate(0);
  outcome.findings.push_back(
      {.claim = "With GroupNorm and standardized weights, training on one image at a time with the mean of the "
                "gradients is training on the batch: the parameters agree after 10 steps, up to float32's rounding "
                "(below 1e-4 of the largest, which is ours)",
       .published = "equivalent",
       .measured = "difference of " + compare_norms::short_number(rounding.high) + " of the largest parameter at most",
       .held = rounding.high < 1e-4});
  const lab::Estimate standardized = grid.difference(3, 2);
  outcome.findings.push_back({.claim = "Standardized weights improve GroupNorm",
                              .published = "better in every experiment",
                              .measured = points(standardized) + " better",
                              .held = is_above(standardized)});
  const lab::Estimate large = grid.difference(3, 0);
  outcome.findings.push_back(
      {.claim = "GroupNorm with standardized weights, with one image at a time, matches or outperforms BatchNorm with "
                "large batches: not worse by 1 point (which is ours)",
       .published = "matches or outperforms (ResNet-50: 23.72 % error)",
       .measured = points(large) + " better",
       .held = is_above(large, -0.01)});
  const lab::Estimate micro = grid.difference(3, 1);
  outcome.findings.push_back({.claim = "It is better than BatchNorm with micro-batches, here of 2 images",
                              .published = "significantly better",
                              .measured = points(micro) + " better",
                              .held = is_above(micro)});
  return outcome;
}

}  // namespace reproduce
