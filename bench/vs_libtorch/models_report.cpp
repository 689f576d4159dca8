// `models_report --list` prints the names of the cases. `models_report ROWS OUT_DIR` merges the rows "side, threads,
// case, microseconds, peak MB" (separated by tabs) and writes OUT_DIR/models.json and .md, worst ratio first.
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

#include "models.hpp"
#include "report.hpp"

namespace {

using bench::median;

struct Samples {
  std::vector<double> us, mb;
};

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0) {
      return line.substr(line.find(':') + 2);
    }
  }
  return "unknown processor";
}

struct Row {
  std::string name;
  int threads;
  double ours, theirs, ours_mb, theirs_mb;
  double ratio() const { return theirs / ours; }
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 2 && std::string(argv[1]) == "--list") {
    for (const bench::ModelCase& c : bench::model_cases()) {
      std::cout << bench::name_of(c) << "\n";
    }
    return 0;
  }
  if (argc != 3) {
    std::cerr << "usage: models_report --list | ROWS OUT_DIR\n";
    return 2;
  }
  std::ifstream in(argv[1]);
  std::map<std::pair<int, std::string>, std::map<std::string, Samples>> samples;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string side, threads, name, us, mb;
    std::getline(fields, side, '\t');
    std::getline(fields, threads, '\t');
    std::getline(fields, name, '\t');
    std::getline(fields, us, '\t');
    std::getline(fields, mb, '\t');
    Samples& of = samples[{std::stoi(threads), name}][side];
    of.us.push_back(std::stod(us));
    of.mb.push_back(std::stod(mb));
  }
  std::vector<Row> rows;
  for (const auto& [key, sides] : samples) {
    if (sides.size() == 2) {
      const Samples& ours = sides.at("normgrad");
      const Samples& theirs = sides.at("libtorch");
      rows.push_back({key.second, key.first, median(ours.us), median(theirs.us), median(ours.mb), median(theirs.mb)});
    }
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.ratio() < b.ratio(); });
  nlohmann::json json = nlohmann::json::array();
  std::ostringstream md;
  md << std::fixed << "Milliseconds (medians) on " << processor() << "; ratio = libtorch / normgrad, worst first.\n\n"
     << "| case | threads | normgrad | LibTorch | ratio | peak memory, MB: normgrad | LibTorch "
        "|\n|---|---|---|---|---|---|---|\n";
  std::map<std::string, std::pair<double, int>> logs;
  for (const Row& r : rows) {
    md << "| " << r.name.substr(6) << " | " << r.threads << " | " << std::setprecision(2) << r.ours / 1e3 << " | "
       << r.theirs / 1e3 << " | " << r.ratio() << " | " << std::setprecision(0) << r.ours_mb << " | " << r.theirs_mb
       << " |\n";
    json.push_back({{"case", r.name},
                    {"threads", r.threads},
                    {"normgrad_us", r.ours},
                    {"libtorch_us", r.theirs},
                    {"ratio", r.ratio()},
                    {"normgrad_mb", r.ours_mb},
                    {"libtorch_mb", r.theirs_mb}});
    auto& [sum, count] = logs[r.name.find(" training ") != std::string::npos ? "training" : "inference"];
    sum += std::log(r.ratio());
    ++count;
  }
  for (const auto& [kind, log] : logs) {
    md << "| **geometric mean, " << kind << "** | | | | **" << std::setprecision(2) << std::exp(log.first / log.second)
       << "** | | |\n";
  }
  const std::string dir = argv[2];
  std::ofstream(dir + "/models.json") << nlohmann::json{{"processor", processor()}, {"rows", json}}.dump(1) << "\n";
  std::ofstream(dir + "/models.md") << md.str();
  std::cout << md.str();
  return 0;
} catch (const std::exception& error) {
  std::cerr << "models_report: " << error.what() << "\n";
  return 2;
}
