// The command line of compare_norms.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace compare_norms {

/// The flags as given; empty if a flag was omitted.
struct Options {
  std::string data;
  std::string text;                 ///< file; "": stories made by the program
  std::vector<std::string> models;  ///< those of the panels, see panels.hpp, if no model was given
  bool panels = false;              ///< whether no model was given
  bool own_norms = false;           ///< whether each panel has its own norms, because none were given
  std::vector<std::string> norms = {"none", "batch", "layer", "instance", "group", "rms"};
  std::vector<std::string> optimizers;
  std::vector<std::string> placements;
  bool qk_norm = false;
  std::vector<std::string> activations;
  std::vector<double> lrs;
  std::vector<std::int64_t> batch_sizes;
  std::optional<std::int64_t> steps;
  std::optional<double> epochs;
  std::optional<double> momentum;
  std::int64_t warmup = 0;
  std::string schedule = "constant";
  std::int64_t seeds = 1;
  std::uint64_t first_seed = 1;
  std::optional<std::int64_t> eval_every;
  std::vector<int> targets = {70, 80, 85};  ///< test accuracies in percent
  std::int64_t train_limit = 0;
  std::int64_t test_limit = 0;
  bool probes = false;
  std::optional<int> jobs;
  std::optional<int> threads;
  bool fresh = false;
  std::filesystem::path out = "out/compare_norms";
  std::string log_level = "info";
  std::string command;  ///< the whole command line as typed
};

/// One setting of a sweep: how a model is trained, with the model's defaults filled in.
struct Plan {
  std::string model;
  std::string norm;
  std::string activation;
  std::string optimizer;
  std::string placement = {};         ///< of the norms in transformers; "" for other models
  bool qk_norm = false;               ///< whether the queries and keys of transformers are normalized, too
  std::int64_t warmup = 0;            ///< steps over which the learning rate rises linearly
  std::string schedule = "constant";  ///< of the learning rate; see lr_of()
  std::int64_t steps = 0;
  std::int64_t batch_size = 0;
  double lr = 0.0;
  double momentum = 0.0;
  std::int64_t eval_every = 0;
  bool probes = false;
};

/// Prints the help and returns nothing for --help. Throws normgrad::ValueError for invalid flags.
std::optional<Options> parse_options(int argc, const char* const* argv);

/// All settings in order: by model, placement, optimizer, activation, batch size, learning rate, and norm. `train_size`
/// is the number of training images, which, like `text_windows` for language models, determines the steps per epoch.
std::vector<Plan> make_plans(const Options& options, std::int64_t train_size, std::int64_t text_windows = 0);

/// The plan with its placement, norm and norm of queries and keys set to "pre", "none" and false where they make no
/// difference: in a transformer without norms.
Plan without_idle_settings(Plan plan);

/// "5000 steps of 60 images, sgd, lr 0.1": everything except model and norm. The activation is included unless it is
/// the model's default.
std::string to_string(const Plan& plan);
/// A number in short notation: 0.05, 100, 1e-05.
std::string short_number(double value);

}  // namespace compare_norms
