#include "normgrad/io/progress.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <mutex>
#include <sstream>

#include "normgrad/core/base/detail/fork.hpp"
#include "normgrad/core/base/log.hpp"
#include "normgrad/io/terminal_line.hpp"

namespace normgrad {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kBarWidth = 24;
constexpr std::int64_t kMinBarWidth = 8;
constexpr double kRedrawEvery = 0.1;  // seconds

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string duration(double seconds) {
  const std::int64_t whole = std::llround(std::min(seconds, 359'999.0));
  std::ostringstream out;
  out << std::setfill('0');
  if (whole >= 3600) {
    out << whole / 3600 << ':' << std::setw(2);
  }
  out << whole / 60 % 60 << ':' << std::setw(2) << whole % 60;
  return out.str();
}

// Guards the bar on the terminal, which messages of any thread erase.
detail::ForkSafeMutex& bar_mutex() {
  static auto* mutex =
      new detail::ForkSafeMutex(detail::ForkSafeMutex::Rank::bar);  // NOLINT(cppcoreguidelines-owning-memory)
  return *mutex;
}

const detail::BeforeMain bar_mutex_exists([] { bar_mutex(); });

}  // namespace

struct Progress::State {
  std::string label;
  std::int64_t total;
  ProgressOptions options;
  bool shown;
  bool terminal;
  std::int64_t done;
  Metrics metrics;
  Clock::time_point start = Clock::now();
  Clock::time_point drawn = start;
  TerminalLine on_screen = {};

  static State* current;  // the one whose bar is on the terminal

  double rate() const {
    const double seconds = seconds_since(start);
    return seconds > 0.0 ? static_cast<double>(done - options.done) / seconds : 0.0;
  }

  /// Formats the end of every line: the first `count` metrics.
  std::string numbers(std::size_t count) const {
    std::ostringstream out;
    for (std::size_t i = 0; i < std::min(count, metrics.size()); ++i) {
      out << ", " << metrics[i].first << ' ' << std::setprecision(4) << metrics[i].second;
    }
    return out.str();
  }
  std::string counts(bool with_rate = true) const {
    std::ostringstream out;
    out << done << '/' << total;
    if (with_rate && done > options.done) {
      const double per_second = rate();
      out << ", " << std::fixed << std::setprecision(per_second < 10.0 ? 2 : 0) << per_second << ' ' << options.unit
          << "/s";
    }
    return out.str();
  }
  std::string left() const {
    const double per_second = rate();
    return per_second > 0.0 ? ", " + duration(static_cast<double>(total - done) / per_second) + " left" : "";
  }

  std::string bar(std::int64_t width) const {
    const std::int64_t filled = total > 0 ? done * width / total : width;
    return " [" + std::string(static_cast<std::size_t>(filled), '#') +
           std::string(static_cast<std::size_t>(width - filled), '.') + "] ";
  }
  /// Formats the line to fit the columns: shortens, then drops the bar, then the rate, later metrics, and the time
  /// left.
  std::string line(std::size_t columns) const {
    std::int64_t width = kBarWidth;
    bool with_rate = true;
    bool with_left = true;
    std::size_t named = metrics.size();
    for (;;) {
      std::string text =
          label + (width > 0 ? bar(width) : ": ") + counts(with_rate) + (with_left ? left() : "") + numbers(named);
      const std::size_t length = text_columns(text);
      if (length <= columns) {
        return text;
      }
      if (width > kMinBarWidth) {
        width = std::max(kMinBarWidth, width - static_cast<std::int64_t>(length - columns));
      } else if (width > 0) {
        width = 0;
      } else if (with_rate) {
        with_rate = false;
      } else if (named > 1) {
        --named;
      } else if (with_left) {
        with_left = false;
      } else if (named == 1) {
        named = 0;
      } else {
        return text;  // truncated by the terminal line
      }
    }
  }

  void draw() {
    const std::lock_guard lock(bar_mutex());
    drawn = Clock::now();
    on_screen.write(line(TerminalLine::columns()));
    current = this;
  }
  void print(const std::string& rest) {
    const std::lock_guard lock(bar_mutex());
    drawn = Clock::now();
    on_screen.erase();
    std::fputs((label + ": " + counts() + rest + numbers(metrics.size()) + "\n").c_str(), stderr);
    std::fflush(stderr);
  }
};

Progress::State* Progress::State::current = nullptr;

Progress::Progress(std::string label, std::int64_t total, const ProgressOptions& options) {
  require<ValueError>(options.done >= 0 && options.done <= total, "Progress: expected 0 <= done <= total but got ",
                      options.done, " and ", total);
  const bool shown = log_enabled(LogLevel::info);
  state_ = std::make_unique<State>(State{.label = std::move(label),
                                         .total = total,
                                         .options = options,
                                         .shown = shown,
                                         .terminal = shown && TerminalLine::available(),
                                         .done = options.done,
                                         .metrics = {}});
  detail::set_before_log([] {
    const std::lock_guard lock(bar_mutex());
    if (State::current != nullptr) {
      State::current->on_screen.erase();
    }
  });
  if (state_->terminal) {
    state_->draw();
  }
}

Progress::Progress(Progress&&) noexcept = default;

Progress& Progress::operator=(Progress&& other) noexcept {
  if (this != &other) {
    finish();
    state_ = std::move(other.state_);
  }
  return *this;
}

Progress::~Progress() { finish(); }

void Progress::advance(std::int64_t count, const Metrics& metrics) {
  if (state_ == nullptr) {
    return;
  }
  state_->done = std::min(state_->done + count, state_->total);
  if (!metrics.empty()) {
    state_->metrics = metrics;
  }
  const double since = seconds_since(state_->drawn);
  if (state_->terminal && since >= kRedrawEvery) {
    state_->draw();
  } else if (state_->shown && !state_->terminal && since >= state_->options.line_every) {
    state_->print(state_->left());
  }
}

void Progress::finish() {
  if (state_ == nullptr) {
    return;
  }
  if (state_->shown) {
    state_->print(", in " + duration(seconds_since(state_->start)));
  }
  {
    const std::lock_guard lock(bar_mutex());
    if (State::current == state_.get()) {
      State::current = nullptr;
    }
  }
  state_ = nullptr;
}

}  // namespace normgrad
