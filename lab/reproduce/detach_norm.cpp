// Xu, Sun, Zhang, Zhao and Lin, "Understanding and Improving Layer Normalization", NeurIPS 2019.
#include <cmath>

#include "lab/reproduce/experiment.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

/// LayerNorm composed of tensor operations. If `detached`, mean and deviation are constants in the backward.
class ComposedLayerNorm final : public Module {
 public:
  ComposedLayerNorm(std::int64_t features, bool detached)
      : weight(ones({features})), bias(zeros({features})), detached_(detached) {}
  Parameter weight;
  Parameter bias;
  NORMGRAD_MEMBERS(ComposedLayerNorm, weight, bias)
  Tensor forward(const Tensor& x) override {
    Tensor mean = x.mean(-1, true);
    Tensor rstd = rsqrt(x.var(-1, false, true) + 1e-5);
    if (detached_) {
      mean = mean.detach();
      rstd = rstd.detach();
    }
    return (x - mean) * rstd * weight + bias;
  }

 private:
  bool detached_;
};

enum class Kind { none, layer, detached };

Sequential make_net(Kind kind, const compare_norms::Data& data) {
  constexpr std::int64_t kHidden = 100;
  Sequential net;
  net.push_back("flatten", Flatten());
  for (std::int64_t k = 0; k < 4; ++k) {
    const std::string i = std::to_string(k);
    net.push_back("fc" + i, Linear(k == 0 ? data.images.train.image_shape().numel() : kHidden, kHidden));
    if (kind != Kind::none) {
      net.push_back("norm" + i, ComposedLayerNorm(kHidden, kind == Kind::detached));
    }
    net.push_back("relu" + i, ReLU());
  }
  net.push_back("out", Linear(kHidden, data.num_classes));
  return net;
}

constexpr std::size_t kPieces = 20;

/// The mean training loss in each of 20 parts of the run, then the test accuracy.
Numbers losses(const compare_norms::Data& data, Kind kind, double lr, std::int64_t steps, std::uint64_t seed) {
  manual_seed(seed);
  Sequential net = make_net(kind, data);
  SGD optimizer(net.parameters(), {.lr = lr});
  Numbers pieces(kPieces, 0.0);
  const std::int64_t length = steps / static_cast<std::int64_t>(kPieces);
  train_steps(net, optimizer, data.images.train, steps, 60, seed, [&](std::int64_t step, double loss) {
    pieces[static_cast<std::size_t>((step - 1) / length)] += loss / static_cast<double>(length);
  });
  pieces.push_back(test_accuracy(net, data.images.test));
  return pieces;
}

}  // namespace

Outcome detach_norm(const Settings& settings) {
  const std::int64_t steps = settings.quick ? 1000 : 4000;
  const std::size_t seeds = settings.quick ? 3 : 6;
  const std::vector<double> rates = {0.02, 0.1};
  const std::vector<std::pair<Kind, std::string>> kinds = {
      {Kind::none, "no norm"}, {Kind::layer, "LayerNorm"}, {Kind::detached, "DetachNorm"}};
  Outcome outcome{.name = "detach-norm",
                  .source = "Xu et al., \"Understanding and Improving Layer Normalization\", NeurIPS 2019, section 3",
                  .setup = "784-100-100-100-100-10 with ReLU on " + settings.data + ", batch 60, SGD, " +
                           std::to_string(steps) + " steps; the norm is one formula with and without detach()",
                  .differs = "The paper trains transformers, LSTMs and, on MNIST, a CNN."};
  const compare_norms::Data data = compare_norms::open_data(settings.data, 0);
  const std::vector<Numbers> results =
      compute(settings, "detach-norm", rates.size() * kinds.size() * seeds, [&](std::size_t i) {
        return losses(data, kinds[i / seeds % kinds.size()].first, rates[i / seeds / kinds.size()], steps,
                      settings.first_seed + i % seeds);
      });
  const auto result = [&](std::size_t rate, std::size_t kind, std::size_t seed) -> const Numbers& {
    return results[(rate * kinds.size() + kind) * seeds + seed];
  };
  lab::Table table{.title = "Last twentieth of the run", .header = {"norm", "lr", "training loss", "test accuracy, %"}};
  for (std::size_t r = 0; r < rates.size(); ++r) {
    lab::Chart chart{.section = "DetachNorm",
                     .title = "Training loss at lr " + fixed(rates[r], 2),
                     .x_label = "step",
                     .y_label = "training loss",
                     .log_y = true};
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      lab::Series series{.name = kinds[k].second};
      for (std::size_t piece = 0; piece < kPieces; ++piece) {
        std::vector<double> values;
        for (std::size_t s = 0; s < seeds; ++s) {
          values.push_back(result(r, k, s)[piece]);
        }
        const lab::Estimate e = lab::median_with_interval(values);
        series.x.push_back(static_cast<double>(steps) * (static_cast<double>(piece) + 0.5) / kPieces);
        series.y.push_back(e.value);
        series.low.push_back(e.low);
        series.high.push_back(e.high);
      }
      chart.series.push_back(series);
      std::vector<double> last;
      std::vector<double> accuracy;
      for (std::size_t s = 0; s < seeds; ++s) {
        last.push_back(result(r, k, s)[kPieces - 1]);
        accuracy.push_back(100.0 * result(r, k, s)[kPieces]);
      }
      table.rows.push_back(
          {.cells = {kinds[k].second, fixed(rates[r], 2), with_interval(lab::median_with_interval(last), 3),
                     with_interval(lab::median_with_interval(accuracy), 1)}});
    }
    outcome.charts.push_back(chart);
    std::vector<double> differences;
    for (std::size_t s = 0; s < seeds; ++s) {
      differences.push_back(result(r, 2, s)[kPieces - 1] - result(r, 1, s)[kPieces - 1]);
    }
    const lab::Estimate d = lab::median_with_interval(differences);
    outcome.findings.push_back(
        {.claim = "DetachNorm, whose statistics are constants in the backward, is clearly worse than "
                  "LayerNorm; here: a higher training loss at lr " +
                  fixed(rates[r], 2),
         .published = "worse on every task",
         .measured = "training loss higher by " + with_interval(d, 3) + ", " + std::to_string(seeds) + " seeds",
         .held = d.low > 0.0});
  }
  outcome.tables.push_back(table);
  return outcome;
}

}  // namespace reproduce
