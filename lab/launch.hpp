// The processes that mpirun or srun has started together, seen without MPI.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace lab {

/// This process among those of its launch.
struct Launch {
  int rank = 0;
  int size = 1;
  int local_size = 1;      ///< on this machine
  std::string id;          ///< the same on all processes of a launch, different for every launch; a file name
  bool recovers = true;    ///< false: the launcher ends all processes if one ends by a signal
  std::string recovery{};  ///< how it is told not to, if it can
};

/// Reads the variables that Open MPI, MPICH and Slurm (with PMI) set. A single process if there are none.
Launch launch();

/// Holds a lock on a file during its lifetime, against other processes, also on other machines that share the file
/// system (fcntl). The system ends it with the process, however that ends. Forked processes do not hold it.
class FileClaim {
 public:
  /// Returns nothing if another process holds the lock. Throws IoError if the file cannot be written.
  static std::optional<FileClaim> try_lock(const std::filesystem::path& path);
  FileClaim(FileClaim&& other) noexcept;
  FileClaim& operator=(FileClaim&&) = delete;
  ~FileClaim();

 private:
  explicit FileClaim(int file) : file_(file) {}
  int file_;
};

/// The agreement of the processes of a launch, through files in a shared folder.
class Meeting {
 public:
  /// `folder` exists and is the same for all processes.
  Meeting(Launch launch, const std::filesystem::path& folder);
  /// A folder of this launch.
  const std::filesystem::path& folder() const { return folder_; }

  /// Waits for all processes, which have called it with a text each; an error begins with "error: ". On rank 0 calls
  /// `judge` with the texts by rank, while the others wait; it returns an error of all, or "". Returns that error.
  /// Throws Error if a process does not come within `patience`.
  std::string agree(const std::string& text, const std::function<std::string(const std::vector<std::string>&)>& judge,
                    std::chrono::seconds patience = std::chrono::seconds(60)) const;

  /// Calls `part` on one of the processes: on rank 0, or if that has ended without completing it, on another. The
  /// others wait until it is completed. All processes call it, when they have nothing else to do.
  void once(const std::function<void()>& part) const;

 private:
  Launch launch_;
  std::filesystem::path folder_;
};

}  // namespace lab
