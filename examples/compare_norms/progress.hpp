// What is shown while compare_norms runs: on a terminal one bar for the whole sweep, else plain lines.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "examples/compare_norms/training.hpp"
#include "normgrad/io/terminal_line.hpp"

namespace compare_norms {

struct ProgressRun {
  std::string name;
  std::int64_t steps = 0;
  double work = 1.0;  ///< roughly, in any unit
};

/// Writes to standard error.
class Progress {
 public:
  /// All runs that there will be. Nothing is shown unless messages of level info are.
  explicit Progress(std::vector<ProgressRun> runs);

  void start(std::size_t run);
  void step(std::size_t run, std::int64_t step) { states_[run].step = step; }
  void measured(std::size_t run, const Measurement& measurement);
  void finish(std::size_t run, const Run& result);
  /// Draws the bar again; to be called every now and then.
  void tick();
  /// Takes the bar off the terminal, before other messages.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  struct State {
    std::int64_t step = 0;
    double accuracy = -1.0;  // below 0: not measured yet
    bool running = false;
    bool done = false;
  };
  double share_done() const;
  std::string steps_per_second() const;
  std::string place(std::size_t run) const;

  std::vector<ProgressRun> runs_;
  std::vector<State> states_;
  bool shown_;
  bool terminal_;
  bool every_measurement_;  // a line for each, when there are few runs
  normgrad::TerminalLine line_;
  std::size_t finished_ = 0;
  Clock::time_point start_ = Clock::now();
};

}  // namespace compare_norms
