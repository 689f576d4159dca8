#include <algorithm>
#include <array>
#include <cstdio>
#include <ostream>

#include "normgrad/train/norm_report.hpp"

namespace normgrad {

namespace {

constexpr std::size_t kColumns = 9;
using Row = std::array<std::string, kColumns>;

std::string number(double value) {
  std::array<char, 32> text = {};
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

Row row_of(const NormFinding& f) {
  const bool drift = f.has_running_stats && f.batches > 0;
  return {f.name.empty() ? "(model)" : f.name,
          f.type,
          std::to_string(f.channels),
          std::to_string(f.values),
          drift ? number(f.mean_drift) : "-",
          drift ? number(f.least_var_ratio) + " to " + number(f.largest_var_ratio) : "-",
          std::to_string(f.constant_channels.size()),
          std::to_string(f.dead_channels.size()),
          std::to_string(f.non_finite_batches)};
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const NormReport& report) {
  std::vector<Row> rows = {
      {"norm", "type", "channels", "values", "mean drift", "variance ratio", "constant", "dead", "non-finite"}};
  for (const NormFinding& f : report.norms) {
    rows.push_back(row_of(f));
  }
  std::array<std::size_t, kColumns> widths = {};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < kColumns; ++i) {
      const std::string gap(widths[i] - row[i].size(), ' ');
      line += (i > 0 ? "  " : "") + (i < 2 ? row[i] + gap : gap + row[i]);
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << "\n";
  }
  for (const NormFinding& f : report.norms) {
    for (const std::string& advice : f.advice) {
      out << (f.name.empty() ? f.type : f.name) << ": " << advice << "\n";
    }
  }
  if (report.all_well()) {
    out << "all is well\n";
  }
  return out;
}

}  // namespace normgrad
