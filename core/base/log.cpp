#include "normgrad/core/base/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "normgrad/core/base/detail/fork.hpp"

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
    auto made = std::make_shared<spdlog::logger>("normgrad", std::make_shared<spdlog::sinks::stderr_color_sink_st>());
    made->set_pattern("[%H:%M:%S.%e] [%^%l%$] %v");
    return made;
  }();
  return *instance;
}

// Guards the sinks, which are not thread-safe.
detail::ForkSafeMutex& log_mutex() {
  static auto* mutex =
      new detail::ForkSafeMutex(detail::ForkSafeMutex::Rank::log);  // NOLINT(cppcoreguidelines-owning-memory)
  return *mutex;
}

const detail::BeforeMain log_exists([] {
  logger();
  log_mutex();
});

std::atomic<void (*)()> before_log = nullptr;

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

void set_log_file(const std::string& path) {
  std::shared_ptr<spdlog::sinks::sink> file;
  if (!path.empty()) {
    try {
      file = std::make_shared<spdlog::sinks::basic_file_sink_st>(path);
    } catch (const spdlog::spdlog_ex& error) {
      fail<IoError>("log file: '", path, "' cannot be written: ", error.what());
    }
    file->set_pattern("%Y-%m-%d %H:%M:%S.%e [%l] %v");
  }
  const std::lock_guard lock(log_mutex());
  auto& sinks = logger().sinks();
  sinks.resize(1);
  if (file != nullptr) {
    sinks.push_back(file);
    logger().flush_on(spdlog::level::trace);
  }
}

bool log_enabled(LogLevel level) { return logger().should_log(kLevels[static_cast<std::size_t>(level)].second); }

void log_message(LogLevel level, const std::string& message) {
  if (auto* action = before_log.load()) {
    action();
  }
  const std::lock_guard lock(log_mutex());
  logger().log(kLevels[static_cast<std::size_t>(level)].second, "{}", message);
}

void detail::set_before_log(void (*action)()) { before_log = action; }

}  // namespace normgrad
