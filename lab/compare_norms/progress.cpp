#include "lab/compare_norms/progress.hpp"
#include "lab/compare_norms/metric.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <sstream>

namespace compare_norms {

using normgrad::log;
using normgrad::LogLevel;

namespace {

constexpr std::size_t kBarWidth = 24;
constexpr std::size_t kMinBarWidth = 4;
constexpr std::size_t kFewRuns = 24;

std::string minutes(double seconds) {
  const long whole = std::lround(seconds);
  std::ostringstream out;
  out << whole / 60 << ':' << std::setfill('0') << std::setw(2) << whole % 60;
  return out.str();
}

/// "test accuracy 97.3 %"
std::string measured_text(const ProgressRun& run, double value) {
  const Metric& metric = metric_of(run.model);
  return (metric.is_accuracy ? "test " : "") + metric.name + ' ' + shown(metric, value);
}

std::string rate(double steps, double seconds) {
  std::ostringstream out;
  const double per_second = seconds > 0.0 ? steps / seconds : 0.0;
  out << std::fixed << std::setprecision(per_second < 100.0 ? 1 : 0) << per_second << " steps/s";
  return out.str();
}

}  // namespace

Progress::Progress(std::vector<ProgressRun> runs)
    : runs_(std::move(runs)),
      states_(runs_.size()),
      shown_(normgrad::log_enabled(LogLevel::info)),
      terminal_(shown_ && isatty(STDERR_FILENO) == 1),
      every_measurement_(runs_.size() <= kFewRuns) {}

void Progress::start(std::size_t run) {
  states_[run].running = true;
  tick();
}

void Progress::measured(std::size_t run, const Measurement& measurement) {
  states_[run].step = measurement.step;
  states_[run].accuracy = measurement.test_accuracy;
  if (!terminal_ && every_measurement_) {
    log(LogLevel::info, place(run), ": step ", measurement.step, "/", runs_[run].steps, ", loss ", std::setprecision(4),
        measurement.train_loss, ", ", measured_text(runs_[run], measurement.test_accuracy), ", ",
        rate(static_cast<double>(measurement.step), measurement.seconds));
  }
}

void Progress::finish(std::size_t run, const Run& result) {
  clear();
  states_[run] = {.step = runs_[run].steps, .accuracy = states_[run].accuracy, .running = false, .done = true};
  ++finished_;
  if (result.diverged) {
    log(LogLevel::warn, runs_[run].name, ": the loss or a weight is no longer finite at step ", result.steps,
        "; this run ends here");
  } else if (result.complete && (terminal_ || !every_measurement_)) {
    log(LogLevel::info, place(run), ": ", measured_text(runs_[run], states_[run].accuracy.value_or(0.0)), " after ",
        result.steps, " steps, ", rate(static_cast<double>(result.steps), result.seconds));
  }
  tick();
}

void Progress::clear() { line_.erase(); }

double Progress::share_done() const {
  double done = 0.0;
  double all = 0.0;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    all += runs_[i].work;
    const double share = static_cast<double>(states_[i].step) / static_cast<double>(runs_[i].steps);
    done += runs_[i].work * (states_[i].done ? 1.0 : share);
  }
  return all > 0.0 ? done / all : 1.0;
}

std::string Progress::steps_per_second() const {
  double steps = 0.0;
  for (const State& state : states_) {
    steps += static_cast<double>(state.step);
  }
  return rate(steps, std::chrono::duration<double>(Clock::now() - start_).count());
}

/// Returns "mlp batch seed 1 (3/12)". Runs are numbered in the order in which they start.
std::string Progress::place(std::size_t run) const {
  return runs_[run].name + " (" + std::to_string(run + 1) + "/" + std::to_string(runs_.size()) + ")";
}

void Progress::tick() {
  if (!terminal_ || runs_.empty()) {
    return;
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double done = share_done();
  std::ostringstream rest;
  rest << static_cast<int>(100.0 * done) << " %, " << steps_per_second();
  if (done > 0.002) {
    rest << ", " << minutes(seconds / done - seconds) << " left";
  }
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    if (states_[i].running) {
      rest << " | " << runs_[i].name;
      if (states_[i].accuracy) {
        rest << ' ' << shown(metric_of(runs_[i].model), *states_[i].accuracy);
      }
    }
  }
  // The bar shrinks to make room for the numbers, down to nothing; a longer line is truncated.
  const std::string start = std::to_string(finished_) + '/' + std::to_string(runs_.size()) + " runs ";
  const std::size_t others = start.size() + rest.str().size() + std::string("[] ").size();
  const std::size_t room = normgrad::TerminalLine::columns();
  const std::size_t width = std::min(kBarWidth, room > others ? room - others : 0);
  const std::size_t filled = std::min(width, static_cast<std::size_t>(done * static_cast<double>(width)));
  std::string text = start;
  if (width >= kMinBarWidth) {
    text.append(1, '[').append(filled, '#').append(width - filled, '.').append("] ");
  }
  line_.write(text + rest.str());
}

}  // namespace compare_norms
