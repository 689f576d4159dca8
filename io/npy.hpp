// NumPy's .npy files, which hold one array: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
#pragma once

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/file_path.hpp"

namespace normgrad {

/// Writes a .npy file of the tensor's dtype in C order, under a temporary name that is then renamed. Throws IoError,
/// naming the file, if it cannot be written.
void save_npy(const FilePath& path, const Tensor& tensor);

/// Reads a .npy file in C or Fortran order. float16 becomes float32, and integers other than uint8, int32 and int64
/// become int64. Memory use is bounded by the file's size. Throws IoError, naming the file, if it cannot be read, is
/// damaged, does not have the size given in its header, or has unsupported elements: big-endian numbers, complex
/// numbers, strings, objects, records, or uint64 of 2^63 or more.
Tensor load_npy(const FilePath& path);

/// The array of a .npy file as a tensor over the mapped file, for arrays that may be larger than memory: elements are
/// read when they are first used, and the system drops them when it needs the memory. Writing to the tensor changes
/// neither the file nor other maps of it. float32, float64, int64, int32 and uint8 in C order. The file must not be
/// shortened while the tensor exists: using elements that are gone ends the process (SIGBUS). Throws IoError as
/// load_npy(), and for other elements and orders.
///
///   DataLoader batches(TensorDataset(map_npy("images.npy"), map_npy("labels.npy")), {.batch_size = 64});
Tensor map_npy(const FilePath& path);

}  // namespace normgrad
