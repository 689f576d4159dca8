// The safetensors format: its header, and whole files on behalf of an operation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgrad/io/elements.hpp"
#include "normgrad/io/safetensors.hpp"

namespace normgrad::detail {

/// What the header says of a tensor; it lies at bytes [begin, end) of the data.
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

/// Reads a header's JSON. Throws IoError that begins with `where` unless it is valid and its tensors fill the
/// `data_size` bytes after it without gaps and overlaps.
SafetensorsHeader parse_safetensors_header(const std::string& where, const std::string& json, std::uint64_t data_size);

/// The JSON of a header, filled up with blanks to a multiple of 8 bytes. Throws ValueError that begins with `operation`
/// for names that the format cannot hold.
std::string dump_safetensors_header(const char* operation, const SafetensorsHeader& header);

/// The largest header that is read or written, as in the format's own library.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

/// With a checksum, the metadata have an entry "crc32" of 8 hexadecimal digits: the CRC-32 of the whole file with zeros
/// in place of these digits.
enum class Checksum { no, yes };

/// save_safetensors() and load_safetensors() under the name of the operation that errors shall begin with.
void write_safetensors(const char* operation, const std::filesystem::path& path, const StateDict& tensors,
                       const Metadata& metadata, Checksum checksum);
/// With a checksum, throws IoError when there is none or it is another.
Safetensors read_safetensors(const char* operation, const std::filesystem::path& path, Checksum checksum);

}  // namespace normgrad::detail
