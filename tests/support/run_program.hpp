// Runs a program and says what it wrote and how it ended.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace normgrad::testing_support {

struct ProgramResult {
  int exit_code = -1;  ///< 128 + signal when a signal ended it
  std::string out;
  std::string err;
};

struct RunOptions {
  /// Changes to the environment.
  std::map<std::string, std::string> environment = {};
  /// Standard error is a terminal.
  bool terminal = false;
  /// When this is true of what came on standard error so far, `signal` is sent, once.
  std::function<bool(const std::string& err)> signal_when = {};
  int signal = 0;
};

/// `command`: the program's path and its arguments. Throws std::runtime_error when it cannot be run.
ProgramResult run_program(const std::vector<std::string>& command, const RunOptions& options = {});

}  // namespace normgrad::testing_support
