// The command line of train_mnist.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lab/command_line.hpp"

namespace train_mnist {

struct Options : lab::RunOptions {
  std::string data;  // empty: the installed dataset
  std::int64_t epochs = 5;
  std::int64_t batch_size = 64;
  double lr = 0.05;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  std::int64_t warmup = 100;     // steps
  std::int64_t train_limit = 0;  // 0: all
  std::string dtype = "float32";
  bool distributed = false;  // one of several processes, started by mpirun
  bool rank_logs = false;    // every rank writes a log
};

/// Returns nothing after --help. Throws normgrad::ValueError for an invalid command line.
std::optional<Options> parse_options(int argc, const char* const* argv);

}  // namespace train_mnist
