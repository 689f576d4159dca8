// The command line of a trainer, and the options that every trainer has. CLI11 stays in command_line.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lab {

/// Options of a run that is stored in a folder and can be resumed.
struct RunOptions {
  std::filesystem::path out;
  bool resume = false;
  bool resume_anyway = false;  // resume with other settings or other data; implies resume
  bool overwrite = false;
  std::uint64_t seed = 1;
  std::int64_t checkpoint_every = 100;  // steps
  std::optional<int> threads;
  std::string log_level = "info";
};

/// The values that an option may have, ends included.
struct Range {
  double from = -std::numeric_limits<double>::infinity();
  double to = std::numeric_limits<double>::infinity();
};
inline constexpr Range kAtLeastZero = {.from = 0.0};
inline constexpr Range kAtLeastOne = {.from = 1.0};
inline constexpr Range kAboveZero = {.from = std::numeric_limits<double>::denorm_min()};

/// Flags bound to variables, whose values are the defaults that --help shows. The variables must outlive it.
class CommandLine {
 public:
  CommandLine(const std::string& program, const std::string& description, const std::string& footer = {});
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// An empty default is not shown. `choices`: the only values, unless empty.
  void add(const std::string& flag, std::string& value, const std::string& help,
           const std::vector<std::string>& choices = {});
  void add(const std::string& flag, std::int64_t& value, const std::string& help, Range range = kAtLeastZero);
  void add(const std::string& flag, double& value, const std::string& help, Range range = kAtLeastZero);
  /// A flag without a value.
  void add(const std::string& flag, bool& value, const std::string& help);
  /// --out, --resume, --resume-anyway, --overwrite, --seed, --checkpoint-every, --threads and --log-level. parse() then
  /// applies the last two.
  void add_run_options(RunOptions& options);

  /// Returns false after --help, which it prints. Throws normgrad::ValueError for an invalid command line.
  bool parse(int argc, const char* const* argv);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace lab
