#include "normgrad/core/base/detail/input_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

namespace {
constexpr std::size_t kLargestRead = std::size_t{1} << 30;  // Linux reads at most 2 GiB per call
}

InputFile::InputFile(const char* operation, const FilePath& path)
    : where_(std::string(operation) + ": '" + path.string() + "': "),
      descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {  // opening a pipe must not block
  const int reason = errno;
  require<IoError>(
      descriptor_ >= 0, where_,
      reason == ENOENT ? std::string("no such file") : std::string("cannot be opened: ") + std::strerror(reason));
  struct stat status = {};
  const bool known = fstat(descriptor_, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    close(descriptor_);
    fail<IoError>(where_, "expected a file but it is ", S_ISDIR(status.st_mode) ? "a folder" : "something else");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() { close(descriptor_); }

void InputFile::read(std::uint64_t offset, void* to, std::size_t count) const {
  auto* next = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t got = pread(descriptor_, next, std::min(count, kLargestRead), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    require<IoError>(got >= 0, where_, "cannot be read: ", std::strerror(errno));
    require<IoError>(got > 0, where_, "ended at byte ", offset, " while it was being read");
    next += got;
    offset += static_cast<std::uint64_t>(got);
    count -= static_cast<std::size_t>(got);
  }
}

std::uint64_t InputFile::unpack_limit(std::uint64_t max_bytes) const noexcept {
  constexpr std::uint64_t kMin = std::uint64_t{1} << 30;
  constexpr std::uint64_t kTimes = 16;
  return max_bytes != 0 ? max_bytes : std::max(kMin, size_ * kTimes);
}

}  // namespace normgrad::detail
