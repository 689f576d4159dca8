// read_image() on arbitrary bytes: the outcome is an image or an IoError.
#include "tests/fuzz/memory_file.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/data/image_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const normgrad::tests::MemoryFile file;
  for (const std::int64_t channels : {1, 3}) {
    try {
      static_cast<void>(normgrad::read_image(file.with(bytes, size), channels));
    } catch (const normgrad::IoError&) {
    }
  }
  return 0;
}
