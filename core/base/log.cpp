#include "normgrad/core/base/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <memory>
#include <utility>

namespace normgrad {

namespace {

constexpr std::array<std::pair<const char*, spdlog::level::level_enum>, 6> kLevels = {{
    {"trace", spdlog::level::trace},
    {"debug", spdlog::level::debug},
    {"info", spdlog::level::info},
    {"warn", spdlog::level::warn},
    {"error", spdlog::level::err},
    {"off", spdlog::level::off},
}};

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("normgrad", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("[%H:%M:%S.%e] [%^%l%$] %v");
    return made;
  }();
  return *instance;
}

}  // namespace

void set_log_level(const std::string& name) {
  for (const auto& [known, level] : kLevels) {
    if (name == known) {
      logger().set_level(level);
      return;
    }
  }
  fail<ValueError>("log level: expected trace, debug, info, warn, error or off but got '", name, "'");
}

bool log_enabled(LogLevel level) { return logger().should_log(kLevels[static_cast<std::size_t>(level)].second); }

void log_message(LogLevel level, const std::string& message) {
  logger().log(kLevels[static_cast<std::size_t>(level)].second, "{}", message);
}

}  // namespace normgrad
