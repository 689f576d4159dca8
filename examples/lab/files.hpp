// Files that are whole or not there, and folders that one program at a time writes to.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace lab {

/// A file that appears under its name only once it is whole: until commit() it is called `<name>.partial`.
class PartialFile {
 public:
  /// Throws IoError when it cannot be made.
  explicit PartialFile(std::filesystem::path path);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  /// Removes the partial file unless it was committed.
  ~PartialFile();

  /// Writes and hands over to the system; throws IoError when it cannot.
  void write(const std::string& text);
  void commit();
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::filesystem::path partial_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// PartialFile in one go.
void write_whole(const std::filesystem::path& path, const std::string& text);
/// All of a file; nothing when it cannot be read.
std::optional<std::string> read_whole(const std::filesystem::path& path);
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
