// Anomaly mode: finds the operation and the layer that made the first NaN or infinity.
#pragma once

#include <memory>

namespace normgrad {

/// Options of DetectAnomalyGuard.
struct AnomalyOptions {
  /// Look at the result of every forward operation, too: the error then comes from the operation that made the first
  /// value that is not finite. Off by default, as PyTorch's mode looks at gradients only, and as infinities may be
  /// meant.
  bool check_values = false;
};

/// While it lives, a backward on this thread throws GraphError at the first operation that turns a finite gradient into
/// one that holds a NaN or an infinity. The text names the operation, the layer that ran it by type and path, the input
/// whose gradient it is, and the element:
///
///   anomaly: backward of 'sqrt' in Scale 'head.scale': the gradient of its input 0 (float32 [2, 3]) is inf at [0, 1],
///   while the gradient of its result is finite
///
/// Only operations that run while a guard lives know their layer. For debugging: every gradient is read once more, so
/// that a step takes a third longer or so. Guards may be nested.
class DetectAnomalyGuard {
 public:
  /// Anomaly mode until the guard ends.
  [[nodiscard("give it a name: an object without one ends at once")]] explicit DetectAnomalyGuard(
      AnomalyOptions options = {});
  DetectAnomalyGuard(const DetectAnomalyGuard&) = delete;
  DetectAnomalyGuard& operator=(const DetectAnomalyGuard&) = delete;
  ~DetectAnomalyGuard();

 private:
  class Looker;
  std::unique_ptr<Looker> looker_;
};

/// Whether a DetectAnomalyGuard lives on this thread.
bool is_anomaly_enabled() noexcept;

}  // namespace normgrad
