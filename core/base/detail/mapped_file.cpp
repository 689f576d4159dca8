#include "normgrad/core/base/detail/mapped_file.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

namespace {

struct Mapping {
  void* start;
  std::size_t bytes;
};

}  // namespace

Buffer map_bytes(const InputFile& file, std::uint64_t offset, std::size_t count) {
  if (count == 0) {
    return Buffer(std::size_t{0});
  }
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t start = offset / page * page;  // a mapping starts with a page
  const auto before = static_cast<std::size_t>(offset - start);
  // Without a reservation, a mapping may be larger than the memory that its writes could need.
  void* const at = mmap(nullptr, before + count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.descriptor(),
                        static_cast<off_t>(start));
  require<IoError>(at != MAP_FAILED, file.where(), "cannot be mapped: ", std::strerror(errno));
  auto* const mapping = new Mapping{at, before + count};  // NOLINT(cppcoreguidelines-owning-memory): freed below
  return Buffer(static_cast<std::byte*>(at) + before, count, mapping, [](void* owner) {
    auto* const mapped = static_cast<Mapping*>(owner);
    munmap(mapped->start, mapped->bytes);
    delete mapped;  // NOLINT(cppcoreguidelines-owning-memory)
  });
}

}  // namespace normgrad::detail
