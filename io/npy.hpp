// NumPy's .npy files, one array each: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
#pragma once

#include <filesystem>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Writes a .npy file of the tensor's dtype in C order, aside and renamed. Throws IoError, naming the file, when it
/// cannot be written.
void save_npy(const std::filesystem::path& path, const Tensor& tensor);

/// Reads a .npy file in C or Fortran order. float16 becomes float32, integers of any size become int64. Takes no more
/// memory than the file's size warrants. Throws IoError, naming the file, when it cannot be read, is damaged, does not
/// have the size that its header says, or holds other elements: big-endian ones, complex numbers, texts, objects,
/// records, uint64 of 2^63 or more.
Tensor load_npy(const std::filesystem::path& path);

}  // namespace normgrad
