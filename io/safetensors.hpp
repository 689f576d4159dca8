// Safetensors files, for exchanging weights with Python: https://github.com/huggingface/safetensors.
//
// A file consists of the length of a header (64 bits, little-endian), the header (JSON: each tensor's dtype, shape and
// position, and metadata), and the elements, row-major and little-endian, without gaps. Keys are PyTorch's, as in
// state_dict().
//
//   save_safetensors("net.safetensors", net);          // Python: safetensors.torch.load_file("net.safetensors")
//   load_safetensors("net.safetensors", net);          // keys and shapes must match
//   const auto [tensors, metadata] = load_safetensors("net.safetensors");
#pragma once

#include <map>
#include <string>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/base/file_path.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Text stored in a file besides its tensors.
using Metadata = std::map<std::string, std::string>;

/// The contents of a safetensors file.
struct Safetensors {
  StateDict tensors;       ///< in the order of the header
  Metadata metadata = {};  ///< texts by name; may be empty
};

/// Writes the tensors in order, as F32, F64, I64, I32, U8 and BOOL. The same tensors and metadata give the same bytes,
/// and load_safetensors() restores every bit. The file is written under a temporary name, synced and renamed: on any
/// error, and if the program is killed, an existing file of that name is unchanged. Throws ValueError for an undefined
/// tensor and for names that the format cannot represent ("__metadata__", or invalid UTF-8), and IoError if the file
/// cannot be written.
void save_safetensors(const FilePath& path, const StateDict& tensors, const Metadata& metadata = {});
/// Writes model.state_dict(), with tied parameters stored once. The metadata maps each of their other names to the
/// first one, like Python's safetensors.torch.save_model(). Throws ValueError if `metadata` already has such a name.
void save_safetensors(const FilePath& path, const Module& model, const Metadata& metadata = {});

/// Reads a file. F16 and BF16 become float32; I8, I16, U16, U32 and U64 become int64. No value changes. Memory use is
/// bounded by the file's size, whatever its header says. Throws IoError, naming the file and the tensor, if the
/// file cannot be read, if its header is invalid or inconsistent with its size, for other dtypes, for U64 of 2^63 or
/// more, for BOOL other than 0 and 1, and for more than 8 axes.
Safetensors load_safetensors(const FilePath& path);
/// Reads a file into a model with Module::load_state_dict(), including the aliases of tied parameters given in the
/// metadata. Throws ValueError, listing missing, unexpected and mis-shaped keys by name, and leaves the model
/// unchanged. With {.strict = false} missing and unexpected keys are returned instead.
LoadReport load_safetensors(const FilePath& path, Module& model, LoadOptions options = {});

}  // namespace normgrad
