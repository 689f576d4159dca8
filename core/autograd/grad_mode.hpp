// Controls whether operations are recorded.
#pragma once

namespace normgrad {

/// Returns false under a NoGradGuard on this thread and in a backward that is not itself recorded; true otherwise.
bool is_grad_enabled() noexcept;
void set_grad_enabled(bool enabled) noexcept;

/// Sets the mode of this thread for the lifetime of the guard.
class GradModeGuard {
 public:
  /// Sets the mode until the guard is destroyed.
  [[nodiscard("give it a name: an object without one ends at once")]] explicit GradModeGuard(bool enabled) noexcept
      : before_(is_grad_enabled()) {
    set_grad_enabled(enabled);
  }
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;
  ~GradModeGuard() { set_grad_enabled(before_); }

 private:
  bool before_;
};

/// Disables recording on this thread for its lifetime; results require no gradients.
class NoGradGuard : public GradModeGuard {
 public:
  /// Disables recording until the guard is destroyed.
  [[nodiscard("give it a name: an object without one ends at once")]] NoGradGuard() noexcept : GradModeGuard(false) {}
};

}  // namespace normgrad
