// The communicator of a group, and the calls in progress. All contact with MPI is in this folder,
// besides the creation of groups.
#pragma once

#include <mpi.h>

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace normgrad::detail {

/// Throws DistError unless MPI's return code is a success. `what` names what was tried.
void check_mpi(int code, const std::string& what);

/// The communicator of a group. Lives as long as the process, because freeing one is a collective call.
class Comm {
 public:
  /// Takes over the communicator.
  Comm(MPI_Comm comm, std::string name);
  static std::shared_ptr<Comm> world();

  MPI_Comm mpi() const noexcept { return comm_; }
  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  const std::string& name() const noexcept { return name_; }
  /// The rank among all processes, by which messages name a member.
  int world_rank(int rank) const { return world_ranks_[static_cast<std::size_t>(rank)]; }
  /// "rank 1" or "ranks 1, 3", by their ranks among all processes.
  std::string names_of(const std::vector<int>& ranks) const;
  /// The process ids of the members if they share a machine and read each other's memory; else none.
  const std::vector<pid_t>& processes() const noexcept { return processes_; }
  /// The number of the next call, from 1; the same on all members.
  std::uint64_t next_call() noexcept { return ++calls_; }
  /// The tag of the messages of a call.
  int tag_of(std::uint64_t call) const noexcept { return static_cast<int>(call % tags_); }

  double timeout;      ///< seconds
  bool checks;         ///< whether calls are checked
  std::string broken;  ///< the message of the error after which the group cannot be used

 private:
  MPI_Comm comm_;
  std::string name_;
  int rank_ = 0;
  int size_ = 1;
  std::vector<int> world_ranks_;
  std::vector<pid_t> processes_;
  std::uint64_t calls_ = 0;
  std::uint64_t tags_ = 32768;
};

}  // namespace normgrad::detail
