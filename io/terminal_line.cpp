#include "normgrad/io/terminal_line.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace normgrad {

namespace {

constexpr std::size_t kUsualColumns = 80;

std::size_t terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsualColumns;
}

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U; }

}  // namespace

std::size_t text_columns(const std::string& text) noexcept {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

bool TerminalLine::available() { return isatty(STDERR_FILENO) == 1; }

std::size_t TerminalLine::columns() { return std::max<std::size_t>(terminal_columns(), 2) - 1; }

void TerminalLine::write(const std::string& text) {
  const std::size_t room = columns();
  std::size_t bytes = 0;
  std::size_t characters = 0;
  while (bytes < text.size() && (characters < room || !begins_character(text[bytes]))) {
    characters += begins_character(text[bytes]) ? 1 : 0;
    ++bytes;
  }
  erase();
  std::fputs(("\r\033[K" + text.substr(0, bytes)).c_str(), stderr);
  std::fflush(stderr);
  written_ = characters;
}

void TerminalLine::erase() {
  if (written_ == 0) {
    return;
  }
  const std::size_t above = (written_ - 1) / terminal_columns();  // wrapped lines above the last one
  if (above > 0) {
    std::fprintf(stderr, "\r\033[%zuA\033[J", above);
  } else {
    std::fputs("\r\033[K", stderr);
  }
  std::fflush(stderr);
  written_ = 0;
}

}  // namespace normgrad
