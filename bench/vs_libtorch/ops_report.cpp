// Merges the results of the two programs of single operations. `ops_report OUT_DIR "THREADS..." DESCRIPTION` reads
// OUT_DIR/ops_{normgrad,libtorch}.THREADS.txt (one line "case<TAB>microseconds" for each case and repeat), and writes
// OUT_DIR/ops_vs_libtorch.json and .md: the ratios, worst first.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>
#include <nlohmann/json.hpp>

#include "report.hpp"

namespace {

using bench::median;
using bench::Row;

std::map<std::string, double> medians_of(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    throw std::runtime_error("cannot read " + path);
  }
  std::map<std::string, std::vector<double>> times;
  for (std::string line; std::getline(in, line);) {
    const std::size_t tab = line.find('\t');
    if (tab != std::string::npos) {
      times[line.substr(0, tab)].push_back(std::stod(line.substr(tab + 1)));
    }
  }
  std::map<std::string, double> result;
  for (const auto& [name, values] : times) {
    result[name] = median(values);
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::cerr << "usage: ops_report OUT_DIR \"1 2\" DESCRIPTION\n";
    return 2;
  }
  const std::string dir = argv[1];
  nlohmann::json rows_json = nlohmann::json::array();
  nlohmann::json means_json = nlohmann::json::array();
  std::ostringstream md;
  md << argv[3] << "\nMicroseconds; ratio = libtorch / normgrad, worst first.\n" << std::fixed;
  std::istringstream thread_counts(argv[2]);
  for (int threads = 0; thread_counts >> threads;) {
    const std::string end = "." + std::to_string(threads) + ".txt";
    const std::map<std::string, double> theirs = medians_of(dir + "/ops_libtorch" + end);
    std::vector<Row> rows;
    double logarithms = 0.0;
    for (const auto& [name, ours] : medians_of(dir + "/ops_normgrad" + end)) {
      const auto found = theirs.find(name);
      if (found != theirs.end()) {
        logarithms += std::log(rows.emplace_back(Row{name, ours, found->second}).ratio());
      }
    }
    if (rows.empty()) {
      throw std::runtime_error("no case was run; check the filter");
    }
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.ratio() < b.ratio(); });
    const double mean = std::exp(logarithms / static_cast<double>(rows.size()));
    const auto below = std::count_if(rows.begin(), rows.end(), [](const Row& row) { return row.ratio() < 0.95; });
    md << "\n"
       << threads << (threads == 1 ? " thread: " : " threads: ") << rows.size() << " rows, geometric mean "
       << std::setprecision(2) << mean << ", worst " << rows.front().ratio() << ", below 0.95: " << below
       << "\n\n| case | normgrad | LibTorch | ratio |\n|---|---|---|---|\n";
    for (const Row& row : rows) {
      md << "| " << row.name << " | "
         << std::setprecision(row.ours < 10    ? 2
                              : row.ours < 100 ? 1
                                               : 0)
         << row.ours << " | "
         << std::setprecision(row.theirs < 10    ? 2
                              : row.theirs < 100 ? 1
                                                 : 0)
         << row.theirs << " | " << std::setprecision(2) << row.ratio() << " |\n";
      rows_json.push_back({{"case", row.name},
                           {"threads", threads},
                           {"normgrad_us", row.ours},
                           {"libtorch_us", row.theirs},
                           {"ratio", row.ratio()}});
    }
    means_json.push_back({{"threads", threads}, {"geometric_mean", mean}, {"worst", rows.front().ratio()}});
  }
  std::ofstream(dir + "/ops_vs_libtorch.json")
      << nlohmann::json{{"description", argv[3]}, {"rows", rows_json}, {"geometric_means", means_json}}.dump(1) << "\n";
  std::ofstream(dir + "/ops_vs_libtorch.md") << md.str();
  std::cout << md.str();
  return 0;
} catch (const std::exception& error) {
  std::cerr << "ops_report: " << error.what() << "\n";
  return 2;
}
