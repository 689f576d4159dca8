// NumPy's .npz files: zip archives with one .npy file for each array.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/base/file_path.hpp"

namespace normgrad {

/// Options of save_npz().
struct NpzOptions {
  bool compress = false;  ///< as numpy.savez_compressed; otherwise as numpy.savez
};

/// Options of load_npz().
struct LoadNpzOptions {
  /// Maximum unpacked size of all arrays together, in bytes; 0: 1 GiB or 16 times the size of the file, whichever is
  /// larger.
  std::uint64_t max_bytes = 0;
};

/// Writes an array "<name>.npy" for every tensor, in order. The same tensors give the same bytes. The file is written
/// under a temporary name and then renamed. Throws ValueError for an undefined tensor, and IoError if the file cannot
/// be written.
void save_npz(const FilePath& path, const StateDict& tensors, NpzOptions options = {});

/// Reads all arrays, under their names without ".npy"; see load_npy() for their elements. Memory use is bounded by the
/// actual data, whatever the archive claims. Throws IoError, naming the file and the array, if the archive or an array
/// is damaged (checksums are verified) or encrypted, if an array occurs twice, if the archive contains anything but
/// arrays, or if it exceeds LoadNpzOptions::max_bytes (a small file can hold gigabytes of zeros).
StateDict load_npz(const FilePath& path, LoadNpzOptions options = {});

}  // namespace normgrad
