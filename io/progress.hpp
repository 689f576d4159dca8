// What a run shows of itself while it goes on: a bar on a terminal, plain lines elsewhere.
//
//   Progress bar("epoch 3/10", batches.num_batches());
//   for (const auto& [images, labels] : batches) {
//     ...
//     bar.advance({{"loss", loss.item()}});
//   }
//
// On a terminal, redrawn in place up to ten times a second:
//   epoch 3/10 [##########..............] 391/938, 412 steps/s, 0:01 left, loss 0.2312
// and shorter on a narrow one:
//   epoch 3/10: 391/938, 0:01 left, loss 0.2312
// In a file or pipe, every ten seconds and at the end:
//   epoch 3/10: 938/938, 409 steps/s, in 0:02, loss 0.1973
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace normgrad {

/// Numbers by their names, in the order in which they are shown or written.
using Metrics = std::vector<std::pair<std::string, double>>;

/// What a Progress counts, and how often it says so.
struct ProgressOptions {
  /// Where it begins, such as the batches of an epoch that are done when a run goes on.
  std::int64_t done = 0;
  /// What is counted: "steps" are shown as "412 steps/s".
  std::string unit = "steps";
  /// Seconds between two plain lines.
  double line_every = 10.0;
};

/// Writes to standard error, unless the log level leaves out messages of level info. Messages of log() take the bar off
/// the terminal and appear above it. One at a time is shown: the newest.
class Progress {
 public:
  /// Throws ValueError unless 0 <= options.done <= total.
  Progress(std::string label, std::int64_t total, const ProgressOptions& options = {});
  Progress(Progress&&) noexcept;
  Progress& operator=(Progress&&) noexcept;
  /// finish(), if it has not been called.
  ~Progress();

  /// One more is done. The metrics replace those shown before; none leave them.
  void advance(const Metrics& metrics = {}) { advance(1, metrics); }
  void advance(std::int64_t count, const Metrics& metrics = {});
  /// The last line, which stays: how many, how fast, how long, and the metrics.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace normgrad
