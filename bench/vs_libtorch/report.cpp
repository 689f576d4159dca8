// Merges the results of both sides. `report OUT_DIR "THREADS..."` reads OUT_DIR/{normgrad,libtorch}.THREADS.txt (one
// line "case<TAB>microseconds" for each case and repeat) and {normgrad,libtorch}.memory.txt ("case<TAB>MB"), and writes
// OUT_DIR/vs_libtorch.json and .md.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>
#include <nlohmann/json.hpp>

#include "report.hpp"

namespace {

using bench::median;
using bench::Row;

using Times = std::map<std::string, std::vector<double>>;

// Returns the cases in the order of their first appearance, and their times.
std::pair<std::vector<std::string>, Times> read(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    throw std::runtime_error("cannot read " + path);
  }
  std::vector<std::string> order;
  Times times;
  for (std::string line; std::getline(in, line);) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) {
      continue;
    }
    auto [entry, is_new] = times.try_emplace(line.substr(0, tab));
    if (is_new) {
      order.push_back(entry->first);
    }
    entry->second.push_back(std::stod(line.substr(tab + 1)));
  }
  return {order, times};
}

std::string group_of(const std::string& name) {
  if (name.find(" step,") == std::string::npos) {
    return "norm layers";
  }
  return name.substr(0, 3) + " steps";
}

double geometric_mean(const std::vector<Row>& rows, const std::string& group) {
  double sum = 0.0;
  int count = 0;
  for (const Row& row : rows) {
    if (group_of(row.name) == group) {
      sum += std::log(row.ratio());
      ++count;
    }
  }
  return count == 0 ? 0.0 : std::exp(sum / count);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: report OUT_DIR \"1 2\"\n";
    return 2;
  }
  const std::string dir = argv[1];
  nlohmann::json rows_json = nlohmann::json::array();
  nlohmann::json means_json = nlohmann::json::array();
  std::ostringstream md;
  md << "Microseconds (medians); ratio = libtorch / normgrad.\n";
  std::istringstream thread_counts(argv[2]);
  for (int threads = 0; thread_counts >> threads;) {
    const auto [order, ours] = read(dir + "/normgrad." + std::to_string(threads) + ".txt");
    const Times theirs = read(dir + "/libtorch." + std::to_string(threads) + ".txt").second;
    std::vector<Row> rows;
    md << "\n| case, " << threads << (threads == 1 ? " thread" : " threads") << " | normgrad | LibTorch | ratio |\n"
       << "|---|---|---|---|\n"
       << std::fixed;
    for (const std::string& name : order) {
      const auto found = theirs.find(name);
      if (found == theirs.end()) {
        continue;
      }
      const Row& row = rows.emplace_back(Row{name, median(ours.at(name)), median(found->second)});
      md << "| " << row.name << " | " << std::setprecision(row.ours < 100 ? 1 : 0) << row.ours << " | "
         << std::setprecision(row.theirs < 100 ? 1 : 0) << row.theirs << " | " << std::setprecision(2) << row.ratio()
         << " |\n";
      rows_json.push_back({{"case", row.name},
                           {"threads", threads},
                           {"normgrad_us", row.ours},
                           {"libtorch_us", row.theirs},
                           {"ratio", row.ratio()}});
    }
    for (const std::string group : {"norm layers", "mlp steps", "cnn steps"}) {
      const double mean = geometric_mean(rows, group);
      if (mean > 0.0) {
        md << "| **geometric mean, " << group << "** | | | **" << std::setprecision(2) << mean << "** |\n";
        means_json.push_back({{"group", group}, {"threads", threads}, {"geometric_mean", mean}});
      }
    }
  }
  nlohmann::json memory_json = nlohmann::json::array();
  const auto [order, own] = read(dir + "/normgrad.memory.txt");
  const Times theirs = read(dir + "/libtorch.memory.txt").second;
  md << "\n| peak memory of the process, 1 thread, MB | normgrad | LibTorch | ratio |\n|---|---|---|---|\n";
  for (const std::string& name : order) {
    const auto found = theirs.find(name);
    if (found != theirs.end()) {
      const Row row{name, median(own.at(name)), median(found->second)};
      md << "| " << name << " | " << std::setprecision(0) << row.ours << " | " << row.theirs << " | "
         << std::setprecision(2) << row.ratio() << " |\n";
      memory_json.push_back(
          {{"case", name}, {"normgrad_mb", row.ours}, {"libtorch_mb", row.theirs}, {"ratio", row.ratio()}});
    }
  }
  std::ofstream(dir + "/vs_libtorch.json")
      << nlohmann::json{{"rows", rows_json}, {"geometric_means", means_json}, {"memory", memory_json}}.dump(1) << "\n";
  std::ofstream(dir + "/vs_libtorch.md") << md.str();
  std::cout << md.str();
  return 0;
} catch (const std::exception& error) {
  std::cerr << "report: " << error.what() << "\n";
  return 2;
}
