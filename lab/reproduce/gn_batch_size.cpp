// Wu and He, "Group Normalization", ECCV 2018.
#include <cmath>

#include "lab/compare_norms/models.hpp"
#include "lab/reproduce/experiment.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

struct Setup {
  bool connected;
  std::string norm;
  std::int64_t batch;
};

/// The median over a layer's outputs of the norm of their weight gradient. (Not the mean: a channel with two nearly
/// equal values has a huge gradient.)
double typical_gradient(const Tensor& weight) {
  return lab::median(sqrt(square(weight.grad().flatten(1).to(kFloat64)).sum(1)).to_vector<double>());
}

/// Test error in percent, and the ratio of the typical gradients of the first and the last layer at the start.
Numbers train_one(const Setup& setup, const compare_norms::Data& data, std::int64_t images, std::uint64_t seed) {
  manual_seed(seed);
  Sequential net = setup.connected ? small_connected_net(setup.norm, data) : small_conv_net(setup.norm, data);
  const double lr = 0.05 * static_cast<double>(setup.batch) / 32.0;
  SGD optimizer(net.parameters(), {.lr = lr, .momentum = 0.9});
  double ratio = 0.0;
  train_steps(net, optimizer, data.images.train, images / setup.batch, setup.batch, seed,
              [&](std::int64_t step, double /*loss*/) {
                if (step == 1) {
                  const std::vector<Tensor> parameters = net.parameters();
                  ratio = typical_gradient(parameters.front()) / typical_gradient(parameters[parameters.size() - 2]);
                }
              });
  return {100.0 * (1.0 - test_accuracy(net, data.images.test)), ratio};
}

}  // namespace

