// read_csv() on arbitrary bytes: the outcome is a table or an IoError.
#include "tests/fuzz/memory_file.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/data/csv.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const normgrad::tests::MemoryFile file;
  try {
    static_cast<void>(normgrad::read_csv(file.with(bytes, size), {.empty_is_nan = true}));
  } catch (const normgrad::IoError&) {
  }
  return 0;
}
