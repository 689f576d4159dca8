// The progress display of compare_norms: one bar for the whole sweep on a terminal, otherwise plain lines.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lab/compare_norms/training.hpp"
#include "normgrad/io/terminal_line.hpp"

namespace compare_norms {

struct ProgressRun {
  std::string name;
  std::int64_t steps = 0;
  double work = 1.0;  ///< approximate, in any unit
  std::string model;  ///< whose metric is shown
};

/// Writes to standard error.
class Progress {
 public:
  /// `runs` are all runs of the sweep. Displays nothing unless the log level includes info.
  explicit Progress(std::vector<ProgressRun> runs);

  void start(std::size_t run);
  void step(std::size_t run, std::int64_t step) { states_[run].step = step; }
  void measured(std::size_t run, const Measurement& measurement);
  void finish(std::size_t run, const Run& result);
  /// Redraws the bar. Call it at short intervals.
  void tick();
  /// Removes the bar from the terminal before other output.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  struct State {
    std::int64_t step = 0;
    std::optional<double> accuracy = {};  // or another metric
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
  bool every_measurement_;  // a line per measurement, if there are few runs
  normgrad::TerminalLine line_;
  std::size_t finished_ = 0;
  Clock::time_point start_ = Clock::now();
};

}  // namespace compare_norms
