// Bjorck, Gomes, Selman and Weinberger, "Understanding Batch Normalization", NeurIPS 2018, and the learning rates of
// Ioffe and Szegedy, 2015, section 4.2.
#include <algorithm>
#include <cmath>

#include "lab/compare_norms/summary.hpp"
#include "lab/reproduce/grid.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

constexpr double kTrains = 0.5;  // test accuracy; chance is 0.1

struct Curve {
  std::vector<double> accuracy;              ///< median over the seeds, per rate
  std::vector<std::vector<double>> by_seed;  ///< per rate
};

std::size_t best_rate(const Curve& curve) {
  return static_cast<std::size_t>(std::max_element(curve.accuracy.begin(), curve.accuracy.end()) -
                                  curve.accuracy.begin());
}

}  // namespace

Outcome learning_rate(const Settings& settings) {
  const compare_norms::Data data = compare_norms::open_data(settings.data, 0);
  std::vector<double> rates;
  for (int k = 0; k < (settings.quick ? 8 : 14); ++k) {
    rates.push_back(0.003 * std::pow(settings.quick ? 4.0 : 2.0, k));
  }
  const std::vector<std::string> norms = {"none", "batch", "layer"};
  const std::size_t seeds = settings.quick ? 3 : 5;
  compare_norms::Plan plan{.model = "deep-mlp:8", .norm = "none", .activation = "relu", .optimizer = "sgd"};
  plan.batch_size = 128;
  plan.steps = settings.quick ? 400 : 1400;
  plan.eval_every = plan.steps;
  const std::vector<Numbers> results =
      compute(settings, "learning-rate", norms.size() * rates.size() * seeds, [&](std::size_t i) {
        compare_norms::Plan mine = plan;
        mine.norm = norms[i / seeds / rates.size()];
        mine.lr = rates[i / seeds % rates.size()];
        const compare_norms::Run run = compare_norms::train(mine, settings.first_seed + i % seeds, data,
                                                            {.on_step = [](std::int64_t) {},
                                                             .on_measurement = [](const compare_norms::Measurement&) {},
                                                             .should_stop = [] { return false; }});
        return Numbers{run.diverged ? 0.0 : compare_norms::final_accuracy(run)};
      });
  Outcome outcome{.name = "learning-rate",
                  .source =
                      "Bjorck et al., \"Understanding Batch Normalization\", NeurIPS 2018; the factor is that of Ioffe "
                      "and Szegedy 2015, section 4.2",
                  .setup = "8 layers of 128 with ReLU on " + settings.data + ", batch 128, SGD, " +
                           std::to_string(plan.steps) + " steps, " + std::to_string(rates.size()) + " rates from " +
                           compare_norms::short_number(rates.front()) + " to " +
                           compare_norms::short_number(rates.back()) + ", " + std::to_string(seeds) +
                           " seeds; a rate trains when the median test accuracy is at least 50 %",
                  .differs = "The papers train ResNet-110 on CIFAR-10 and Inception on ImageNet."};
  lab::Chart chart{.section = "Learning rates",
                   .title = "Test accuracy after " + std::to_string(plan.steps) + " steps",
                   .x_label = "learning rate",
                   .y_label = "test accuracy, %",
                   .log_x = true,
                   .y_low = 0.0,
                   .y_high = 100.0};
  std::vector<Curve> curves(norms.size());
  for (std::size_t n = 0; n < norms.size(); ++n) {
    lab::Series series{.name = norms[n]};
    for (std::size_t r = 0; r < rates.size(); ++r) {
      std::vector<double> values;
      for (std::size_t s = 0; s < seeds; ++s) {
        values.push_back(results[(n * rates.size() + r) * seeds + s][0]);
      }
      const lab::Estimate e = lab::median_with_interval(values);
      curves[n].accuracy.push_back(e.value);
      curves[n].by_seed.push_back(values);
      series.x.push_back(rates[r]);
      series.y.push_back(100.0 * e.value);
      series.low.push_back(100.0 * e.low);
      series.high.push_back(100.0 * e.high);
    }
    chart.series.push_back(series);
  }
  outcome.charts.push_back(chart);
  const double highest_none = highest_rate(rates, curves[0].accuracy, kTrains);
  const double highest_batch = highest_rate(rates, curves[1].accuracy, kTrains);
  const std::string ratio = highest_none > 0.0 ? fixed(highest_batch / highest_none, 1) : "infinite";
  const bool open_end = highest_batch == rates.back();
  outcome.findings.push_back(
      {.claim = "BatchNorm trains at more than 5 times the learning rate at which the plain net still trains (30 times "
                "works "
                "with it, 5 times diverges without)",
       .published = "more than 5 times",
       .measured = ratio + " times" + (open_end ? " or more" : "") + ": " + compare_norms::short_number(highest_batch) +
                   " against " + compare_norms::short_number(highest_none) + " (layer norm: " +
                   compare_norms::short_number(highest_rate(rates, curves[2].accuracy, kTrains)) + ")",
       .held = highest_batch > 5.0 * highest_none});
  const std::size_t best_none = best_rate(curves[0]);
  const std::size_t best_batch = best_rate(curves[1]);
  const lab::Estimate gain =
      lab::median_with_interval(paired_difference(curves[1].by_seed[best_batch], curves[0].by_seed[best_none]));
  outcome.findings.push_back({.claim = "At each one's best rate BatchNorm reaches the higher test accuracy",
                              .published = "higher",
                              .measured = points(gain) + ", at " + compare_norms::short_number(rates[best_batch]) +
                                          " against " + compare_norms::short_number(rates[best_none]),
                              .held = gain.low > 0.0});
  std::size_t low = 0;
  for (std::size_t r = 0; r < rates.size(); ++r) {
    low = rates[r] <= highest_none / 3.0 * 1.001 ? r : low;
  }
  const lab::Estimate same =
      lab::median_with_interval(paired_difference(curves[1].by_seed[low], curves[0].by_seed[low]));
  outcome.findings.push_back(
      {.claim = "At a small rate (a third of the plain net's highest) both are the same: within 1 point "
                "(the 1 is ours)",
       .published = "about equal",
       .measured = points(same) + " at " + compare_norms::short_number(rates[low]),
       .held = std::abs(same.value) <= 0.01});
  return outcome;
}

}  // namespace reproduce
