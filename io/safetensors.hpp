// Safetensors files, in which weights are exchanged with Python: https://github.com/huggingface/safetensors.
//
// A file is the length of a header (64 bits, little-endian), the header (JSON: each tensor's dtype, shape and place,
// and metadata), and the elements, row-major and little-endian, without gaps. Keys are PyTorch's, as in state_dict().
//
//   save_safetensors("net.safetensors", net);          // Python: safetensors.torch.load_file("net.safetensors")
//   load_safetensors("net.safetensors", net);          // keys and shapes must fit
//   const auto [tensors, metadata] = load_safetensors("net.safetensors");
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/layers/module.hpp"

namespace normgrad {

/// Text that a file carries besides its tensors.
using Metadata = std::map<std::string, std::string>;

/// The contents of a safetensors file, the tensors in the order of its header.
struct Safetensors {
  StateDict tensors;       ///< in the order of their data
  Metadata metadata = {};  ///< texts by their names; may be empty
};

/// Writes the tensors in their order, as F32, F64, I64 and BOOL. The same tensors and metadata give the same bytes, and
/// load_safetensors() gives every bit back. The file is written aside, synced and renamed: on any error, and when the
/// program is killed, a file of that name stays as it was. Throws ValueError for an undefined tensor and for names that
/// the format cannot hold ("__metadata__", or what is not UTF-8), IoError when the file cannot be written.
void save_safetensors(const std::filesystem::path& path, const StateDict& tensors, const Metadata& metadata = {});
/// The same of model.state_dict(), but tied parameters once: the metadata has the first name under each other one, as
/// safetensors.torch.save_model() of Python writes it. Throws ValueError for metadata of such a name.
void save_safetensors(const std::filesystem::path& path, const Module& model, const Metadata& metadata = {});

/// Reads a file. F16 and BF16 become float32, I8, U8, I16, U16, I32, U32 and U64 become int64, which changes no value.
/// Takes no more memory than the file's size warrants, whatever its header says. Throws IoError, naming the file and
/// the tensor, when the file cannot be read, its header is not valid or does not fit its size, for other dtypes, for
/// U64 of 2^63 or more and BOOL other than 0 and 1, and for more than 8 axes.
Safetensors load_safetensors(const std::filesystem::path& path);
/// Reads a file into a model by Module::load_state_dict; names that the metadata gives for a tensor of another name are
/// read, too. Throws ValueError that lists missing, unexpected and
/// mis-shaped keys by name, and then leaves the model as it was. With {.strict = false} missing and unexpected keys are
/// returned instead.
LoadReport load_safetensors(const std::filesystem::path& path, Module& model, LoadOptions options = {});

}  // namespace normgrad
