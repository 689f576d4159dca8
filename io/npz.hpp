// NumPy's .npz files: zip archives of .npy files, one for each array.
#pragma once

#include <filesystem>

#include "normgrad/core/autograd/state_dict.hpp"

namespace normgrad {

/// Options of save_npz().
/// How save_npz() packs.
struct NpzOptions {
  bool compress = false;  ///< numpy.savez_compressed instead of numpy.savez
};

/// Writes an array "<name>.npy" for every tensor, in their order; the same tensors give the same bytes. The file is
/// written aside and renamed. Throws ValueError for an undefined tensor, IoError when the file cannot be written.
void save_npz(const std::filesystem::path& path, const StateDict& tensors, NpzOptions options = {});

/// Reads all arrays by their names without ".npy"; see load_npy() for their elements. Takes no more memory than the
/// arrays really hold, whatever the archive claims. Throws IoError, naming file and array, when the archive or an array
/// is damaged (checksums included), encrypted or comes twice, or when the archive holds anything but arrays.
StateDict load_npz(const std::filesystem::path& path);

}  // namespace normgrad
