// Logging through spdlog, to standard error. The library itself logs nothing above `debug` except warnings about a
// model or data that will go wrong; programs say what they do.
#pragma once

#include <string>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

/// What a message is worth.
enum class LogLevel { trace, debug, info, warn, error, off };

/// "trace", "debug", "info", "warn", "error" or "off"; throws ValueError for another name. Default: info.
void set_log_level(const std::string& name);
/// From now on messages are added to this file as well, with the date, each at once; "" ends that. Throws IoError when
/// the file cannot be written.
void set_log_file(const std::string& path);
bool log_enabled(LogLevel level);
void log_message(LogLevel level, const std::string& message);

/// Streams the parts into one message, if the level is on: log(LogLevel::info, "epoch ", 3).
template <class... Parts>
void log(LogLevel level, const Parts&... parts) {
  if (log_enabled(level)) {
    log_message(level, detail::concat(parts...));
  }
}

namespace detail {
/// Called before every message: a progress bar takes itself off the terminal.
void set_before_log(void (*action)());
}  // namespace detail

}  // namespace normgrad
