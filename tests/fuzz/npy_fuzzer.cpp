// What load_npy() makes of any bytes: a result, or an IoError, and nothing else.
#include "tests/fuzz/memory_file.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/io/npy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const normgrad::testing_support::MemoryFile file;
  try {
    static_cast<void>(normgrad::load_npy(file.with(bytes, size)));
  } catch (const normgrad::IoError&) {
  }
  return 0;
}
