// The command line of train_mnist.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace train_mnist {

struct Options {
  std::string data;  // empty: the installed dataset
  std::filesystem::path out = "out/train_mnist";
  bool resume = false;
  bool resume_anyway = false;  // resume with other settings or other data; implies resume
  bool overwrite = false;
  std::int64_t epochs = 5;
  std::int64_t batch_size = 64;
  double lr = 0.05;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  std::int64_t warmup = 100;  // steps
  std::uint64_t seed = 1;
  std::int64_t train_limit = 0;  // 0: all
  std::int64_t checkpoint_every = 100;
  std::optional<int> threads;
  bool distributed = false;  // one of several processes, started by mpirun
  std::string log_level = "info";
};

/// Returns nothing after --help. Throws normgrad::ValueError for an invalid command line.
std::optional<Options> parse_options(int argc, const char* const* argv);

}  // namespace train_mnist
