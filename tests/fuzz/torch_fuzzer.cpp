// load_torch() on arbitrary bytes: the outcome is a result or an IoError.
#include "tests/fuzz/memory_file.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/io/torch.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const normgrad::tests::MemoryFile file;
  try {
    static_cast<void>(normgrad::load_torch(file.with(bytes, size), {.max_bytes = 100'000'000}));
  } catch (const normgrad::IoError&) {
  }
  return 0;
}
