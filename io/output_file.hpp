// A file that appears under its name only when it is complete.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace normgrad::detail {

/// Throws IoError that begins with `where` unless `path` can be the name of a file to write: its folder is there, and
/// it is itself a regular file or not there. Pipes and devices, such as /dev/stdout, are refused.
void check_output_name(const std::string& where, const std::filesystem::path& path);

/// Writes to "<path>.<16 hexadecimal digits>.partial", a name of this writer's alone, which commit() syncs and renames
/// to `path`, syncing the folder then. Without commit() that file is removed. What is replaced gives the new file its
/// permissions, and its owner where that is allowed; where `path` is a symbolic link, the file that it leads to is
/// replaced. Errors are IoErrors that begin with the operation and the file's name; a file of that name is untouched
/// then.
///
/// Any number of processes may write to one name: each file is whole, and the last one to be renamed stays. A writer
/// holds a lock (flock) on its partial file, so that one which was killed leaves a file without a lock, and the next
/// writer of the same name removes it. Where the file system has no locks, it is left.
class OutputFile {
 public:
  /// An empty operation is left out of the errors.
  OutputFile(const char* operation, const std::filesystem::path& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void write(const void* bytes, std::size_t count);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  void commit();

 private:
  [[noreturn]] void fail_with(const char* what, int reason) const;
  void create_partial(unsigned mode);

  std::string where_;
  std::filesystem::path path_;  // where links lead to
  std::filesystem::path partial_;
  int descriptor_ = -1;
};

}  // namespace normgrad::detail
