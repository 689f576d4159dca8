// What every trainer does around its steps: its folder, checkpoints, metrics and log.
//
//   lab::TrainingRun run(options);
//   run.begin({{"model", net}, {"optimizer", optimizer}, {"loader", batches}});  // goes on with --resume
//   while (run.steps() < steps) {
//     ...
//     run.end_step();  // saves a checkpoint now and then
//     run.write({{"step", ...}, {"loss", ...}});
//   }
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lab/command_line.hpp"
#include "lab/files.hpp"
#include "normgrad/io/checkpoint.hpp"
#include "normgrad/io/metrics_file.hpp"

namespace lab {

/// Throws ValueError if there is no run to resume, or if the folder has a run and neither --resume nor --overwrite is
/// given.
void check_run_folder(const RunOptions& options, const std::filesystem::path& checkpoint);

/// Loads a checkpoint. Throws ValueError if the run was started under other conditions, unless --resume-anyway is
/// given.
void resume_run(const RunOptions& options, const std::filesystem::path& checkpoint,
                const normgrad::CheckpointParts& run);

/// The part "options" of a checkpoint: flags, without their "--", whose values determine a run and which its other
/// parts do not store. Resuming requires the same values.
normgrad::CheckpointPart options_part(std::vector<std::pair<std::string, double>> flags);

/// Logs the conditions of the run: versions and the instruction set.
void log_run_conditions();

/// A run in the folder --out: checkpoint.safetensors, metrics.csv, metrics.jsonl and train.log.
class TrainingRun {
 public:
  /// Makes and locks the folder. Throws as check_run_folder(), and IoError if the folder cannot be used.
  explicit TrainingRun(const RunOptions& options);
  TrainingRun(const TrainingRun&) = delete;
  TrainingRun& operator=(const TrainingRun&) = delete;

  /// Adds the files and the number of steps to the parts; with --resume, loads the checkpoint. From here on the command
  /// line counts as valid, and the log is written to train.log.
  void begin(normgrad::CheckpointParts parts);
  /// Counts a step, and saves a checkpoint if it is time.
  void end_step();
  /// Returns the number of steps done, those before a resume included.
  std::int64_t steps() const noexcept { return steps_; }
  /// Writes a row of metrics to both files.
  void write(const normgrad::Metrics& row);
  void save() const;
  /// Returns the path of a file in the folder.
  std::filesystem::path path(const std::string& name) const { return options_.out / name; }

 private:
  RunOptions options_;
  std::filesystem::path checkpoint_;
  std::optional<FolderLock> lock_;
  std::optional<normgrad::CsvFile> csv_;
  std::optional<normgrad::JsonLinesFile> json_;
  normgrad::CheckpointParts parts_;
  std::int64_t steps_ = 0;
};

}  // namespace lab
