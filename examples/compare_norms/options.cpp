#include "examples/compare_norms/options.hpp"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <sstream>
#include <CLI/CLI.hpp>

#include "examples/compare_norms/models.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {

namespace {

constexpr const char* kDescription =
    "Trains the same model from the same start on the same batches without a norm and with each norm, and shows how\n"
    "they converge: a table, results.csv, summary.json, curves.png and curves.svg.";
constexpr const char* kFooter =
    "Without arguments both models are trained with every norm, which takes about two minutes on two cores. Ctrl-C "
    "keeps what was measured.\n"
    "Exit code: 0 done, 2 wrong input, 130 interrupted, 1 any other error.";

struct Defaults {
  std::int64_t steps, batch_size, eval_every;
  double lr, momentum;
};

Defaults defaults_of(const std::string& model) {
  if (model == "mlp") {
    return {.steps = 5000, .batch_size = 60, .eval_every = 250, .lr = 0.1, .momentum = 0.0};
  }
  return {.steps = 500, .batch_size = 64, .eval_every = 100, .lr = 0.05, .momentum = 0.9};
}

CLI::Validator number_check(const std::string& expected, bool (*fits)(double)) {
  return CLI::Validator(
      [expected, fits](const std::string& text) {
        double value = 0.0;
        const bool ok = CLI::detail::lexical_cast(text, value) && fits(value);
        return ok ? std::string() : "expected a number " + expected + " but got " + text;
      },
      "");
}
CLI::Validator above_zero() {
  return number_check("above 0", [](double value) { return value > 0.0; });
}
CLI::Validator zero_or_above() {
  return number_check("of 0 or above", [](double value) { return value >= 0.0; });
}

void add_flags(CLI::App& app, Options& options) {
  app.add_option("--data", options.data,
                 "fashion-mnist (Debian's package dataset-fashion-mnist), digits (drawn by the program) or a folder "
                 "with MNIST-style IDX files. Default: fashion-mnist where it is installed, else digits");
  app.add_option("--model", options.models,
                 "mlp (784-100-100-100-10, sigmoid; batch 60, lr 0.1) and/or cnn (two 3x3 convolutions, ReLU; batch "
                 "64, lr 0.05, momentum 0.9), separated by commas. Default: mlp,cnn")
      ->delimiter(',')
      ->check(CLI::IsMember(model_names()));
  app.add_option("--norms", options.norms,
                 "none, batch, layer, instance, group, group:N (N groups) and/or rms, separated by commas. Default: "
                 "none,batch,layer,instance,group,rms")
      ->delimiter(',');
  CLI::Option* steps = app.add_option("--steps", options.steps, "Optimizer steps. Default: mlp 5000, cnn 500");
  steps->check(above_zero());
  app.add_option("--epochs", options.epochs, "Passes through the training images, instead of --steps")
      ->check(above_zero())
      ->excludes(steps);
  app.add_option("--batch-size", options.batch_size, "Images per step. Default: mlp 60, cnn 64")->check(above_zero());
  app.add_option("--lr", options.lr, "Learning rate. Default: mlp 0.1, cnn 0.05; adam and adamw 0.001")
      ->check(above_zero());
  app.add_option("--momentum", options.momentum, "Momentum of sgd. Default: mlp 0, cnn 0.9")->check(zero_or_above());
  app.add_option("--optimizer", options.optimizer, "sgd (default), adam or adamw")
      ->check(CLI::IsMember({"sgd", "adam", "adamw"}));
  app.add_option("--seeds", options.seeds, "Runs of every model and norm, each with another seed. Default: 1")
      ->check(above_zero());
  app.add_option("--seed", options.first_seed, "Seed of the first run: initialisation and order of images. Default: 1");
  app.add_option("--eval-every", options.eval_every, "Steps between two measurements. Default: mlp 250, cnn 100")
      ->check(above_zero());
  app.add_option("--train-limit", options.train_limit, "Train on the first N images only. Default: all")
      ->check(above_zero());
  app.add_option("--threads", options.threads, "Threads; results do not depend on it. Default: all processors")
      ->check(CLI::Range(1, 1024));
  app.add_option("--out", options.out, "Folder of the results. Default: out/compare_norms");
  app.add_option("--log-level", options.log_level, "trace, debug, info (default), warn, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));
}

template <class T>
void drop_repeated(std::vector<T>& values) {
  std::vector<T> kept;
  for (const T& value : values) {
    if (std::find(kept.begin(), kept.end(), value) == kept.end()) {
      kept.push_back(value);
    }
  }
  values = kept;
}

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app(kDescription, "compare_norms");
  app.footer(kFooter);
  add_flags(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw normgrad::ValueError(std::string(error.what()) + " (see --help)");
  }
  drop_repeated(options.models);
  drop_repeated(options.norms);
  for (const std::string& model : options.models) {
    for (const std::string& norm : options.norms) {
      why_not_applicable(model, norm);  // throws for what no model can have
    }
  }
  normgrad::require<normgrad::ValueError>(!options.momentum || options.optimizer == "sgd",
                                          "--momentum: only sgd has momentum, not ", options.optimizer);
  return options;
}

Plan make_plan(const Options& options, const std::string& model, std::int64_t train_size) {
  const Defaults defaults = defaults_of(model);
  Plan plan;
  plan.model = model;
  plan.optimizer = options.optimizer;
  plan.batch_size = std::min(options.batch_size.value_or(defaults.batch_size), train_size);
  const std::int64_t steps_per_epoch = train_size / plan.batch_size;
  plan.steps = options.steps.value_or(defaults.steps);
  if (options.epochs) {
    plan.steps = std::max<std::int64_t>(1, std::llround(*options.epochs * static_cast<double>(steps_per_epoch)));
  }
  plan.eval_every = std::min(options.eval_every.value_or(defaults.eval_every), plan.steps);
  plan.lr = options.lr.value_or(options.optimizer == "sgd" ? defaults.lr : 1e-3);
  plan.momentum = options.optimizer == "sgd" ? options.momentum.value_or(defaults.momentum) : 0.0;
  return plan;
}

std::string to_string(const Plan& plan) {
  std::ostringstream out;
  out << plan.steps << " steps of " << plan.batch_size << " images, " << plan.optimizer << ", lr " << plan.lr;
  if (plan.momentum != 0.0) {
    out << ", momentum " << plan.momentum;
  }
  return out.str();
}

}  // namespace compare_norms
