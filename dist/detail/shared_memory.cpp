#include "normgrad/dist/detail/shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "normgrad/core/base/detail/fork.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/dist/detail/comm.hpp"
#include "normgrad/dist/process_group.hpp"

namespace normgrad::detail {

namespace {

// Unused areas of this process, and mapped ones of another process, are kept up to this size in all.
constexpr std::size_t kKeptBytes = std::size_t{64} << 20;
constexpr std::size_t kGranularity = std::size_t{64} << 10;

struct OwnArea {
  SharedArea place;
  std::byte* memory = nullptr;

  std::size_t bytes() const { return static_cast<std::size_t>(place.bytes); }
};

void destroy(const OwnArea& area) {
  munmap(area.memory, area.bytes());
  close(static_cast<int>(area.place.file));
}

// Returns an area without memory if there is none, or no descriptor; errno says why.
OwnArea new_area(std::size_t bytes, std::int64_t number) {
  const int file = memfd_create("normgrad", MFD_CLOEXEC);
  if (file < 0) {
    return {};
  }
  // Reserves the memory: otherwise a write that finds none would end the process.
  const int error = posix_fallocate(file, 0, static_cast<off_t>(bytes));
  void* const memory =
      error != 0 ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  if (memory == MAP_FAILED) {
    const int reason = error != 0 ? error : errno;
    close(file);
    errno = reason;
    return {};
  }
  return {{file, number, static_cast<std::int64_t>(bytes)}, static_cast<std::byte*>(memory)};
}

// The areas of this process.
struct OwnAreas {
  ForkSafeMutex mutex{ForkSafeMutex::Rank::shared_memory};  // a tensor may be destroyed by any thread
  std::map<const std::byte*, SharedArea> in_use;
  std::vector<OwnArea> unused;  // the one freed last is the last
  std::size_t unused_bytes = 0;
  std::int64_t last_number = 0;
};

OwnAreas& own_areas() {
  static auto* areas = new OwnAreas;  // NOLINT: outlives the static objects
  return *areas;
}

const BeforeMain areas_exist([] { own_areas(); });

void release_area(void* memory) {
  OwnAreas& areas = own_areas();
  const std::lock_guard lock(areas.mutex);
  const auto found = areas.in_use.find(static_cast<const std::byte*>(memory));
  areas.unused.push_back({found->second, static_cast<std::byte*>(memory)});
  areas.unused_bytes += areas.unused.back().bytes();
  areas.in_use.erase(found);
  while (areas.unused_bytes > kKeptBytes) {
    areas.unused_bytes -= areas.unused.front().bytes();
    destroy(areas.unused.front());
    areas.unused.erase(areas.unused.begin());
  }
}

struct Mapped {
  std::int64_t number;
  std::size_t bytes;
  std::shared_ptr<const std::byte> memory;
};

// The file of another process, or -1.
int open_file_of(pid_t process, std::int64_t file) {
  return open(concat("/proc/", process, "/fd/", file).c_str(), O_RDONLY | O_CLOEXEC);  // NOLINT: variadic
}

// By which a process recognizes that it has found the memory of the one it was told of, on the same machine.
using Mark = std::array<std::uint32_t, 4>;

Mark new_mark() {
  std::random_device device;
  Mark mark;
  std::generate(mark.begin(), mark.end(), std::ref(device));
  return mark;
}

struct Member {
  std::int64_t process;
  std::int64_t file;
  Mark mark;
};

bool can_read(const Member& member) {
  const int file = open_file_of(static_cast<pid_t>(member.process), member.file);
  if (file < 0) {
    return false;
  }
  Mark mark{};
  const bool same = pread(file, mark.data(), sizeof(mark), 0) == sizeof(mark) && mark == member.mark;
  close(file);
  return same;
}

}  // namespace

std::vector<pid_t> processes_sharing_memory(MPI_Comm comm, bool wanted) {
  int size = 1;
  check_mpi(MPI_Comm_size(comm, &size), "ProcessGroup");
  const OwnArea area = wanted ? new_area(sizeof(Mark), 0) : OwnArea();
  Member own{getpid(), area.place.file, new_mark()};
  if (area.memory != nullptr) {
    std::memcpy(area.memory, own.mark.data(), sizeof(Mark));
  }
  std::vector<Member> members(static_cast<std::size_t>(size));
  check_mpi(MPI_Allgather(&own, sizeof(Member), MPI_BYTE, members.data(), sizeof(Member), MPI_BYTE, comm),
            "ProcessGroup");
  int all = area.memory != nullptr && std::all_of(members.begin(), members.end(), can_read) ? 1 : 0;
  // Nobody closes its file before all have read it.
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, comm), "ProcessGroup");
  if (area.memory != nullptr) {
    destroy(area);
  }
  std::vector<pid_t> processes;
  for (const Member& member : members) {
    if (all != 0) {
      processes.push_back(static_cast<pid_t>(member.process));
    }
  }
  return processes;
}

