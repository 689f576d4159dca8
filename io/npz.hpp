// NumPy's .npz files: zip archives of .npy files, one for each array.
#pragma once

#include <cstdint>
#include <filesystem>

#include "normgrad/core/autograd/state_dict.hpp"

namespace normgrad {

/// How save_npz() packs.
struct NpzOptions {
  bool compress = false;  ///< numpy.savez_compressed instead of numpy.savez
};

/// How load_npz() reads.
struct LoadNpzOptions {
  /// How many bytes all arrays may take together once they are unpacked; 0: 1 GiB, and 16 times the size of the file
  /// where that is more.
  std::uint64_t max_bytes = 0;
};

/// Writes an array "<name>.npy" for every tensor, in their order; the same tensors give the same bytes. The file is
/// written aside and renamed. Throws ValueError for an undefined tensor, IoError when the file cannot be written.
void save_npz(const std::filesystem::path& path, const StateDict& tensors, NpzOptions options = {});

/// Reads all arrays by their names without ".npy"; see load_npy() for their elements. Takes no more memory than the
/// arrays really hold, whatever the archive claims. Throws IoError, naming file and array, when the archive or an array
/// is damaged (checksums included), encrypted or comes twice, when the archive holds anything but arrays, or when there
/// is more in it than LoadNpzOptions::max_bytes (a small file can hold gigabytes of zeros).
StateDict load_npz(const std::filesystem::path& path, LoadNpzOptions options = {});

}  // namespace normgrad
