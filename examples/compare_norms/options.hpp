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
  std::optional<std::int64_t> steps;
  std::optional<double> epochs;
  std::optional<std::int64_t> batch_size;
  std::optional<double> lr;
  std::optional<double> momentum;
  std::string optimizer = "sgd";
  std::int64_t seeds = 1;
  std::uint64_t first_seed = 1;
  std::optional<std::int64_t> eval_every;
  std::int64_t train_limit = 0;
  std::optional<int> threads;
  std::filesystem::path out = "out/compare_norms";
  std::string log_level = "info";
};

/// How one model is trained: the options with the model's own defaults filled in.
struct Plan {
  std::string model;
  std::string optimizer;
  std::int64_t steps = 0;
  std::int64_t batch_size = 0;
  double lr = 0.0;
  double momentum = 0.0;
  std::int64_t eval_every = 0;
};

/// Prints the help and returns nothing for --help; throws normgrad::ValueError for wrong flags.
std::optional<Options> parse_options(int argc, const char* const* argv);

/// `train_size`: number of training images, which says how many steps an epoch has.
Plan make_plan(const Options& options, const std::string& model, std::int64_t train_size);

/// "5000 steps of 60 images, sgd, lr 0.1".
std::string to_string(const Plan& plan);

}  // namespace compare_norms
