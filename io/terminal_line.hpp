// A line on a terminal that is written anew in its place.
#pragma once

#include <cstddef>
#include <string>

namespace normgrad {

/// The line at the cursor of the terminal on standard error. It never wraps: a wrapped line could not be taken off.
class TerminalLine {
 public:
  /// Whether standard error is a terminal.
  static bool available();
  /// Characters that fit into one line now: one less than the terminal has columns; 79 where it does not say.
  static std::size_t columns();

  /// Takes the line before off and writes the first columns() characters of `text` (UTF-8, without control characters).
  void write(const std::string& text);
  /// Takes it off, also where the terminal has become narrower meanwhile and has broken it into several.
  void erase();

 private:
  std::size_t written_ = 0;  // characters that stand there
};

/// Characters of an UTF-8 text.
std::size_t text_columns(const std::string& text) noexcept;

}  // namespace normgrad
