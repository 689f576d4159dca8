// IDX files, the format of MNIST and related data sets: http://yann.lecun.com/exdb/mnist.
//
// A file contains the magic number 0, 0, type, rank (one byte each), then `rank` sizes (32 bits each, big-endian), then
// the elements, last axis fastest.
#pragma once

#include <cstdint>
#include <vector>

#include "normgrad/core/base/file_path.hpp"
#include "normgrad/core/base/shape.hpp"

namespace normgrad {

/// The contents of an IDX file of unsigned bytes.
struct IdxArray {
  Shape shape;                       ///< as given in the header
  std::vector<std::uint8_t> values;  ///< row-major, shape.numel() of them
};

/// Reads a file of unsigned bytes with `min_rank` to `max_rank` axes, plain or gzip-compressed (detected from its
/// contents, not its name). Memory use is bounded by the file's actual contents, whatever its header claims; at most
/// `max_bytes` are decompressed (0: 1 GiB or 16 times the size of the file, whichever is larger). Throws IoError,
/// naming the file, the expected and the actual value, if the file cannot be read or is a pipe or a device; if the
/// magic number, type or rank differs; if it holds fewer or more elements than its header states, or more than
/// `max_bytes`; and if other data follows the compressed contents.
IdxArray read_idx(const FilePath& file, int min_rank = 1, int max_rank = 4, std::uint64_t max_bytes = 0);

}  // namespace normgrad
