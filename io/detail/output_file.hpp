// A file that appears under its name only when complete.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace normgrad::detail {

/// Throws IoError beginning with `where` unless `path` can be written: its folder must exist, and `path` must be a
/// regular file or not exist. Pipes and devices, such as /dev/stdout, are rejected.
void check_output_name(const std::string& where, const std::filesystem::path& path);

/// Writes to "<path>.<16 hexadecimal digits>.partial", a name unique to this writer. commit() syncs the file, renames
/// it to `path`, and syncs the folder. Without commit() the file is removed. A replaced file passes its permissions on
/// to the new file, and its owner where permitted. If `path` is a symbolic link, its target is replaced. Throws
/// IoErrors that begin with the operation and the file's name; an existing file of that name is then unchanged.
///
/// Any number of processes may write to one name: each file is complete, and the last one renamed wins. A writer holds
/// a lock (flock) on its partial file, so a killed writer leaves an unlocked file, which the next writer of the same
/// name removes. On file systems without locks it remains.
class OutputFile {
 public:
  /// An empty operation is omitted from error messages.
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
  std::filesystem::path path_;  // with symbolic links resolved
  std::filesystem::path partial_;
  int descriptor_ = -1;
};

}  // namespace normgrad::detail
