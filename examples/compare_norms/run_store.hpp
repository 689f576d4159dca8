// Runs that are done, kept so that no run is made twice.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "examples/compare_norms/training.hpp"

namespace compare_norms {

/// All that a run's results depend on, as text: two runs with the same key are the same. The build of the program,
/// the instruction sets and the data are parts of it.
std::string run_key(const Plan& plan, std::uint64_t seed, const Data& data);

/// A run as JSON; numbers keep all their bits.
std::string to_json(const Run& run);
/// Nothing when the text is not a run.
std::optional<Run> run_from_json(const std::string& text);

/// One file per run, named after its key.
class RunStore {
 public:
  /// Makes `folder`; throws IoError when it cannot.
  explicit RunStore(std::filesystem::path folder);
  /// The run with this key; nothing when there is none, or its file is damaged (it has a checksum), which is logged.
  std::optional<Run> load(const std::string& key) const;
  /// The file is either whole or not there, at any moment.
  void save(const std::string& key, const Run& run) const;

 private:
  std::filesystem::path file_of(const std::string& key) const;
  std::filesystem::path folder_;
};

}  // namespace compare_norms
