// Files that are whole or not there, and folders that one program at a time writes to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace lab {

/// A file that appears under its name only once it is whole, as the library writes its own: under a name of this
/// writer's alone first, synced and renamed. Throws IoError when it cannot be written; a file of that name stays then.
void write_whole(const std::filesystem::path& path, const std::string& text);
/// All of a file; nothing when it cannot be read.
std::optional<std::string> read_whole(const std::filesystem::path& path);
/// Runs what a program does and returns its exit code: 2, with the message on standard error, for what the user can
/// mend (a child of normgrad::Error, or an error of the system's), 1 for any other error.
int run_program(const std::string& name, const std::function<int()>& program);
/// Makes a folder with all above it; throws IoError, naming `flag`, when it cannot be made.
void make_folder(const std::string& flag, const std::filesystem::path& folder);

/// 64 bits of FNV-1a as 16 hexadecimal digits: names for files, not for secrets.
std::string fingerprint(const std::string& text);
/// Of the program that runs and of the library it uses: another build has another one.
const std::string& build_fingerprint();

/// Keeps other programs out of a folder for as long as it lives. Processes that are forked meanwhile keep it, too,
/// until they end.
class FolderLock {
 public:
  /// Waits up to `patience` seconds; throws IoError when the folder is still taken, or cannot be written to.
  [[nodiscard("give it a name: an object without one ends at once")]] explicit FolderLock(
      const std::filesystem::path& folder, double patience = 5.0);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int file_ = -1;
};

}  // namespace lab
