#include "lab/figure.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "lab/files.hpp"
#include "normgrad/normgrad.hpp"

extern "C" char** environ;

namespace lab {

using normgrad::IoError;
using normgrad::log;
using normgrad::LogLevel;
using normgrad::require;

namespace fs = std::filesystem;

namespace {

/// Text in single quotes as gnuplot reads it; underscores and carets are literal.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? "''" : std::string(1, c);
  }
  return out + "'";
}

void put(std::ostream& out, double value) {
  if (std::isfinite(value)) {
    out << ' ' << value;
  } else {
    out << " NaN";
  }
}

/// Writes lines "x y low high".
void write_data(std::ostream& out, const std::string& block, const Series& series) {
  out << block << " << EOD\n";
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    put(out, series.x[i]);
    put(out, series.y[i]);
    put(out, series.low.empty() ? series.y[i] : series.low[i]);
    put(out, series.high.empty() ? series.y[i] : series.high[i]);
    out << '\n';
  }
  out << "EOD\n";
}

std::string range(const std::optional<double>& low, const std::optional<double>& high) {
  std::ostringstream out;
  out << '[';
  low ? out << *low : out << '*';
  out << ':';
  high ? out << *high : out << '*';
  out << ']';
  return out.str();
}

/// The symbol of the names whose colors have been used `cycle` times before: a small circle at every point, or a
/// triangle, square or diamond at about 12 of them.
std::string symbol(std::size_t cycle, std::size_t points) {
  constexpr std::array<int, 4> kTypes = {7, 9, 5, 13};
  const int type = kTypes.at(cycle % kTypes.size());
  const std::string text = "pointtype " + std::to_string(type);
  return type == kTypes[0] ? text + " pointsize 0.3"
                           : text + " pointsize 0.8 pointinterval " + std::to_string((points + 11) / 12);
}

class Script {
 public:
  explicit Script(const FigureOptions& options) : names_(options.names) {}

  void add(const Chart& chart) {
    plots_ << (chart.log_x ? "set logscale x\n" : "unset logscale x\n")
           << (chart.log_y ? "set logscale y\n" : "unset logscale y\n") << "set title " << quoted(chart.title)
           << " noenhanced\nset xlabel " << quoted(chart.x_label) << " noenhanced\nset ylabel " << quoted(chart.y_label)
           << " noenhanced\nset yrange " << range(chart.y_low, chart.y_high) << "\nplot ";
    const char* separator = "";
    for (const Series& series : chart.series) {
      const std::size_t index = index_of(series.name);
      const std::string color = colors()[index % colors().size()];
      const std::string block = "$curve" + std::to_string(blocks_++);
      write_data(data_, block, series);
      if (!series.low.empty()) {
        plots_ << separator << block << " using 1:3:4 with filledcurves linecolor rgb '" << color
               << "' fillstyle transparent solid 0.18 notitle";
        separator = ", \\\n     ";
      }
      plots_ << separator << block << " using 1:2 with " << (series.dashed ? "lines dashtype 2" : "linespoints")
             << " linecolor rgb '" << color << "' linewidth 2 " << symbol(index / colors().size(), series.x.size())
             << " title " << quoted(series.name) << " noenhanced";
      separator = ", \\\n     ";
    }
    plots_ << '\n';
  }

  std::string text(const std::string& name, int rows, int columns) const {
    const int width = 700 * columns;
    const int height = 440 * rows;
    std::ostringstream out;
    out << "# Draws " << name << ".png and " << name << ".svg: gnuplot " << name << ".gp\n"
        << "if (!exists('png')) png = " << quoted(name + ".png")
        << "\nif (!exists('svg')) svg = " << quoted(name + ".svg") << '\n'
        << data_.str() << "set xrange [*:*]\nset grid linecolor rgb '#dddddd'\nset border 3\nset tics nomirror\n"
        << "set key outside right center\n"
        << "do for [target in 'png svg'] {\n"
        << "if (target eq 'png') { set terminal pngcairo size " << width << ',' << height
        << " font 'sans,11'; set output png } else { set terminal svg size " << width << ',' << height
        << " font 'sans,13' background 'white'; set output svg }\n"
        << "set multiplot layout " << rows << ',' << columns << '\n'
        << plots_.str() << "unset multiplot\nset output\n}\n";
    return out.str();
  }

 private:
  std::size_t index_of(const std::string& name) {
    const std::size_t index = color_index(names_, name);
    if (index == names_.size()) {
      names_.push_back(name);
    }
    return index;
  }

  std::vector<std::string> names_;
  std::ostringstream data_;
  std::ostringstream plots_;
  int blocks_ = 0;
};

/// Runs a program found in PATH and discards its output. Returns its exit code, or -1 if it cannot be started (see
/// errno).
int run_gnuplot(std::vector<std::string> command) {
  std::vector<char*> argv;
  for (std::string& word : command) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  pid_t child = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;  // Ctrl-C must stop the program, whatever signals are blocked here
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

std::string script_for(const std::vector<Chart>& charts, const std::string& name, const FigureOptions& options) {
  Script script(options);
  int drawn = 0;
  for (const Chart& chart : charts) {
    if (!chart.series.empty() && drawn < options.columns * options.most_rows) {
      script.add(chart);
      ++drawn;
    }
  }
  if (static_cast<std::size_t>(drawn) < charts.size()) {
    log(LogLevel::warn, name, ".png shows ", drawn, " of ", charts.size(), " charts");
  }
  return script.text(name, std::max(1, (drawn + options.columns - 1) / options.columns), options.columns);
}

}  // namespace

bool draw_figure(const std::vector<Chart>& charts, const fs::path& folder, const std::string& name,
                 const FigureOptions& options) {
  const fs::path file = folder / (name + ".gp");
  write_whole(file, script_for(charts, name, options));
  std::string drawings = (folder / (name + ".XXXXXX")).string();  // a folder for this program only
  require<IoError>(mkdtemp(drawings.data()) != nullptr, "'", drawings,
                   "': the folder cannot be created: ", std::strerror(errno));
  const fs::path png = fs::path(drawings) / "png";
  const fs::path svg = fs::path(drawings) / "svg";
  const int code =
      run_gnuplot({"gnuplot", "-e", "png=" + quoted(png.string()) + "; svg=" + quoted(svg.string()), file.string()});
  const std::string reason = code < 0 ? std::strerror(errno) : "exit code " + std::to_string(code);
  const std::optional<std::string> png_bytes = code == 0 ? read_whole(png) : std::nullopt;
  const std::optional<std::string> svg_text = code == 0 ? read_whole(svg) : std::nullopt;
  std::error_code ignored;
  fs::remove_all(drawings, ignored);
  const auto keep = [&](const std::string& suffix, const std::optional<std::string>& contents) {
    const fs::path whole = folder / (name + suffix);
    if (contents) {
      write_whole(whole, *contents);
    } else {
      fs::remove(whole, ignored);  // of other results
    }
  };
  keep(".png", png_bytes);
  keep(".svg", svg_text);
  if (code != 0) {
    log(LogLevel::warn, "no figure: gnuplot cannot be run (", reason, "); install it, then: cd ", folder.string(),
        " && gnuplot ", name, ".gp");
  }
  return code == 0;
}

}  // namespace lab
