// IDX files, in which MNIST and its relations are published: http://yann.lecun.com/exdb/mnist.
//
// A file is the magic number 0, 0, type, rank (one byte each), then `rank` sizes (32 bits each, most significant byte
// first), then the elements, the last axis fastest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "normgrad/core/base/shape.hpp"

namespace normgrad {

/// The contents of an IDX file of unsigned bytes.
struct IdxArray {
  Shape shape;                       ///< as the header says
  std::vector<std::uint8_t> values;  ///< row-major, shape.numel() of them
};

/// Reads a file of unsigned bytes with `min_rank` to `max_rank` axes, plain or compressed by gzip (told by its
/// contents, not by its name). Never takes more memory than the file holds, whatever its header claims, and unpacks at
/// most `max_bytes` (0: 1 GiB, and 16 times the size of the file where that is more). Throws IoError, naming the file,
/// what was expected and what came, when it cannot be read or is a pipe or a device, its magic number, type or rank is
/// another, when it holds fewer or more elements than its header says or more than `max_bytes`, and when something
/// else follows the compressed contents.
IdxArray read_idx(const std::filesystem::path& file, int min_rank = 1, int max_rank = 4, std::uint64_t max_bytes = 0);

}  // namespace normgrad
