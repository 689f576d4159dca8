#include "examples/compare_norms/progress.hpp"

#include <unistd.h>

#include <cstdio>
#include <iomanip>
#include <sstream>

namespace compare_norms {

using normgrad::log;
using normgrad::LogLevel;

namespace {

constexpr int kBarWidth = 24;
constexpr auto kRedrawEvery = std::chrono::milliseconds(100);

std::string minutes(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  std::ostringstream out;
  out << whole / 60 << ':' << std::setfill('0') << std::setw(2) << whole % 60;
  return out.str();
}

std::string percent(double accuracy) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(2) << 100.0 * accuracy << " %";
  return out.str();
}

std::string rate(double steps, double seconds) {
  std::ostringstream out;
  const double per_second = seconds > 0.0 ? steps / seconds : 0.0;
  out << std::fixed << std::setprecision(per_second < 100.0 ? 1 : 0) << per_second << " steps/s";
  return out.str();
}

}  // namespace

Progress::Progress(std::int64_t runs)
    : shown_(normgrad::log_enabled(LogLevel::info)), terminal_(shown_ && isatty(STDERR_FILENO) == 1), runs_(runs) {}

void Progress::start(const std::string& model, const std::string& norm, std::uint64_t seed, std::int64_t steps) {
  ++run_;
  name_ = model + " " + norm + " seed " + std::to_string(seed);
  step_ = 0;
  steps_ = steps;
  accuracy_ = -1.0;
  start_ = drawn_ = Clock::now();
  draw();
}

void Progress::step(std::int64_t step) {
  step_ = step;
  if (terminal_ && Clock::now() - drawn_ >= kRedrawEvery) {
    draw();
  }
}

void Progress::measured(const Measurement& measurement) {
  accuracy_ = measurement.test_accuracy;
  if (terminal_) {
    draw();
    return;
  }
  log(LogLevel::info, name_, " (", run_, "/", runs_, "): step ", measurement.step, "/", steps_, ", loss ",
      std::setprecision(4), measurement.train_loss, ", test accuracy ", percent(measurement.test_accuracy), ", ",
      rate(static_cast<double>(measurement.step), measurement.seconds));
}

void Progress::finish(const Run& run) {
  clear();
  if (run.diverged) {
    log(LogLevel::warn, name_, ": the loss is no longer finite at step ", run.steps, "; this run ends here");
  } else if (terminal_ && run.complete) {
    log(LogLevel::info, name_, ": test accuracy ", percent(accuracy_), " after ", run.steps, " steps, ",
        rate(static_cast<double>(run.steps), run.seconds));
  }
}

void Progress::clear() {
  if (terminal_) {
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
  }
}

void Progress::draw() {
  if (!terminal_) {
    return;
  }
  drawn_ = Clock::now();
  const double seconds = std::chrono::duration<double>(drawn_ - start_).count();
  const double done = static_cast<double>(step_) / static_cast<double>(steps_);
  const auto filled = static_cast<std::size_t>(done * kBarWidth);
  std::ostringstream line;
  line << run_ << '/' << runs_ << ' ' << name_ << " [" << std::string(filled, '#')
       << std::string(kBarWidth - filled, '.') << "] " << step_ << '/' << steps_;
  if (step_ > 0) {
    line << ", " << rate(static_cast<double>(step_), seconds) << ", " << minutes(seconds / done - seconds) << " left";
  }
  if (accuracy_ >= 0.0) {
    line << ", " << percent(accuracy_);
  }
  std::fputs(("\r\033[K" + line.str()).c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace compare_norms
