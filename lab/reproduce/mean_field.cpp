// Yang, Pennington, Rao, Sohl-Dickstein and Schoenholz, "A Mean Field Theory of Batch Normalization", ICLR 2019.
#include <array>
#include <cmath>
#include <numbers>

#include "lab/reproduce/experiment.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

constexpr std::array<std::int64_t, 4> kBatches = {8, 16, 32, 64};
constexpr std::int64_t kLayers = 24;
constexpr std::int64_t kSkipBelow = 6;  // layers until the forward pass has converged
constexpr std::int64_t kSkipAbove = 4;  // layers until the backward pass has converged

/// Theorem 8 with alpha = 1: the growth of the squared gradient per layer, downward, for ReLU after BatchNorm.
double theory_relu(double batch) {
  const auto j = [](double c) {
    return (std::sqrt(1 - c * c) + (std::numbers::pi - std::acos(c)) * c) / std::numbers::pi;
  };
  const auto slope = [](double c) { return (std::numbers::pi - std::acos(c)) / std::numbers::pi; };
  const double c = -1.0 / (batch - 1);
  return (batch - 1) * (slope(c) + (batch - 1) * j(1.0)) / ((batch - 3) * (batch - 1) * (1 - j(c))) - 1 / (batch - 3);
}
double theory_linear(double batch) { return (batch - 2) / (batch - 3); }

/// Squared norms of the gradient with respect to the input of each BatchNorm of one random net, from the lowest.
Numbers squared_gradients(std::int64_t width, std::int64_t batch, bool rectified, std::uint64_t seed) {
  Generator generator(seed);
  const TensorOptions options{.dtype = kFloat64};
  std::vector<Tensor> inputs;
  Tensor h = randn({batch, width}, options, &generator);
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    const Tensor weight = randn({width, width}, options, &generator) * (1.0 / std::sqrt(static_cast<double>(width)));
    Tensor z = matmul(h, weight);
    if (layer == 0) {
      z.requires_grad_();
    }
    inputs.push_back(z);
    BatchNorm1d norm(width, {.eps = 1e-12, .affine = false, .track_running_stats = false, .dtype = kFloat64});
    h = rectified ? relu(norm(z)) : norm(z);
  }
  const Tensor weight = randn({batch, width}, options, &generator);
  const std::vector<Tensor> gradients = grad({(h * weight).sum()}, inputs);
  Numbers squares;
  for (const Tensor& gradient : gradients) {
    squares.push_back(square(gradient).sum().item());
  }
  return squares;
}

/// Growth per layer, from the logarithms, over the middle layers.
double growth(const Numbers& squares) {
  const auto low = static_cast<std::size_t>(kSkipBelow);
  const std::size_t high = squares.size() - 1 - static_cast<std::size_t>(kSkipAbove);
  return std::exp(std::log(squares[low] / squares[high]) / static_cast<double>(high - low));
}

void add_growth(const Settings& settings, Outcome& outcome) {
  const std::size_t nets = settings.quick ? 12 : 40;
  const std::int64_t width = settings.quick ? 256 : 512;
  const std::size_t cases = 2 * kBatches.size();
  const std::vector<Numbers> results = compute(settings, "mean-field", cases * nets, [&](std::size_t i) {
    return squared_gradients(width, kBatches[i / nets % kBatches.size()], i / nets < kBatches.size(),
                             settings.first_seed + i);
  });
  lab::Table table{.title = "Growth of the squared gradient per layer",
                   .header = {"activation", "batch", "theory", "measured", "95 % interval", "error, %"}};
  lab::Chart chart{.section = "Mean field",
                   .title = "Squared gradient norm, ReLU after BatchNorm",
                   .x_label = "layers below the top",
                   .y_label = "relative to the top",
                   .log_y = true};
  for (std::size_t c = 0; c < cases; ++c) {
    const bool rectified = c < kBatches.size();
    const auto batch = static_cast<double>(kBatches[c % kBatches.size()]);
    const double expected = rectified ? theory_relu(batch) : theory_linear(batch);
    std::vector<double> rates;
    for (std::size_t k = 0; k < nets; ++k) {
      rates.push_back(growth(results[c * nets + k]));
    }
    const lab::Estimate rate = lab::mean_with_interval(rates);
    const double error = 100.0 * (rate.value / expected - 1.0);
    const std::string name = rectified ? "ReLU" : "linear";
    table.rows.push_back({.cells = {name, fixed(batch, 0), fixed(expected, 4), fixed(rate.value, 4),
                                    fixed(rate.low, 4) + " to " + fixed(rate.high, 4), fixed(error, 2)}});
    outcome.findings.push_back({.claim = name + ", batch " + fixed(batch, 0) +
                                         ": the squared gradient grows per layer by the factor of theory (within 3 %)",
                                .published = fixed(expected, 4),
                                .measured = with_interval(rate, 4) + ", " + std::to_string(nets) + " nets",
                                .held = std::abs(error) <= 3.0});
    if (rectified) {
      lab::Series measured{.name = "batch " + fixed(batch, 0)};
      lab::Series theory{.name = "batch " + fixed(batch, 0) + ", theory", .dashed = true};
      for (std::int64_t below = 0; below < kLayers - kSkipAbove; ++below) {
        const auto at = static_cast<std::size_t>(kLayers - 1 - kSkipAbove - below);
        std::vector<double> ratios;
        for (std::size_t k = 0; k < nets; ++k) {
          const Numbers& squares = results[c * nets + k];
          ratios.push_back(squares[at] / squares[static_cast<std::size_t>(kLayers - 1 - kSkipAbove)]);
        }
        const lab::Estimate e = lab::median_with_interval(ratios, 300);
        measured.x.push_back(static_cast<double>(below));
        measured.y.push_back(e.value);
        measured.low.push_back(e.low);
        measured.high.push_back(e.high);
        theory.x.push_back(static_cast<double>(below));
        theory.y.push_back(std::pow(expected, static_cast<double>(below)));
      }
      chart.series.push_back(measured);
      chart.series.push_back(theory);
    }
  }
  outcome.tables.push_back(table);
  outcome.charts.push_back(chart);
}

