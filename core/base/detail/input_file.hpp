// A file with random-access reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "normgrad/core/base/file_path.hpp"

namespace normgrad::detail {

/// Opens regular files only: pipes, devices and folders are rejected without waiting. Throws IoError with a message
/// that begins with the operation and the file's name.
class InputFile {
 public:
  InputFile(const char* operation, const FilePath& path);
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  /// Returns the prefix of error messages, as "load_safetensors: 'net.safetensors': ".
  const std::string& where() const noexcept { return where_; }
  std::uint64_t size() const noexcept { return size_; }
  int descriptor() const noexcept { return descriptor_; }
  /// Reads the range [offset, offset + count), which must be within size().
  void read(std::uint64_t offset, void* to, std::size_t count) const;
  /// Returns the limit on the number of bytes that may be unpacked from this file: `max_bytes`, or by default (0) 1 GiB
  /// or 16 times the file's size, whichever is larger.
  std::uint64_t unpack_limit(std::uint64_t max_bytes) const noexcept;

 private:
  std::string where_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;
};

}  // namespace normgrad::detail
