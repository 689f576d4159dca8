// load_torch() on archives whose pickle is arbitrary bytes. (Few mutations of a whole archive pass its checksums.)
#include <zlib.h>

#include <string>

#include "tests/fuzz/memory_file.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/io/torch.hpp"

namespace {

std::string little_endian(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) {
    bytes += static_cast<char>(value >> (8 * i));
  }
  return bytes;
}

/// Appends a stored entry, and its record in the directory.
void add_entry(std::string& archive, std::string& directory, const std::string& name, const std::string& bytes) {
  const std::uint64_t offset = archive.size();
  const auto size = static_cast<std::uint64_t>(bytes.size());
  const std::string common = little_endian(20, 2) + std::string(4, '\0') + little_endian(0, 2) + little_endian(33, 2) +
                             little_endian(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()), 4) +
                             little_endian(size, 4) + little_endian(size, 4) + little_endian(name.size(), 2) +
                             little_endian(0, 2);
  archive += "PK\3\4" + common + name + bytes;
  directory += "PK\1\2" + little_endian(20, 2) + common + std::string(10, '\0') + little_endian(offset, 4) + name;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const normgrad::tests::MemoryFile file;
  std::string archive;
  std::string directory;
  add_entry(archive, directory, "x/data.pkl", std::string(reinterpret_cast<const char*>(bytes), size));
  add_entry(archive, directory, "x/data/0", std::string(16, '\0'));
  const std::uint64_t start = archive.size();
  archive += directory + "PK\5\6" + std::string(4, '\0') + little_endian(2, 2) + little_endian(2, 2) +
             little_endian(directory.size(), 4) + little_endian(start, 4) + std::string(2, '\0');
  try {
    static_cast<void>(normgrad::load_torch(
        file.with(reinterpret_cast<const std::uint8_t*>(archive.data()), archive.size()), {.max_bytes = 10'000'000}));
  } catch (const normgrad::IoError&) {
  }
  return 0;
}
