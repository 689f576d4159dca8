// read_idx() on arbitrary bytes: the outcome is a result or an IoError.
#include "tests/fuzz/memory_file.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/data/idx.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const normgrad::tests::MemoryFile file;
  try {
    static_cast<void>(normgrad::read_idx(file.with(bytes, size)));
  } catch (const normgrad::IoError&) {
  }
  return 0;
}
