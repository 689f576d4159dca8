#include "normgrad/io/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

namespace {
constexpr std::size_t kLargestWrite = std::size_t{1} << 30;
constexpr mode_t kMode = 0666;  // what the umask leaves of it
}  // namespace

OutputFile::OutputFile(const char* operation, const std::filesystem::path& path)
    : where_(std::string(operation) + ": '" + path.string() + "': "), path_(path), partial_(path) {
  std::error_code ignored;
  require<IoError>(path.has_filename() && !std::filesystem::is_directory(path, ignored), where_,
                   "expected the name of a file but it is a folder");
  partial_ += ".partial";
  descriptor_ = open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kMode);
  if (descriptor_ < 0) {
    const int reason = errno;
    if (reason == ENOENT) {
      fail<IoError>(where_, "the folder does not exist");
    }
    fail_with("cannot be written", reason);
  }
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) {
    close(descriptor_);
    unlink(partial_.c_str());
  }
}

void OutputFile::fail_with(const char* what, int reason) const {
  fail<IoError>(where_, what, ": ", std::strerror(reason));
}

void OutputFile::write(const void* bytes, std::size_t count) {
  const auto* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t done = ::write(descriptor_, next, std::min(count, kLargestWrite));
    if (done < 0) {
      if (errno == EINTR) {
        continue;
      }
      fail_with("cannot be written", errno);
    }
    next += done;
    count -= static_cast<std::size_t>(done);
  }
}

void OutputFile::commit() {
  if (fsync(descriptor_) != 0) {
    fail_with("cannot be written", errno);
  }
  if (std::rename(partial_.c_str(), path_.c_str()) != 0) {
    fail_with("cannot be replaced", errno);
  }
  close(descriptor_);
  descriptor_ = -1;
  // The new name is in the folder, which is on the disk only when it is synced, too.
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    const bool synced = fsync(directory) == 0 || errno == EINVAL || errno == EROFS;  // not every file system can
    const int reason = errno;
    close(directory);
    if (!synced) {
      fail_with("its folder cannot be synced", reason);
    }
  }
}

}  // namespace normgrad::detail
