// Whether operations are recorded.
#pragma once

namespace normgrad {

/// True unless a NoGradGuard lives on this thread (or a backward runs that is not itself recorded).
bool is_grad_enabled() noexcept;
void set_grad_enabled(bool enabled) noexcept;

/// Sets the mode of this thread while it lives.
class GradModeGuard {
 public:
  /// On or off until the guard ends.
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

/// While it lives, operations of this thread are not recorded and results require no gradients.
class NoGradGuard : public GradModeGuard {
 public:
  /// Off until the guard ends.
  [[nodiscard("give it a name: an object without one ends at once")]] NoGradGuard() noexcept : GradModeGuard(false) {}
};

}  // namespace normgrad
