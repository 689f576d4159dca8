// Finished runs, stored so that no run is repeated.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "lab/compare_norms/training.hpp"

namespace compare_norms {

/// A text with everything that a run's results depend on: two runs with the same key are the same. It includes the
/// build of the program, the instruction sets and the data. Plans of the same net, such as those of a transformer
/// without norms that differ in its placement, have the same key.
std::string run_key(const Plan& plan, std::uint64_t seed, const Data& data);

/// A run as JSON. Numbers are stored exactly.
std::string to_json(const Run& run);
/// Returns nothing if the text is not a run.
std::optional<Run> run_from_json(const std::string& text);

/// One file per run, named after its key.
class RunStore {
 public:
  /// Creates `folder`. Throws IoError if it cannot.
  explicit RunStore(std::filesystem::path folder);
  /// Returns the run with this key, or nothing if there is none. A damaged file, detected by its checksum, is logged
  /// and ignored.
  std::optional<Run> load(const std::string& key) const;
  /// Writes the file atomically: it is complete or missing at any time.
  void save(const std::string& key, const Run& run) const;

 private:
  std::filesystem::path file_of(const std::string& key) const;
  std::filesystem::path folder_;
};

}  // namespace compare_norms
