#include "lab/compare_norms/options.hpp"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <sstream>
#include <CLI/CLI.hpp>

#include "lab/compare_norms/models.hpp"
#include "lab/compare_norms/panels.hpp"
#include "lab/number_checks.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {

namespace {

constexpr const char* kDescription =
    "Trains the same models from the same start on the same batches without a norm and with each norm, and shows how\n"
    "they converge and whether the differences are real: a table, report.html, results.csv, summary.json, "
    "summary.csv,\n"
    "summary.md, curves.png and curves.svg. Every flag that takes a list makes a sweep over all combinations.";
constexpr const char* kFooter =
    "Without --models there are three panels in which norms decide: mlp, resnet at a learning rate at which it does "
    "not\n"
    "train without a norm, and vit with norms before and after its branches. They take about two minutes.\n"
    "Finished runs are kept in the folder of the results: the same command continues an interrupted sweep, and an\n"
    "extended sweep runs only what is new. Ctrl-C keeps what was measured.\n"
    "Exit code: 0 done, 2 wrong input, 130 interrupted, 1 any other error.";

constexpr double kMaxSeeds = 10'000;

std::string known_norms() {
  std::string text;
  for (const std::string& name : normgrad::norm_names()) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

void add_sweep_flags(CLI::App& app, Options& options) {
  app.add_option("--models,--model", options.models,
                 "mlp (784-100-100-100-10, sigmoid; batch 60, lr 0.1), cnn (two 3x3 convolutions, ReLU; batch 64, lr "
                 "0.05, momentum 0.9), lenet (LeNet-5, sigmoid; batch 256, lr 0.9), deep-mlp:DEPTH (layers of 128, "
                 "ReLU; batch 128, lr 0.05), resnet (three residual blocks, ReLU; as cnn), vit (a transformer of six "
                 "blocks over "
                 "patches, GELU; batch 64, adamw), gpt (the same over characters; batch 16), unet (removes noise from "
                 "images; adam), dcgan (makes images, spectral norm in its discriminator; adam), separated by commas. "
                 "Default: mlp, resnet and vit, as said below")
      ->delimiter(',');
  app.add_option("--norms", options.norms,
                 "Separated by commas: " + known_norms() +
                     ". group:N has N groups; other options after colons: batch:momentum=0.01, layer:eps=1e-3. "
                     "Default: none,batch,layer,instance,group,rms, or those of the panels")
      ->delimiter(',');
  app.add_option("--lrs,--lr", options.lrs,
                 "Learning rates. Default: the model's (mlp 0.1, cnn 0.05); adam and adamw 0.001")
      ->delimiter(',')
      ->check(lab::number_in(lab::kAboveZero));
  app.add_option("--batch-sizes,--batch-size", options.batch_sizes,
                 "Images per step. Default: the model's (mlp 60, cnn 64)")
      ->delimiter(',')
      ->check(lab::whole_number_in(lab::kAtLeastOne));
  app.add_option(
         "--placements,--placement", options.placements,
         "Where the norms of transformers (vit, gpt) stand: pre (default), before each branch, post, after each "
         "sum, sandwich, before and after each branch, deepnorm, after scaled sums, and/or none")
      ->delimiter(',')
      ->check(CLI::IsMember(placement_names()));
  app.add_flag("--qk-norm", options.qk_norm, "Normalize queries and keys of transformers, too, with the same norm");
  app.add_option("--optimizers,--optimizer", options.optimizers,
                 "sgd, adam and/or adamw. Default: the model's (adamw for vit and gpt, else sgd)")
      ->delimiter(',')
      ->check(CLI::IsMember({"sgd", "adam", "adamw"}));
  app.add_option("--activations,--activation", options.activations,
                 "sigmoid, tanh, relu, leaky_relu, elu, selu, gelu and/or silu. Default: the model's")
      ->delimiter(',')
      ->check(CLI::IsMember(activation_names()));
  app.add_option("--seeds", options.seeds, "Runs of every setting, each with another seed. Default: 1")
      ->check(lab::whole_number_in({1.0, kMaxSeeds}));
  app.add_option("--seed", options.first_seed, "Seed of the first run: initialization and order of images. Default: 1");
}

void add_training_flags(CLI::App& app, Options& options) {
  app.add_option("--data", options.data,
                 "fashion-mnist (Debian's package dataset-fashion-mnist), digits (drawn by the program) or a folder "
                 "with MNIST-style IDX files of any image size, number of channels and of classes. Default: "
                 "fashion-mnist where it is installed, else digits");
  app.add_option("--text", options.text, "A file of UTF-8 text for gpt. Default: stories made by the program");
  CLI::Option* steps =
      app.add_option("--steps", options.steps, "Optimizer steps. Default: the model's (mlp 5000, cnn 500)");
  steps->check(lab::whole_number_in(lab::kAtLeastOne));
  app.add_option("--epochs", options.epochs, "Passes through the training images, instead of --steps")
      ->check(lab::number_in(lab::kAboveZero))
      ->excludes(steps);
  app.add_option("--momentum", options.momentum, "Momentum of sgd. Default: the model's (mlp 0, cnn 0.9)")
      ->check(lab::number_in(lab::kAtLeastZero));
  app.add_option("--warmup", options.warmup, "Steps over which the learning rate rises to its value. Default: 0")
      ->check(lab::whole_number_in(lab::kAtLeastZero));
  app.add_option("--schedule", options.schedule,
                 "Of the learning rate after the warmup: constant (default), cosine, down to 0, or onecycle, up in the "
                 "warmup or the first 30 % of the steps, then down")
      ->check(CLI::IsMember({"constant", "cosine", "onecycle"}));
  app.add_option("--eval-every", options.eval_every,
                 "Steps between two measurements. Default: the model's (mlp 250, cnn 100)")
      ->check(lab::whole_number_in(lab::kAtLeastOne));
  app.add_option("--targets", options.targets,
                 "Test accuracies in per cent; the steps and seconds to reach them are reported. Default: 70,80,85")
      ->delimiter(',')
      ->check(CLI::Range(1, 100));
  app.add_option("--train-limit", options.train_limit, "Train on the first N images only. Default: all")
      ->check(lab::whole_number_in(lab::kAtLeastOne));
  app.add_option("--test-limit", options.test_limit,
                 "Measure on the first N test images only. Default: all, or 2500 for the panels")
      ->check(lab::whole_number_in(lab::kAtLeastOne));
  app.add_flag("--probes", options.probes,
               "At every measurement also record percentiles of pre-activations, gradient norms, how far running "
               "statistics are from a batch's, and the accuracy in both modes");
}

void add_program_flags(CLI::App& app, Options& options) {
  app.add_option("--jobs", options.jobs, "Runs at once; results do not depend on it. Default: all processors")
      ->check(CLI::Range(1, 1024));
  app.add_option("--threads", options.threads,
                 "Threads of a run; results do not depend on it. Default: the processors divided by the jobs")
      ->check(CLI::Range(1, 1024));
  app.add_option("--out", options.out, "Folder of the results. Default: out/compare_norms");
  app.add_flag("--fresh", options.fresh, "Repeat runs that were done before");
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

/// Throws for unknown names, for a norm that no model can have, and if none of the models can have any of the norms.
void check_models_and_norms(const Options& options) {
  bool some_run = false;
  std::string why;
  for (const std::string& norm : options.norms) {
    std::optional<normgrad::ValueError> refusal;
    bool fits_one = false;
    for (const std::string& model : options.models) {
      check_model_name(model);
      try {
        const std::string reason = why_not_applicable(model, norm);
        some_run = some_run || reason.empty();
        why += reason.empty() ? "" : (why.empty() ? "" : "; ") + model + ": " + reason;
        fits_one = true;
      } catch (const normgrad::ValueError& error) {
        refusal = error;
      }
    }
    if (refusal && !fits_one) {
      throw normgrad::ValueError(std::string("--norms: ") + refusal->what());
    }
  }
  normgrad::require<normgrad::ValueError>(some_run, "--norms: expected a norm that one of the models can have; ", why);
}

template <class T>
std::vector<T> or_default(const std::vector<T>& given, T otherwise) {
  return given.empty() ? std::vector<T>{otherwise} : given;
}

Plan make_plan(const Options& options, const std::string& model, std::int64_t batch_size, std::int64_t train_size) {
  const Defaults defaults = defaults_of(model);
  Plan plan;
  plan.model = model;
  plan.batch_size = std::min(batch_size, train_size);
  const std::int64_t steps_per_epoch = train_size / plan.batch_size;
  const Panel* panel = options.panels ? panel_of(model) : nullptr;
  plan.steps = options.steps.value_or(panel != nullptr ? panel->steps : defaults.steps);
  if (options.epochs) {
    plan.steps = std::max<std::int64_t>(1, std::llround(*options.epochs * static_cast<double>(steps_per_epoch)));
  }
  plan.eval_every =
      std::min(options.eval_every.value_or(panel != nullptr ? panel->eval_every : defaults.eval_every), plan.steps);
  plan.probes = options.probes && has_classes(model);
  return plan;
}

/// Throws for flags that no run of the sweep would use.
void check_that_flags_serve(const Options& options) {
  const auto some_model = [&](const auto& fits) {
    return std::any_of(options.models.begin(), options.models.end(), fits);
  };
  const bool has_sgd = some_model([&](const std::string& model) {
    const std::vector<std::string> used = or_default(options.optimizers, std::string(defaults_of(model).optimizer));
    return std::find(used.begin(), used.end(), "sgd") != used.end();
  });
  normgrad::require<normgrad::ValueError>(
      !options.momentum || has_sgd, "--momentum: only sgd has momentum, not ",
      or_default(options.optimizers, std::string(defaults_of(options.models.front()).optimizer)).front());
  normgrad::require<normgrad::ValueError>(options.placements.empty() || some_model(has_placements),
                                          "--placements: only transformers (vit, gpt) have placements, not ",
                                          options.models.front());
  normgrad::require<normgrad::ValueError>(
      !options.probes || some_model(has_classes),
      "--probes: expected a model that predicts classes, whose accuracy is probed, but got ", options.models.front());
  normgrad::require<normgrad::ValueError>(options.text.empty() || some_model(reads_text),
                                          "--text: only gpt reads text, not ", options.models.front());
  normgrad::require<normgrad::ValueError>(!options.qk_norm || some_model(has_placements),
                                          "--qk-norm: only transformers (vit, gpt) have queries and keys, not ",
                                          options.models.front());
}

/// Fills in what was not given.
void show_panels(const CLI::App& app, Options& options) {
  options.panels = true;
  for (const Panel& panel : panels()) {
    options.models.push_back(panel.model);
  }
  options.own_norms = app.get_option("--norms")->count() == 0;
  if (options.own_norms) {
    options.norms = norms_of_panels();
  }
  if (options.test_limit == 0) {
    options.test_limit = kTestImagesOfPanels;
  }
  if (options.placements.empty()) {
    options.placements = panel_of("vit")->placements;
  }
}

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app(kDescription, "compare_norms");
  app.footer(kFooter);
  add_sweep_flags(app, options);
  add_training_flags(app, options);
  add_program_flags(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw normgrad::ValueError(std::string(error.what()) + " (see --help)");
  }
  if (options.models.empty()) {
    show_panels(app, options);
  }
  drop_repeated(options.models);
  drop_repeated(options.norms);
  drop_repeated(options.optimizers);
  drop_repeated(options.placements);
  drop_repeated(options.activations);
  drop_repeated(options.lrs);
  drop_repeated(options.batch_sizes);
  std::sort(options.lrs.begin(), options.lrs.end());
  std::sort(options.batch_sizes.begin(), options.batch_sizes.end());
  std::sort(options.targets.begin(), options.targets.end());
  drop_repeated(options.targets);
  check_models_and_norms(options);
  check_that_flags_serve(options);
  for (int i = 0; i < argc; ++i) {
    options.command += (i == 0 ? "" : " ") + std::string(argv[i]);
  }
  return options;
}

std::vector<Plan> make_plans(const Options& options, std::int64_t train_size, std::int64_t text_windows) {
  std::vector<Plan> plans;
  for (const std::string& model : options.models) {
    const Defaults defaults = defaults_of(model);
    const Panel* panel = options.panels ? panel_of(model) : nullptr;
    const auto default_lr = [&](const std::string& optimizer) {
      const bool has_own = panel != nullptr && optimizer == defaults.optimizer;
      return has_own ? panel->lr : optimizer == "sgd" ? defaults.lr : 1e-3;
    };
    const std::int64_t available = reads_text(model) ? text_windows : train_size;
    std::vector<std::int64_t> batch_sizes = or_default(options.batch_sizes, defaults.batch_size);
    for (std::int64_t& size : batch_sizes) {
      size = std::min(size, available);
    }
    drop_repeated(batch_sizes);  // larger ones than there are examples are one and the same
    const std::vector<std::string> placements =
        has_placements(model) ? or_default(options.placements, std::string("pre")) : std::vector<std::string>{""};
    for (const std::string& placement : placements) {
      for (const std::string& optimizer : or_default(options.optimizers, std::string(defaults.optimizer))) {
        for (const std::string& activation : or_default(options.activations, std::string(defaults.activation))) {
          for (const std::int64_t batch_size : batch_sizes) {
            for (const double lr : or_default(options.lrs, default_lr(optimizer))) {
              for (const std::string& norm : panel != nullptr && options.own_norms ? panel->norms : options.norms) {
                Plan plan = make_plan(options, model, batch_size, available);
                plan.norm = norm;
                plan.placement = placement;
                plan.activation = activation;
                plan.optimizer = optimizer;
                plan.lr = lr;
                plan.momentum = optimizer == "sgd" ? options.momentum.value_or(defaults.momentum) : 0.0;
                plan.qk_norm = options.qk_norm && has_placements(model);
                plan.warmup = options.warmup;
                plan.schedule = options.schedule;
                plans.push_back(plan);
              }
            }
          }
        }
      }
    }
  }
  return plans;
}

Plan without_idle_settings(Plan plan) {
  const bool has_no_norms = plan.norm == "none" || (plan.placement == "none" && !plan.qk_norm);
  if (has_placements(plan.model) && has_no_norms && plan.placement != "deepnorm") {  // which scales its sums
    plan.placement = "pre";
    plan.norm = "none";
    plan.qk_norm = false;
  }
  return plan;
}

std::string short_number(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

std::string to_string(const Plan& plan) {
  std::ostringstream out;
  out << plan.steps << " steps of " << plan.batch_size << (reads_text(plan.model) ? " texts, " : " images, ")
      << plan.optimizer << ", lr " << plan.lr;
  if (plan.momentum != 0.0) {
    out << ", momentum " << plan.momentum;
  }
  if (plan.warmup > 0) {
    out << ", warm-up of " << plan.warmup << " steps";
  }
  if (plan.schedule != "constant") {
    out << ", " << (plan.schedule == "cosine" ? "cosine schedule" : "one cycle");
  }
  if (!plan.placement.empty()) {
    out << ", " << placement_in_words(plan.placement) << (plan.qk_norm ? ", norm of queries and keys" : "");
  }
  if (plan.activation != defaults_of(plan.model).activation) {
    out << ", " << plan.activation;
  }
  return out.str();
}

}  // namespace compare_norms
