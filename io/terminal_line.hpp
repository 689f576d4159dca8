// A terminal line that is rewritten in place.
#pragma once

#include <cstddef>
#include <string>

namespace normgrad {

/// The line at the cursor of the terminal on standard error. It never wraps, because a wrapped line cannot be erased.
class TerminalLine {
 public:
  /// Returns whether standard error is a terminal.
  static bool available();
  /// Returns the number of characters that fit in a line: one less than the terminal's columns; 79 if those are
  /// unknown.
  static std::size_t columns();

  /// Replaces the previous line by the first columns() characters of `text` (UTF-8, without control characters).
  void write(const std::string& text);
  /// Erases the line, including its wrapped parts if the terminal has become narrower since.
  void erase();

 private:
  std::size_t written_ = 0;  // characters on the line
};

/// Returns the number of characters in a UTF-8 text.
std::size_t text_columns(const std::string& text) noexcept;

}  // namespace normgrad
