// What compare_norms is told on its command line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace compare_norms {

/// As given; empty where a flag was left out.
struct Options {
  std::string data;
  std::vector<std::string> models = {"mlp", "cnn"};
  std::vector<std::string> norms = {"none", "batch", "layer", "instance", "group", "rms"};
  std::vector<std::string> optimizers = {"sgd"};
  std::vector<std::string> activations;
  std::vector<double> lrs;
  std::vector<std::int64_t> batch_sizes;
  std::optional<std::int64_t> steps;
  std::optional<double> epochs;
  std::optional<double> momentum;
  std::int64_t seeds = 1;
  std::uint64_t first_seed = 1;
  std::optional<std::int64_t> eval_every;
  std::vector<int> targets = {70, 80, 85};  ///< per cent of test accuracy
  std::int64_t train_limit = 0;
  bool probes = false;
  std::optional<int> jobs;
  std::optional<int> threads;
  bool fresh = false;
  std::filesystem::path out = "out/compare_norms";
  std::string log_level = "info";
  std::string command;  ///< all of it, as it was typed
};

/// One setting of a sweep: how a model is trained, the options with the model's own defaults filled in.
struct Plan {
  std::string model;
  std::string norm;
  std::string activation;
  std::string optimizer;
  std::int64_t steps = 0;
  std::int64_t batch_size = 0;
  double lr = 0.0;
  double momentum = 0.0;
  std::int64_t eval_every = 0;
  bool probes = false;
};

/// Prints the help and returns nothing for --help; throws normgrad::ValueError for wrong flags.
std::optional<Options> parse_options(int argc, const char* const* argv);

/// All settings in order: model by model, optimizer, activation, batch size, learning rate, and norm by norm.
/// `train_size`: number of training images, which says how many steps an epoch has.
std::vector<Plan> make_plans(const Options& options, std::int64_t train_size);

/// "5000 steps of 60 images, sgd, lr 0.1": all but model and norm. The activation is named unless it is the model's
/// own.
std::string to_string(const Plan& plan);
/// A number as one types it: 0.05, 100, 1e-05.
std::string short_number(double value);

}  // namespace compare_norms
