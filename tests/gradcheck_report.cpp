// Checks the gradients of every operation, loss and layer, and writes the table.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include "tests/gradcheck_report/rows.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace {

constexpr const char* kUsage =
    "usage: gradcheck_report [--out FILE.md] [--json FILE.json] [--filter TEXT] [--threads N]\n"
    "Checks first and second order gradients of all operations, losses and layers against differences.\n"
    "--filter checks only what has TEXT in its name. The exit code is 0 when all pass, 1 when one fails, 2 for\n"
    "wrong arguments or a file that cannot be written.\n";

struct Arguments {
  std::string out;
  std::string json;
  std::string filter;
  int threads = std::min(normgrad::get_num_threads(), 2);
};

[[noreturn]] void refuse(const std::string& message) {
  std::cerr << "gradcheck_report: " << message << "\n" << kUsage;
  std::exit(2);
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help" || flag == "-h") {
      std::cout << kUsage;
      std::exit(0);
    }
    if (i + 1 == argc) {
      refuse("unknown argument, or one without its value: '" + flag + "'");
    }
    const std::string value = argv[++i];
    if (flag == "--out") {
      arguments.out = value;
    } else if (flag == "--json") {
      arguments.json = value;
    } else if (flag == "--filter") {
      arguments.filter = value;
    } else if (flag == "--threads") {
      arguments.threads = std::atoi(value.c_str());
      if (arguments.threads < 1) {
        refuse("--threads: expected a positive number but got '" + value + "'");
      }
    } else {
      refuse("unknown argument '" + flag + "'");
    }
  }
  return arguments;
}

void write(const std::string& path, const std::string& text) {
  if (path.empty()) {
    return;
  }
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) {
    std::cerr << "gradcheck_report: cannot write '" << path << "'\n";
    std::exit(2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace normgrad::tests;
  const Arguments arguments = parse(argc, argv);
  normgrad::set_num_threads(1);  // the cases are small: whole cases run in parallel
  const auto start = std::chrono::steady_clock::now();
  std::vector<GradientCase> cases = all_cases();
  std::erase_if(cases, [&](const GradientCase& c) {
    return (c.family + ": " + c.name).find(arguments.filter) == std::string::npos;
  });
  const std::vector<Row> rows = check_cases(cases, arguments.threads);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::size_t passed = 0;
  for (const Row& row : rows) {
    passed += row.passed ? 1 : 0;
    if (!row.passed) {
      std::cout << "FAILED " << row.family << ": " << row.name << " " << row.shape << ", order " << row.order << "\n"
                << row.problem;
    }
  }
  write(arguments.out, to_markdown(rows));
  write(arguments.json, to_json(rows));
  std::cout << rows.size() << " rows in " << seconds.count() << " s\n"
            << passed << " passed, " << rows.size() - passed << " failed\n";
  return passed == rows.size() && !rows.empty() ? 0 : 1;
}
