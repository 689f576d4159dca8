// Files of numbers that grow while a run goes on: CSV for tables, JSON lines for programs.
//
//   CsvFile csv("metrics.csv");
//   csv.write({{"step", 100}, {"loss", 0.31}});
//
// Every row is in the file when write() returns. A program that is killed while it writes may leave the beginning of a
// row, without the end of its line; whoever reads the file leaves off what comes after the last end of a line, as both
// ways of going on do. As a part of a checkpoint, {"metrics", csv}, a file goes on exactly where the run does: rows
// written after the checkpoint are taken back. One program at a time writes to a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/io/progress.hpp"

namespace normgrad {

/// How a file of metrics is begun.
struct MetricsFileOptions {
  /// Go on at the end of a file that is there, less half a last row; else the first row replaces what it holds.
  bool append = false;
};

/// What both kinds of files share.
class MetricsFile {
 public:
  virtual ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /// Adds one row. Throws IoError when it cannot be written, and the file has whole rows only then.
  void write(const Metrics& row);

  /// "bytes": how long the file is.
  StateDict state_dict() const;
  /// Cuts the file to what it was. Throws ValueError for another state, IoError when the file is missing or shorter.
  void load_state_dict(const StateDict& state);
  /// load_state_dict() in two steps: checks everything, with its errors, and changes nothing; what it returns does the
  /// rest and throws nothing.
  std::function<void()> prepare_state_dict(const StateDict& state) const;

 protected:
  /// `name`, the type's, is for errors. Throws IoError when the file cannot be one: its folder is not there, or it is
  /// itself a folder, a pipe or a device.
  MetricsFile(std::string name, const std::filesystem::path& path, MetricsFileOptions options);
  /// The row as text with its end of line; `heading` is the first line of the file when there is one.
  virtual std::string line_of(const Metrics& row, bool is_first, const std::string& first) const = 0;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Comma-separated values. The first row's names are the heading; later rows have the same names in the same order
/// (ValueError otherwise). Numbers have as many digits as they need to be read back exactly.
class CsvFile final : public MetricsFile {
 public:
  /// Throws IoError when the file cannot be opened.
  explicit CsvFile(const std::filesystem::path& path, MetricsFileOptions options = {})
      : MetricsFile("CsvFile", path, options) {}

 protected:
  std::string line_of(const Metrics& row, bool is_first, const std::string& first) const override;
};

/// One JSON object a line; rows may have different names, in UTF-8 (ValueError otherwise). Numbers that are not
/// finite are written as null.
class JsonLinesFile final : public MetricsFile {
 public:
  /// Throws IoError when the file cannot be opened.
  explicit JsonLinesFile(const std::filesystem::path& path, MetricsFileOptions options = {})
      : MetricsFile("JsonLinesFile", path, options) {}

 protected:
  std::string line_of(const Metrics& row, bool is_first, const std::string& first) const override;
};

}  // namespace normgrad
