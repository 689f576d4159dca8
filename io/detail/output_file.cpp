#include "normgrad/io/detail/output_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

namespace {

constexpr std::size_t kLargestWrite = std::size_t{1} << 30;
constexpr mode_t kNewFileMode = 0666;  // before the umask
constexpr int kMaxLinks = 40;          // the limit of Linux
constexpr int kMaxNames = 100;
constexpr std::string_view kPartialSuffix = ".partial";
constexpr std::size_t kUniqueDigits = 16;
constexpr std::size_t kLongestStem = 255 - kPartialSuffix.size() - kUniqueDigits - 1;  // NAME_MAX

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

/// Common prefix of the names of all partial files of `path`; long names are truncated.
std::string partial_stem(const std::filesystem::path& path) {
  return path.filename().string().substr(0, kLongestStem) + ".";
}

std::string unique_digits() {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number)) {
    number = static_cast<std::uint64_t>(getpid());  // O_EXCL detects collisions
  }
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string digits(kUniqueDigits, '0');
  for (char& digit : digits) {
    digit = kDigits[number % kDigits.size()];
    number /= kDigits.size();
  }
  return digits;
}

bool is_partial_name(std::string_view name, std::string_view stem) {
  return name.size() == stem.size() + kUniqueDigits + kPartialSuffix.size() && name.starts_with(stem) &&
         name.ends_with(kPartialSuffix) &&
         name.substr(stem.size(), kUniqueDigits).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool still_named(int descriptor, const char* name) {
  struct stat open_one = {};
  struct stat named = {};
  return fstat(descriptor, &open_one) == 0 && lstat(name, &named) == 0 && open_one.st_ino == named.st_ino &&
         open_one.st_dev == named.st_dev;
}

/// Removes files left by killed writers of `path`. The file of a live writer is locked.
void remove_leftovers(const std::filesystem::path& path) {
  const std::filesystem::path folder = folder_of(path);
  const std::string stem = partial_stem(path);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), [](DIR* open) { return closedir(open); });
  if (entries == nullptr) {
    return;
  }
  while (const dirent* entry = readdir(entries.get())) {
    if (!is_partial_name(entry->d_name, stem)) {
      continue;
    }
    const std::filesystem::path file = folder / entry->d_name;
    const int descriptor = open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) {
      continue;
    }
    // Removed under the lock: a writer that just created the file and waits for the lock will notice that it is gone.
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0 && still_named(descriptor, file.c_str())) {
      unlink(file.c_str());
    }
    close(descriptor);
  }
}

std::filesystem::path end_of_links(const std::string& where, std::filesystem::path path) {
  std::error_code none;
  for (int links = 0; std::filesystem::is_symlink(std::filesystem::symlink_status(path, none)); ++links) {
    std::error_code error;
    const std::filesystem::path target = std::filesystem::read_symlink(path, error);
    require<IoError>(!error && links < kMaxLinks, where,
                     "cannot be written: ", error ? error.message() : std::string(std::strerror(ELOOP)));
    path = target.is_absolute() ? target : folder_of(path) / target;
  }
  return path;
}

const char* kind_of(mode_t mode) { return S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device"; }

std::string begin_of_errors(const char* operation, const std::filesystem::path& path) {
  return std::string(operation) + (*operation == '\0' ? "'" : ": '") + path.string() + "': ";
}

}  // namespace

void check_output_name(const std::string& where, const std::filesystem::path& path) {
  struct stat status = {};
  const int reason = stat(path.c_str(), &status) == 0 ? 0 : errno;
  require<IoError>(path.has_filename() && (reason != 0 || !S_ISDIR(status.st_mode)), where,
                   "expected the name of a file but it is a folder");
  require<IoError>(reason != 0 || S_ISREG(status.st_mode), where, "expected the name of a file but it is ",
                   kind_of(status.st_mode), ", which cannot be replaced by renaming");
  if (reason == ENOENT) {
    const std::filesystem::path folder = folder_of(end_of_links(where, path));
    const int folder_reason = stat(folder.c_str(), &status) == 0 ? 0 : errno;
    require<IoError>(folder_reason != ENOENT, where, "the folder does not exist");
    require<IoError>(folder_reason == 0, where, "cannot be written: ", std::strerror(folder_reason));
    require<IoError>(S_ISDIR(status.st_mode), where, "cannot be written: ", std::strerror(ENOTDIR));
  } else {
    require<IoError>(reason == 0, where, "cannot be written: ", std::strerror(reason));
  }
}

OutputFile::OutputFile(const char* operation, const std::filesystem::path& path)
    : where_(begin_of_errors(operation, path)) {
  check_output_name(where_, path);
  path_ = end_of_links(where_, path);
  remove_leftovers(path_);
  struct stat replaced = {};
  const bool replaces = stat(path_.c_str(), &replaced) == 0;
  create_partial(replaces ? replaced.st_mode & 0700U : kNewFileMode);
  if (replaces) {
    // May not be permitted; this must not prevent the write.
    const bool given = fchown(descriptor_, replaced.st_uid, replaced.st_gid) == 0;
    static_cast<void>(given);
    fchmod(descriptor_, replaced.st_mode & 0777U);
  }
}

void OutputFile::create_partial(unsigned mode) {
  for (int tries = 0; tries < kMaxNames; ++tries) {
    partial_ = folder_of(path_) / (partial_stem(path_) + unique_digits() + std::string(kPartialSuffix));
    descriptor_ = open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (descriptor_ < 0) {
      if (errno == EEXIST) {
        continue;
      }
      fail_with("cannot be written", errno);
    }
    while (flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {
    }
    if (still_named(descriptor_, partial_.c_str())) {
      return;
    }
    close(descriptor_);  // another writer removed it as a leftover before it was locked
    descriptor_ = -1;
  }
  fail_with("cannot be written", EEXIST);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) {
    unlink(partial_.c_str());  // still locked, so no other writer removes it
    close(descriptor_);
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
  // The rename is durable only once the folder is synced too.
  const int directory = open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    const bool synced = fsync(directory) == 0 || errno == EINVAL || errno == EROFS;  // unsupported by some file systems
    const int reason = errno;
    close(directory);
    if (!synced) {
      fail_with("its folder cannot be synced", reason);
    }
  }
}

}  // namespace normgrad::detail
