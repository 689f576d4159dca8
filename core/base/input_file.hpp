// A file to read from, at any place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace normgrad::detail {

/// Of regular files only: a pipe, a device or a folder is refused and none is waited for. Errors are IoErrors that
/// begin with the operation and the file's name.
class InputFile {
 public:
  InputFile(const char* operation, const std::filesystem::path& path);
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  /// "load_safetensors: 'net.safetensors': ", for errors.
  const std::string& where() const noexcept { return where_; }
  std::uint64_t size() const noexcept { return size_; }
  /// Reads bytes that must be there: [offset, offset + count) within size().
  void read(std::uint64_t offset, void* to, std::size_t count) const;
  /// How many bytes may come out of this file where it is compressed: `max_bytes`, or by default (0) 1 GiB, and 16
  /// times its size where that is more.
  std::uint64_t unpack_limit(std::uint64_t max_bytes) const noexcept;

 private:
  std::string where_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;
};

}  // namespace normgrad::detail
