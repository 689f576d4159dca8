// The safetensors format: headers, and reading and writing of files for a given operation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgrad/core/base/file_path.hpp"
#include "normgrad/io/detail/elements.hpp"
#include "normgrad/io/safetensors.hpp"

namespace normgrad::detail {

/// A tensor's entry in the header; its data are bytes [begin, end).
struct SafetensorsEntry {
  std::string name;
  const ElementInfo* info = nullptr;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  Metadata metadata;
};

/// Parses a header's JSON. Throws IoError beginning with `where` unless it is valid and its tensors fill the
/// `data_size` bytes after it without gaps or overlaps.
SafetensorsHeader parse_safetensors_header(const std::string& where, const std::string& json, std::uint64_t data_size);

/// Returns the JSON of a header, padded with blanks to a multiple of 8 bytes. Throws ValueError beginning with
/// `operation` for names that the format cannot represent, and for a header that is too long.
std::string dump_safetensors_header(const char* operation, const SafetensorsHeader& header);

/// Largest header read or written, as in the format's own library.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

/// With a checksum, the metadata have an entry "crc32" of 8 hexadecimal digits: the CRC-32 of the whole file, computed
/// with zeros in place of these digits.
enum class Checksum { no, yes };

/// save_safetensors() and load_safetensors(), with errors that begin with `operation`.
void write_safetensors(const char* operation, const FilePath& path, const StateDict& tensors, const Metadata& metadata,
                       Checksum checksum);
/// With a checksum, throws IoError if it is missing or wrong.
Safetensors read_safetensors(const char* operation, const FilePath& path, Checksum checksum);

}  // namespace normgrad::detail
