// Memory that the ranks of one machine read directly, so that they need not send each other what they reduce.
#pragma once

#include <mpi.h>

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "normgrad/core/base/buffer.hpp"

namespace normgrad::detail {

/// Memory of a process, as other processes find it.
struct SharedArea {
  std::int64_t file = -1;    ///< descriptor in the process that owns it
  std::int64_t number = -1;  ///< of the areas of that process, never used twice
  std::int64_t bytes = 0;
};

/// Returns the process ids of all members of the communicator if each can read the shared memory of all others, else
/// nothing. Collective. False in `wanted` on any rank also gives nothing.
std::vector<pid_t> processes_sharing_memory(MPI_Comm comm, bool wanted);

/// Takes memory that other processes can read. It belongs to a file without a name, which ends with the last process
/// that uses it, also if that one is killed. Freed areas are kept and reused. Throws OutOfMemoryError.
Buffer shared_buffer(std::size_t bytes);
/// Returns where others find this memory, if shared_buffer() returned it.
std::optional<SharedArea> shared_area_of(const Buffer& buffer);

/// Returns memory of another process, which lasts at least as long as the pointer. Small areas stay mapped. Throws
/// DistError if that process has ended.
std::shared_ptr<const std::byte> map_shared_area(pid_t process, const SharedArea& area);

}  // namespace normgrad::detail
