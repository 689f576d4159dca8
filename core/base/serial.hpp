// A thread that does not start others.
#pragma once

namespace normgrad {

/// While it lives, the operations of this thread run on it alone, as within a task. For threads that work beside
/// others.
class SerialSection {
 public:
  [[nodiscard("give it a name: an object without one ends at once")]] SerialSection() noexcept;
  SerialSection(const SerialSection&) = delete;
  SerialSection& operator=(const SerialSection&) = delete;
  ~SerialSection();

 private:
  bool before_;
};

}  // namespace normgrad
