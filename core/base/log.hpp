// Logging through spdlog, to standard error. The library itself logs nothing above `debug` except warnings about models
// or data that will fail; programs log their own progress.
#pragma once

#include <string>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

/// Severity of a message.
enum class LogLevel { trace, debug, info, warn, error, off };

/// Sets the lowest level to log: "trace", "debug", "info", "warn", "error" or "off". Default: info. Throws ValueError
/// for other names.
void set_log_level(const std::string& name);
/// Also writes all further messages to this file, with the date, flushing each one; "" stops this. Throws IoError if
/// the file cannot be written.
void set_log_file(const std::string& path);
bool log_enabled(LogLevel level);
void log_message(LogLevel level, const std::string& message);

/// Streams the parts into one message if the level is enabled: log(LogLevel::info, "epoch ", 3).
template <class... Parts>
void log(LogLevel level, const Parts&... parts) {
  if (log_enabled(level)) {
    log_message(level, detail::concat(parts...));
  }
}

namespace detail {
/// Sets a function that is called before every message, such as a progress bar's erase from the terminal.
void set_before_log(void (*action)());
}  // namespace detail

}  // namespace normgrad
