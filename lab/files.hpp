// Atomically written files, and folders locked by one program.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace lab {

/// Writes a file atomically, as the library does: under a unique temporary name, then synced and renamed. Throws
/// IoError if it cannot be written; an existing file is then unchanged.
void write_whole(const std::filesystem::path& path, const std::string& text);
/// Returns the contents of a file, or nothing if it cannot be read.
std::optional<std::string> read_whole(const std::filesystem::path& path);
/// Runs the body of a program and returns its exit code: 2, with the message on standard error, for errors that the
/// user can fix (a class derived from normgrad::Error, or a system error), and 1 for any other error.
int run_program(const std::string& name, const std::function<int()>& program);
/// Creates a folder and its parents. Throws IoError, naming `flag`, if it cannot.
void make_folder(const std::string& flag, const std::filesystem::path& folder);

/// 64-bit FNV-1a as 16 hexadecimal digits: for file names, not for cryptography.
std::string fingerprint(const std::string& text);
/// Fingerprint of the running program and the library it uses; every build has a different one.
const std::string& build_fingerprint();

/// Excludes other programs from a folder during its lifetime. Processes forked meanwhile hold the lock too, until they
/// exit.
class FolderLock {
 public:
  /// Waits up to `patience` seconds. Throws IoError if the folder is still locked, or is not writable.
  [[nodiscard("give it a name: an object without one ends at once")]] explicit FolderLock(
      const std::filesystem::path& folder, double patience = 5.0);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int file_ = -1;
};

}  // namespace lab