/// Test accuracy of a BatchNorm and ReLU net of the given depth, trained at the learning rate of the paper's Figure 2.
double accuracy_at_depth(const compare_norms::Data& data, std::int64_t depth, std::int64_t steps, std::uint64_t seed) {
  constexpr std::int64_t kWidth = 128;
  constexpr std::int64_t kBatch = 128;
  manual_seed(seed);
  Sequential net;
  net.push_back("flatten", Flatten());
  for (std::int64_t k = 0; k < depth; ++k) {
    const std::int64_t in = k == 0 ? data.images.train.image_shape().numel() : kWidth;
    Linear layer(in, kWidth, {.bias = false});
    normal_(layer.weight, 0.0, 1.0 / std::sqrt(static_cast<double>(in)));
    net.push_back("fc" + std::to_string(k), std::move(layer));
    net.push_back("norm" + std::to_string(k), BatchNorm1d(kWidth, {.eps = 1e-3}));
    net.push_back("relu" + std::to_string(k), ReLU());
  }
  net.push_back("out", Linear(kWidth, data.num_classes));
  SGD optimizer(net.parameters(), {.lr = 1e-5 * kBatch});
  train_steps(net, optimizer, data.images.train, steps, kBatch, seed);
  // Uses batch statistics: in so deep a net, the running ones do not fit the current weights.
  const FreezeStatisticsGuard frozen;
  return compare_norms::score(net, data.images.test).accuracy;
}

void add_depths(const Settings& settings, Outcome& outcome) {
  const compare_norms::Data data = compare_norms::open_data(settings.data, 0);
  const std::vector<std::int64_t> depths = {5, 10, 20, 40, 60};
  const std::size_t seeds = settings.quick ? 1 : 3;
  const std::int64_t epochs = settings.quick ? 3 : 10;
  const std::int64_t steps = epochs * (data.images.train.size() / 128);
  const std::vector<Numbers> results =
      compute(settings, "mean-field, depths", depths.size() * seeds, [&](std::size_t i) {
        return Numbers{
            accuracy_at_depth(data, depths[depths.size() - 1 - i / seeds], steps, settings.first_seed + i % seeds)};
      });
  lab::Chart chart{.section = "Mean field",
                   .title = "Test accuracy after " + std::to_string(steps) + " steps over the depth",
                   .x_label = "layers",
                   .y_label = "test accuracy, %",
                   .y_low = 0.0,
                   .y_high = 100.0};
  lab::Series series{.name = "BatchNorm and ReLU"};
  std::vector<lab::Estimate> accuracies;
  for (std::size_t d = 0; d < depths.size(); ++d) {
    std::vector<double> values;
    for (std::size_t k = 0; k < seeds; ++k) {
      values.push_back(results[(depths.size() - 1 - d) * seeds + k][0]);
    }
    accuracies.push_back(lab::median_with_interval(values));
    series.x.push_back(static_cast<double>(depths[d]));
    series.y.push_back(100.0 * accuracies.back().value);
    series.low.push_back(100.0 * accuracies.back().low);
    series.high.push_back(100.0 * accuracies.back().high);
  }
  chart.series.push_back(series);
  outcome.charts.push_back(chart);
  const double gap = accuracies[1].value - accuracies[4].value;
  outcome.findings.push_back(
      {.claim = "Networks deeper than about 50 layers cannot be trained: 10 layers beat 60 by 50 points "
                "(the 50 is ours, the figure prints none)",
       .published = "depth limit about 50",
       .measured = "accuracy " + fixed(100 * accuracies[1].value, 1) + " % with 10 layers, " +
                   fixed(100 * accuracies[3].value, 1) + " % with 40, " + fixed(100 * accuracies[4].value, 1) +
                   " % with 60; " + std::to_string(seeds) + " seed(s)",
       .held = gap >= 0.5});
}

}  // namespace

Outcome mean_field(const Settings& settings) {
  Outcome outcome{
      .name = "mean-field",
      .source = "Yang et al., \"A Mean Field Theory of Batch Normalization\", ICLR 2019: Theorem 8, Figure 2(a)",
      .setup =
          "Random nets of 24 layers in float64, gradients of a random projection, rates from layers 7 to "
          "20. Depths: width 128, batch 128, eps 1e-3, SGD at 1e-5 times the batch, accuracy with the "
          "statistics of batches of 500",
      .differs =
          "Fewer and narrower nets for the rates (paper: 200 nets of width 1000). Depths: Fashion-MNIST "
          "for MNIST, width 128 for 384, fewer than 10 epochs."};
  add_growth(settings, outcome);
  add_depths(settings, outcome);
  return outcome;
}

}  // namespace reproduce
