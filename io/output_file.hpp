// A file that appears under its name only when it is complete.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace normgrad::detail {

/// Writes to "<path>.partial", which commit() syncs and renames to `path`, syncing the folder then. Without commit()
/// the partial file is removed. Errors are IoErrors that begin with the operation and the file's name; a file of that
/// name is untouched then.
class OutputFile {
 public:
  OutputFile(const char* operation, const std::filesystem::path& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void write(const void* bytes, std::size_t count);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  void commit();

 private:
  [[noreturn]] void fail_with(const char* what, int reason) const;

  std::string where_;
  std::filesystem::path path_;
  std::filesystem::path partial_;
  int descriptor_ = -1;
};

}  // namespace normgrad::detail
