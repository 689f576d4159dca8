// Files of metrics that grow during a run: CSV for tables, JSON lines for programs.
//
//   CsvFile csv("metrics.csv");
//   csv.write({{"step", 100}, {"loss", 0.31}});
//
// Every row is in the file when write() returns. A program killed while writing may leave an incomplete row without a
// newline; readers should ignore everything after the last newline, as both ways of resuming do. As a part of a
// checkpoint, {"metrics", csv}, a file resumes exactly where the run does: rows written after the checkpoint are
// removed. Only one program may write to a file at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/base/file_path.hpp"
#include "normgrad/io/progress.hpp"

namespace normgrad {

/// Options of a metrics file.
struct MetricsFileOptions {
  /// Append to an existing file, after removing an incomplete last row. Otherwise the first row replaces its contents.
  bool append = false;
};

/// Common base of both kinds of files.
class MetricsFile {
 public:
  /// For checkpoints: rows that a load cut off cannot be written again, so that the load comes last.
  static constexpr bool kCommitsLast = true;

  virtual ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /// Appends a row. Throws IoError if it cannot be written; the file then still holds only complete rows.
  void write(const Metrics& row);

  /// Returns "bytes": the length of the file.
  StateDict state_dict() const;
  /// Truncates the file to its saved length. Throws ValueError for another state, and IoError if the file is missing or
  /// shorter.
  void load_state_dict(const StateDict& state);
  /// Splits load_state_dict() into two steps. Checks everything, throws the same errors, and changes nothing; the
  /// returned function performs the load and does not throw.
  std::function<void()> prepare_state_dict(const StateDict& state) const;

 protected:
  /// `name` is the type's name for errors. Throws IoError if the file cannot be written: its folder does not exist, or
  /// it is a folder, a pipe or a device.
  MetricsFile(std::string name, const FilePath& path, MetricsFileOptions options);
  /// Returns the row as text with a newline. `first` is the first line of the file, if there is one.
  virtual std::string line_of(const Metrics& row, bool is_first, const std::string& first) const = 0;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Comma-separated values. The names of the first row form the heading; later rows must have the same names in the same
/// order (otherwise ValueError). Numbers have the fewest digits that read back exactly.
class CsvFile final : public MetricsFile {
 public:
  /// Throws IoError if the file cannot be written.
  explicit CsvFile(const FilePath& path, MetricsFileOptions options = {}) : MetricsFile("CsvFile", path, options) {}

 protected:
  std::string line_of(const Metrics& row, bool is_first, const std::string& first) const override;
};

/// One JSON object per line. Rows may have different names, in UTF-8 (otherwise ValueError). Non-finite numbers are
/// written as null.
class JsonLinesFile final : public MetricsFile {
 public:
  /// Throws IoError if the file cannot be written.
  explicit JsonLinesFile(const FilePath& path, MetricsFileOptions options = {})
      : MetricsFile("JsonLinesFile", path, options) {}

 protected:
  std::string line_of(const Metrics& row, bool is_first, const std::string& first) const override;
};

}  // namespace normgrad
