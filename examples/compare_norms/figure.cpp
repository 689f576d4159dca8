#include "examples/compare_norms/figure.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <sstream>

extern "C" char** environ;

namespace compare_norms {

using normgrad::log;
using normgrad::LogLevel;

namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 8> kColours = {"#4d4d4d", "#0072b2", "#d55e00", "#009e73",
                                                 "#cc79a7", "#e69f00", "#56b4e9", "#8c564b"};

std::string middle_low_high(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  const double middle = values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
  std::ostringstream out;
  out << ' ' << middle << ' ' << values.front() << ' ' << values.back();
  return out.str();
}

/// Lines "step accuracy low high loss low high".
std::string curve_data(const Comparison& comparison) {
  std::map<std::int64_t, std::pair<std::vector<double>, std::vector<double>>> steps;
  for (const Run& run : comparison.runs) {
    for (const Measurement& measurement : run.measurements) {
      steps[measurement.step].first.push_back(100.0 * measurement.test_accuracy);
      steps[measurement.step].second.push_back(measurement.train_loss);
    }
  }
  std::ostringstream out;
  for (const auto& [step, values] : steps) {
    out << step << middle_low_high(values.first) << middle_low_high(values.second) << '\n';
  }
  return out.str();
}

struct Curve {
  std::string block;
  std::string norm;
  const char* colour;
  bool range;
};

/// Text in single quotes as gnuplot reads it.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? "''" : std::string(1, c);
  }
  return out + "'";
}

struct Panel {
  const char* y_label;
  const char* y_range;
  int column;  // of the data: the curve; the two after it: lowest and highest
};
constexpr Panel kAccuracy = {.y_label = "test accuracy, %", .y_range = "[0:100]", .column = 2};
constexpr Panel kLoss = {.y_label = "training loss", .y_range = "[0:*]", .column = 5};

void write_panel(std::ostream& out, const std::vector<Curve>& curves, const std::string& title, const Panel& panel) {
  out << "set title " << quoted(title) << "\nset ylabel " << quoted(panel.y_label) << "\nset yrange " << panel.y_range
      << "\nplot ";
  const char* separator = "";
  for (const Curve& curve : curves) {
    if (curve.range) {
      out << separator << curve.block << " using 1:" << panel.column + 1 << ':' << panel.column + 2
          << " with filledcurves linecolor rgb '" << curve.colour << "' fillstyle transparent solid 0.15 notitle";
      separator = ", \\\n     ";
    }
    out << separator << curve.block << " using 1:" << panel.column << " with linespoints linecolor rgb '"
        << curve.colour << "' linewidth 2 pointtype 7 pointsize 0.3 title " << quoted(curve.norm);
    separator = ", \\\n     ";
  }
  out << '\n';
}

std::string describe(const Plan& plan, const Report& report) {
  return plan.model + " on " + report.data + ": " + to_string(plan) + (report.complete ? "" : " (interrupted)");
}

std::string script(const Report& report) {
  std::ostringstream data;
  std::ostringstream plots;
  int rows = 0;
  int blocks = 0;
  for (const Plan& plan : report.plans) {
    std::vector<Curve> curves;
    for (std::size_t i = 0; i < report.options.norms.size(); ++i) {
      for (const Comparison& comparison : report.comparisons) {
        const std::string values = curve_data(comparison);
        if (comparison.model == plan.model && comparison.norm == report.options.norms[i] && !values.empty()) {
          const std::string block = "$curve" + std::to_string(blocks++);
          data << block << " << EOD\n" << values << "EOD\n";
          curves.push_back({block, comparison.norm, kColours[i % kColours.size()], comparison.runs.size() > 1});
        }
      }
    }
    if (!curves.empty()) {
      ++rows;
      write_panel(plots, curves, describe(plan, report), kAccuracy);
      write_panel(plots, curves, describe(plan, report), kLoss);
    }
  }
  std::ostringstream out;
  out << "# Draws curves.png and curves.svg: gnuplot curves.gp\n"
      << "if (!exists('png')) png = 'curves.png'\nif (!exists('svg')) svg = 'curves.svg'\n"
      << data.str()
      << "set xlabel 'step'\nset xrange [0:*]\nset grid linecolor rgb '#dddddd'\nset key outside right center\n"
      << "do for [target in 'png svg'] {\n"
      << "if (target eq 'png') { set terminal pngcairo size 1400," << 480 * rows
      << " font 'sans,11'; set output png } else { set terminal svg size 1400," << 480 * rows
      << " font 'sans,13' background 'white'; set output svg }\n"
      << "set multiplot layout " << rows << ",2\n"
      << plots.str() << "unset multiplot\nset output\n}\n";
  return out.str();
}

/// Runs a program found in PATH, its messages dropped; its exit code, or -1 when it cannot be started (errno says why).
int run_program(std::vector<std::string> command) {
  std::vector<char*> argv;
  for (std::string& word : command) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  pid_t child = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;  // the program is to be stopped by Ctrl-C, whatever is blocked here
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error = posix_spawnp(&child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    errno = error;
    return -1;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      return -1;
    }
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

bool draw_figure(const Report& report, const fs::path& folder) {
  PartialFile file(folder / "curves.gp");
  file.write(script(report));
  file.commit();
  const fs::path png = folder / "curves.png.partial";
  const fs::path svg = folder / "curves.svg.partial";
  const int code = run_program(
      {"gnuplot", "-e", "png=" + quoted(png.string()) + "; svg=" + quoted(svg.string()), file.path().string()});
  const std::string reason = code < 0 ? std::strerror(errno) : "exit code " + std::to_string(code);
  std::error_code ignored;
  for (const fs::path& partial : {png, svg}) {
    const fs::path whole = folder / partial.stem();
    if (code == 0) {
      fs::rename(partial, whole, ignored);
    } else {
      fs::remove(partial, ignored);
      fs::remove(whole, ignored);
    }
  }
  if (code != 0) {
    log(LogLevel::warn, "no figure: gnuplot cannot be run (", reason, "); install it, then: cd ", folder.string(),
        " && gnuplot curves.gp");
  }
  return code == 0;
}

}  // namespace compare_norms
