// Runs a program; returns its output and exit code.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace normgrad::tests {

struct ProgramResult {
  int exit_code = -1;  ///< 128 + signal if a signal ended it
  std::string out;
  std::string err;
};

struct RunOptions {
  /// Changes to the environment.
  std::map<std::string, std::string> environment = {};
  /// Make standard error a terminal.
  bool terminal = false;
  /// Send `signal` once when this returns true for the standard error output so far.
  std::function<bool(const std::string& err)> signal_when = {};
  int signal = 0;
};

/// Runs `command`, the program's path followed by its arguments. Throws std::runtime_error if it cannot be run.
ProgramResult run_program(const std::vector<std::string>& command, const RunOptions& options = {});

}  // namespace normgrad::tests
