// Zip archives, read through libzip.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "normgrad/core/base/file_path.hpp"

struct zip;

namespace normgrad::detail {

/// Reads the entries of an archive, and counts what is taken from it, so that a small file cannot fill the memory.
class ZipArchive {
 public:
  /// `where` begins all messages. At most `limit` bytes may be taken in all. Throws IoError if the file is not a
  /// consistent archive.
  ZipArchive(std::string where, const FilePath& path, std::uint64_t limit);

  std::uint64_t size() const noexcept { return size_; }  ///< number of entries
  /// Throws IoError if the entry has no name.
  std::string name(std::uint64_t index) const;
  /// Returns the position of the entry of that name.
  std::optional<std::uint64_t> find(const std::string& name) const;

  /// Returns the contents of an entry, checked by its checksum. Memory grows with the actual data, because the size
  /// stated in the archive may be wrong. Throws IoError that begins with `here` if the entry is damaged or encrypted,
  /// and beyond the limit.
  std::string unpack(const std::string& here, std::uint64_t index);
  /// Counts memory that the contents need besides their own. Throws IoError that begins with `here` beyond the limit.
  void charge(const std::string& here, std::uint64_t bytes);

 private:
  struct Discard {
    void operator()(zip* archive) const;
  };

  std::string where_;
  std::unique_ptr<zip, Discard> archive_;
  std::uint64_t size_ = 0;
  std::uint64_t limit_;
  std::uint64_t taken_ = 0;
};

}  // namespace normgrad::detail
