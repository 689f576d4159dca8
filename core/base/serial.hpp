// A scope in which a thread starts no others.
#pragma once

namespace normgrad {

/// Runs the operations of this thread on it alone for its lifetime, as within a task. For threads that work alongside
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
