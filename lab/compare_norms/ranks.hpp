// A sweep whose runs are spread over the processes that mpirun or srun has started.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "lab/compare_norms/options.hpp"
#include "lab/files.hpp"
#include "lab/launch.hpp"

namespace compare_norms {

/// On any rank but the first: waits a moment, while rank 0 prints the error, and ends the process with code 2. mpirun
/// ends all processes as soon as one ends with an error.
void leave_to_first(const lab::Launch& launch);

class SweepRanks {
 public:
  /// Divides the machine's processors among its ranks, unless the options say how many are used. `options` must outlive
  /// this.
  SweepRanks(lab::Launch launch, Options& options);

  bool is_first() const { return launch_.rank == 0; }
  /// The folder in which runs are claimed; none for one rank.
  std::filesystem::path claims() const { return meeting_ ? meeting_->folder() : std::filesystem::path(); }
  /// Runs a part of the preparation on all ranks, which returns the data's fingerprint, and locks the folder against
  /// other sweeps. With several ranks, --fresh then removes the stored runs and is off. An error on one rank, and
  /// another build or other data than on rank 0, is an error of all: rank 0 throws it as a ValueError, and the others
  /// end.
  void prepare(const std::function<std::string()>& part);
  /// Runs `part` on rank 0, or if that has ended, on another. Unless the sweep is complete, on rank 0 only.
  void once(bool complete, const std::function<void()>& part) const;

 private:
  void lock_folder();

  lab::Launch launch_;
  Options& options_;
  std::optional<lab::FolderLock> lock_;
  std::optional<lab::Meeting> meeting_;
};

}  // namespace compare_norms
