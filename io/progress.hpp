// Progress display of a run: a bar on a terminal, plain lines elsewhere.
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

/// Named numbers, in the order in which they are shown or written.
using Metrics = std::vector<std::pair<std::string, double>>;

/// Options of Progress.
struct ProgressOptions {
  /// Initial count, such as the batches of an epoch already done when a run resumes.
  std::int64_t done = 0;
  /// Unit of the count: "steps" are shown as "412 steps/s".
  std::string unit = "steps";
  /// Seconds between plain lines.
  double line_every = 10.0;
};

/// Shows progress on standard error if the log level includes info. Messages of log() erase the bar from the terminal
/// and appear above it. Only the newest Progress is shown.
class Progress {
 public:
  /// Throws ValueError unless 0 <= options.done <= total.
  Progress(std::string label, std::int64_t total, const ProgressOptions& options = {});
  Progress(Progress&&) noexcept;
  Progress& operator=(Progress&&) noexcept;
  /// Calls finish() unless it was called.
  ~Progress();

  /// Advances the count. Metrics replace those shown before; empty metrics keep them.
  void advance(const Metrics& metrics = {}) { advance(1, metrics); }
  void advance(std::int64_t count, const Metrics& metrics = {});
  /// Prints the final line: count, rate, duration and metrics.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace normgrad
