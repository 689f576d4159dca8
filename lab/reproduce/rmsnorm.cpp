// Zhang and Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019.
#include <ctime>

#include "lab/reproduce/grid.hpp"
#include "lab/reproduce/transformer.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

/// Processor time of a call, which other programs on the machine change little.
template <class Function>
double processor_seconds(const Function& function) {
  const std::clock_t start = std::clock();
  function();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

/// By how much the second of two alternating calls is faster, as a fraction of the first; the medians of `times` calls.
double saved(std::int64_t times, const std::function<void()>& first, const std::function<void()>& second) {
  std::vector<double> of_first;
  std::vector<double> of_second;
  for (std::int64_t i = 0; i < times + 3; ++i) {
    const double a = processor_seconds(first);
    const double b = processor_seconds(second);
    if (i >= 3) {  // the first calls also request memory
      of_first.push_back(a);
      of_second.push_back(b);
    }
  }
  return 1.0 - lab::median(of_second) / lab::median(of_first);
}

/// A training step with LayerNorm against one with RMSNorm; the same of forward and backward of the norms alone.
Numbers saved_times(const TransformerSpec& spec, const compare_norms::Data& data, std::int64_t times,
                    std::uint64_t seed) {
  manual_seed(seed);
  const Batch batch = compare_norms::BatchStream(data.images.train, 32, seed).next();
  const auto step_of = [&](const std::string& norm) {
    TransformerSpec mine = spec;
    mine.norm = norm;
    auto net = std::make_shared<Sequential>(small_transformer(mine, data));
    auto optimizer = std::make_shared<Adam>(net->parameters(), AdamOptions{.lr = 1e-3});
    return [net, optimizer, &batch] { step_in_parts(*net, *optimizer, {batch}); };
  };
  const double of_step = saved(times, step_of("layer"), step_of("rms"));
  const Tensor x = randn({32 * 16, spec.width}).requires_grad_();
  const Tensor gy = randn(x.shape());
  const auto pass_of = [&](const std::string& name) {
    auto norm = std::make_shared<AnyModule>(make_norm(name, {.num_features = spec.width}));
    return [norm, &x, &gy] {
      for (int i = 0; i < 20; ++i) {  // one is too short for the clock
        ((*norm)(x)*gy).sum().backward();
      }
    };
  };
  return {100.0 * of_step, 100.0 * saved(times, pass_of("layer"), pass_of("rms"))};
}

}  // namespace

Outcome rmsnorm(const Settings& settings) {
  const compare_norms::Data data = few_images(settings.data, 0, settings.choose(10'000, 5'000, 100));
  const std::size_t seeds = settings.choose<std::size_t>(9, 6, 1);
  const std::int64_t steps = settings.choose<std::int64_t>(3000, 1000, 2);
  const std::int64_t times = settings.choose<std::int64_t>(200, 60, 2);
  const TransformerSpec spec = {.layers = settings.choose<std::int64_t>(6, 4, 1)};
  Outcome outcome{.name = "rmsnorm",
                  .source =
                      "Zhang and Sennrich, \"Root Mean Square Layer Normalization\", NeurIPS 2019, abstract and "
                      "section 6",
                  .setup = "Pre-LN transformers of " + std::to_string(spec.layers) + " layers of width 32 on " +
                           settings.data + " in 16 patches, batch 32, Adam at 0.003 with warm-up and linear decay, " +
                           std::to_string(steps) + " steps, " + std::to_string(seeds) +
                           " seeds. Times are processor time of one thread, medians of " + std::to_string(times) +
                           " steps with the one and the other in turn",
                  .differs =
                      "The paper trains translation and other models in TensorFlow and Theano, whose LayerNorms "
                      "were composed of several operations; normgrad's norms are one kernel each."};
  const std::vector<std::string> norms = {"layer", "rms"};
  const Grid quality = run_grid(settings, "rmsnorm", norms.size(), seeds, [&](std::size_t setup, std::uint64_t seed) {
    TransformerSpec mine = spec;
    mine.norm = norms[setup];
    return train_transformer(mine, {.steps = steps, .lr = 3e-3, .warmup = steps / 10, .decay = true}, data, seed);
  });
  Settings alone = settings;
  alone.jobs = 1;  // runs at the same time would disturb each other's caches
  const Grid time = run_grid(alone, "rmsnorm, times", 1, seeds, [&](std::size_t /*setup*/, std::uint64_t seed) {
    return saved_times(spec, data, times, seed);
  });
  lab::Table table{.title = "After training", .header = {"norm", "test accuracy", "training loss"}};
  for (std::size_t n = 0; n < norms.size(); ++n) {
    table.rows.push_back(row_of(quality, n, norms[n] == "rms" ? "RMSNorm" : "LayerNorm", {3, 3}));
  }
  lab::Table saving{.title = "Time that RMSNorm saves, % of that with LayerNorm",
                    .header = {"", "a training step", "the norm alone, forward and backward"},
                    .rows = {row_of(time, 0, "saved", {1, 1})}};
  outcome.tables = {table, saving};
  const lab::Estimate better = quality.difference(1, 0, kTestAccuracy);
  outcome.findings.push_back({.claim = "RMSNorm is comparable to LayerNorm: not worse by 1 point (which is ours)",
                              .published = "comparable; CIFAR-10: 8.83 against 10.49 % error",
                              .measured = points(better) + " better",
                              .held = is_above(better, -0.01)});
  const lab::Estimate less = time.estimate(0, 0);
  outcome.findings.push_back({.claim = "It reduces the running time of the model by at least 7 %",
                              .published = "7 % to 64 %",
                              .measured = with_interval(less, 1) + " % of a training step; of the norm alone " +
                                          with_interval(time.estimate(0, 1), 1) + " %",
                              .held = is_above(less, 7.0)});
  return outcome;
}

}  // namespace reproduce
