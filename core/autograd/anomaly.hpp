// Anomaly mode: finds the operation and the layer that produced the first NaN or infinity.
#pragma once

#include <memory>

namespace normgrad {

/// Options of DetectAnomalyGuard.
struct AnomalyOptions {
  /// Also check the result of every forward operation, so that the error names the operation that produced the first
  /// non-finite value. Off by default: PyTorch's mode checks gradients only, and infinities in values may be intended.
  bool check_values = false;
};

/// Enables anomaly mode on this thread for its lifetime. A backward then throws GraphError at the first operation that
/// turns a finite gradient into one containing a NaN or an infinity. The message names the operation, the type and path
/// of the layer that ran it, the input the gradient belongs to, and the element:
///
///   anomaly: backward of 'sqrt' in Scale 'head.scale': the gradient of its input 0 (float32 [2, 3]) is inf at [0, 1],
///   while the gradient of its result is finite
///
/// The layer is known only for operations that ran under a guard. Meant for debugging: every gradient is read once
/// more, which makes a step about a third slower. Guards may be nested.
class DetectAnomalyGuard {
 public:
  /// Enables anomaly mode until the guard is destroyed.
  [[nodiscard("give it a name: an object without one ends at once")]] explicit DetectAnomalyGuard(
      AnomalyOptions options = {});
  DetectAnomalyGuard(const DetectAnomalyGuard&) = delete;
  DetectAnomalyGuard& operator=(const DetectAnomalyGuard&) = delete;
  ~DetectAnomalyGuard();

 private:
  class Looker;
  std::unique_ptr<Looker> looker_;
};

/// Returns whether a DetectAnomalyGuard is active on this thread.
bool is_anomaly_enabled() noexcept;

}  // namespace normgrad