Buffer shared_buffer(std::size_t bytes) {
  OwnAreas& areas = own_areas();
  const std::lock_guard lock(areas.mutex);
  const auto fits = [bytes](const OwnArea& area) { return area.bytes() >= bytes && area.bytes() / 2 <= bytes; };
  OwnArea area;
  if (const auto found = std::find_if(areas.unused.begin(), areas.unused.end(), fits); found != areas.unused.end()) {
    area = *found;
    areas.unused_bytes -= area.bytes();
    areas.unused.erase(found);
  } else {
    area = new_area((bytes + kGranularity - 1) / kGranularity * kGranularity, ++areas.last_number);
    require<OutOfMemoryError>(area.memory != nullptr, "all_reduce: cannot allocate ", bytes,
                              " bytes of memory shared with the other ranks of this machine: ", std::strerror(errno),
                              "; NORMGRAD_DIST_SHARED_MEMORY=0 sends messages instead");
  }
  areas.in_use[area.memory] = area.place;
  return Buffer(area.memory, bytes, area.memory, release_area);
}

std::optional<SharedArea> shared_area_of(const Buffer& buffer) {
  OwnAreas& areas = own_areas();
  const std::lock_guard lock(areas.mutex);
  const auto found = areas.in_use.find(buffer.data());
  return found == areas.in_use.end() ? std::nullopt : std::optional(found->second);
}

std::shared_ptr<const std::byte> map_shared_area(pid_t process, const SharedArea& area) {
  static auto* all = new std::map<pid_t, std::vector<Mapped>>;  // NOLINT: outlives the static objects
  std::vector<Mapped>& kept = (*all)[process];
  const auto found = std::find_if(kept.begin(), kept.end(), [&](const Mapped& m) { return m.number == area.number; });
  if (found != kept.end()) {
    return found->memory;
  }
  const auto bytes = static_cast<std::size_t>(area.bytes);
  const int file = open_file_of(process, area.file);
  void* memory = MAP_FAILED;
  if (file >= 0) {
    memory = mmap(nullptr, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    close(file);
  }
  require<DistError>(memory != MAP_FAILED, "all_reduce: the memory of process ", process,
                     " cannot be read: ", std::strerror(errno));
  std::shared_ptr<const std::byte> mapped(static_cast<const std::byte*>(memory), [bytes](const std::byte* from) {
    munmap(const_cast<std::byte*>(from), bytes);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  });
  // The owner reuses small areas. Those mapped first are forgotten first.
  if (bytes <= kKeptBytes) {
    kept.push_back({area.number, bytes, mapped});
    std::size_t total = 0;
    for (const Mapped& one : kept) {
      total += one.bytes;
    }
    for (; total > kKeptBytes; kept.erase(kept.begin())) {
      total -= kept.front().bytes;
    }
  }
  return mapped;
}

}  // namespace normgrad::detail