Outcome gn_batch_size(const Settings& settings) {
  const std::vector<std::int64_t> batches =
      settings.quick ? std::vector<std::int64_t>{2, 8, 32} : std::vector<std::int64_t>{2, 4, 8, 16, 32};
  const std::vector<std::string> conv_norms =
      settings.quick ? std::vector<std::string>{"batch", "group"}
                     : std::vector<std::string>{"none", "batch", "group", "layer", "instance"};
  const std::vector<std::string> connected_norms = {"batch", "group"};
  const std::size_t seeds = settings.quick ? 3 : 5;
  const std::int64_t images = settings.quick ? 8'000 : 36'000;
  const compare_norms::Data data = compare_norms::open_data(settings.data, 12'000);
  std::vector<Setup> setups;
  for (const bool connected : {false, true}) {
    for (const std::string& norm : connected ? connected_norms : conv_norms) {
      for (const std::int64_t batch : batches) {
        setups.push_back({.connected = connected, .norm = norm, .batch = batch});
      }
    }
  }
  const std::vector<Numbers> results = compute(settings, "gn-batch-size", setups.size() * seeds, [&](std::size_t i) {
    return train_one(setups[i / seeds], data, images, settings.first_seed + i % seeds);
  });
  const auto of = [&](bool connected, const std::string& norm, std::int64_t batch, std::size_t number) {
    std::vector<double> values;
    for (std::size_t i = 0; i < setups.size(); ++i) {
      if (setups[i].connected == connected && setups[i].norm == norm && setups[i].batch == batch) {
        for (std::size_t s = 0; s < seeds; ++s) {
          values.push_back(results[i * seeds + s][number]);
        }
      }
    }
    return values;
  };

  Outcome outcome{.name = "gn-batch-size",
                  .source = "Wu and He, \"Group Normalization\", ECCV 2018, Table 2 and Figure 1",
                  .setup = "Convolutions of 8, 16 and 32 channels on 12,000 images of " + settings.data + ", " +
                           std::to_string(images) +
                           " images seen, SGD with momentum 0.9 at 0.05 * batch / 32, group norm "
                           "with 4 groups, " +
                           std::to_string(seeds) + " seeds; also 784-100-100-10",
                  .differs =
                      "The paper trains ResNet-50 on ImageNet for 100 epochs. A convolution's BatchNorm still averages "
                      "over 2 * H * W values at batch 2, so less is to be expected here."};
  for (const bool connected : {false, true}) {
    lab::Chart chart{.section = "Error over the batch size",
                     .title = connected ? "Fully connected" : "Convolutional",
                     .x_label = "images per batch",
                     .y_label = "test error, %",
                     .log_x = true,
                     .y_low = 0.0};
    lab::Table table{.title = std::string("Test error, %, ") + (connected ? "fully connected" : "convolutional"),
                     .header = {"norm"}};
    for (const std::int64_t batch : batches) {
      table.header.push_back("batch " + std::to_string(batch));
    }
    for (const std::string& norm : connected ? connected_norms : conv_norms) {
      lab::Series series{.name = norm};
      lab::Row row{.cells = {norm}};
      for (const std::int64_t batch : batches) {
        const lab::Estimate e = lab::median_with_interval(of(connected, norm, batch, 0));
        series.x.push_back(static_cast<double>(batch));
        series.y.push_back(e.value);
        series.low.push_back(e.low);
        series.high.push_back(e.high);
        row.cells.push_back(with_interval(e, 1));
      }
      chart.series.push_back(series);
      table.rows.push_back(row);
    }
    outcome.charts.push_back(chart);
    outcome.tables.push_back(table);
  }

  const auto loss_from_small = [&](bool connected, const std::string& norm) {
    const std::vector<double> small = of(connected, norm, 2, 0);
    const std::vector<double> large = of(connected, norm, 32, 0);
    std::vector<double> differences;
    for (std::size_t s = 0; s < seeds; ++s) {
      differences.push_back(small[s] - large[s]);
    }
    return differences;
  };
  for (const bool connected : {false, true}) {
    const std::vector<double> batch = loss_from_small(connected, "batch");
    const std::vector<double> group = loss_from_small(connected, "group");
    std::vector<double> differences;
    for (std::size_t s = 0; s < seeds; ++s) {
      differences.push_back(batch[s] - group[s]);
    }
    const lab::Estimate d = lab::median_with_interval(differences);
    outcome.findings.push_back(
        {.claim = std::string(connected ? "Fully connected: " : "") +
                  "from batch 32 to 2 the error grows by more with BatchNorm than with GroupNorm",
         .published = connected ? "none printed" : "10.9 points more (11.1 against 0.2)",
         .measured = with_interval(d, 1) + " points more (" + with_interval(lab::median_with_interval(batch), 1) +
                     " against " + with_interval(lab::median_with_interval(group), 1) + "), " + std::to_string(seeds) +
                     " seeds",
         .held = d.low > 0.0});
  }
  std::vector<double> large_batch;
  for (std::size_t s = 0; s < seeds; ++s) {
    large_batch.push_back(of(false, "group", 32, 0)[s] - of(false, "batch", 32, 0)[s]);
  }
  const lab::Estimate at_32 = lab::median_with_interval(large_batch);
  outcome.findings.push_back(
      {.claim = "At batch 32 the error of BatchNorm is not above that of GroupNorm",
       .published = "0.5 points lower",
       .measured = with_interval(at_32, 1) + " points lower, " + std::to_string(seeds) + " seeds",
       .held = at_32.high > 0.0});
  const lab::Estimate two = lab::median_with_interval(of(true, "batch", 2, 1));
  const lab::Estimate many = lab::median_with_interval(of(true, "batch", 32, 1));
  outcome.findings.push_back(
      {.claim = "With two values per channel the Jacobian of BatchNorm is of the order of eps: at batch 2 almost no "
                "gradient "
                "passes a fully connected one (ours, from the layer's formula: 1 % of that at batch 32)",
       .published = "none printed",
       .measured = "a typical gradient of the first layer over one of the last: " + with_interval(two, 5) +
                   " at batch 2, " + with_interval(many, 3) + " at 32",
       .held = two.high < 0.01 * many.low});
  return outcome;
}

}  // namespace reproduce
