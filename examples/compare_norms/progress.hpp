// What is shown while compare_norms runs: on a terminal a bar, else plain lines.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "examples/compare_norms/training.hpp"

namespace compare_norms {

/// Writes to standard error.
class Progress {
 public:
  /// `runs`: how many there will be in all. Nothing is shown unless messages of level info are.
  explicit Progress(std::int64_t runs);

  void start(const std::string& model, const std::string& norm, std::uint64_t seed, std::int64_t steps);
  void step(std::int64_t step);
  void measured(const Measurement& measurement);
  void finish(const Run& run);
  /// Takes the bar off the terminal, before other messages.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void draw();

  bool shown_;
  bool terminal_;
  std::int64_t runs_;
  std::int64_t run_ = 0;
  std::string name_;
  std::int64_t step_ = 0;
  std::int64_t steps_ = 0;
  double accuracy_ = -1.0;  // below 0: not measured yet
  Clock::time_point start_;
  Clock::time_point drawn_;
};

}  // namespace compare_norms
