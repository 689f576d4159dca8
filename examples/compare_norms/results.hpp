// What compare_norms writes: results.csv while it runs, summary.json and the table at its end.
#pragma once

#include <array>
#include <cstdio>
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "examples/compare_norms/training.hpp"

namespace compare_norms {

inline constexpr std::array<int, 3> kTargets = {70, 80, 85};  // per cent of test accuracy

/// A file that appears under its name only once it is whole: until commit() it is called `<name>.partial`.
class PartialFile {
 public:
  /// Throws IoError when it cannot be made.
  explicit PartialFile(std::filesystem::path path);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  /// Removes the partial file unless it was committed.
  ~PartialFile();

  /// Writes and hands over to the system; throws IoError when it cannot.
  void write(const std::string& text);
  void commit();
  const std::filesystem::path& path() const noexcept { return path_; }
  const std::filesystem::path& partial_path() const noexcept { return partial_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::filesystem::path partial_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// results.csv; one row per measurement, written at once.
class ResultsCsv {
 public:
  explicit ResultsCsv(const std::filesystem::path& folder);
  void add(const Run& run, const Measurement& measurement);
  std::int64_t rows() const noexcept { return rows_; }
  void commit() { file_.commit(); }
  const std::filesystem::path& path() const noexcept { return file_.path(); }

 private:
  PartialFile file_;
  std::int64_t rows_ = 0;
};

/// One model with one norm, over its seeds.
struct Comparison {
  std::string model;
  std::string norm;
  std::string not_applicable;  ///< why the model cannot have the norm; else empty
  std::vector<Run> runs;
};

/// Over the seeds: medians, but mean time and highest memory. A seed that never gets to a target counts as infinitely
/// slow; a median that is infinite is empty.
struct Summary {
  std::optional<double> final_accuracy;
  std::optional<double> best_accuracy;
  std::array<std::optional<double>, kTargets.size()> steps_to{};
  double mean_step_ms = 0.0;
  std::size_t peak_memory = 0;
  int diverged = 0;  ///< runs
};
Summary summarize(const Comparison& comparison);

/// All that compare_norms found out.
struct Report {
  Options options;
  std::string data;
  std::int64_t train_images = 0;
  std::int64_t test_images = 0;
  int threads = 0;
  std::vector<Plan> plans;
  std::vector<Comparison> comparisons;
  bool complete = false;
};

void write_summary(const Report& report, const std::filesystem::path& folder);
void print_table(const Report& report, std::ostream& out);

}  // namespace compare_norms
