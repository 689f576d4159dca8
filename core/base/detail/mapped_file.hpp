// A file's bytes as memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "normgrad/core/base/buffer.hpp"

namespace normgrad::detail {

class InputFile;

/// The bytes [offset, offset + count) of the file, which must be within its size. The system reads them when they are
/// first used, and may drop them again. Writes change this memory only. Throws IoError if the system cannot map them.
Buffer map_bytes(const InputFile& file, std::uint64_t offset, std::size_t count);

}  // namespace normgrad::detail
