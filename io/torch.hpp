// PyTorch's .pt and .pth files, as torch.save() writes them since version 1.6: a zip archive with a pickle of the
// values and a file for each storage.
//
//   load_torch("net.pt", net);                                  // torch.save(model.state_dict(), "net.pt")
//   load_torch("run.pt", net, {.prefix = "model."});            // torch.save({"model": ..., "epoch": 3}, "run.pt")
//   const auto [tensors, values] = load_torch("run.pt");
//   tensors.at("model.fc.weight"), values.at("epoch")
//
// Only tensors and plain values are read. Nothing in a file is executed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/base/file_path.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// A value in Python that is no tensor: None (std::monostate), bool, int, float or str.
using TorchValue = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

/// The contents of a PyTorch file. The names of nested values are joined by dots, as "optimizer.param_groups.0.lr": the
/// keys of dicts, and positions in lists and tuples. The name of a file's only value is "".
struct TorchFile {
  StateDict tensors;                         ///< in the order of the file
  std::map<std::string, TorchValue> values;  ///< the other values by name
};

/// Options of load_torch().
struct LoadTorchOptions {
  /// Only values whose names begin with it are read, and it is removed from their names: "model." selects one part of a
  /// checkpoint.
  std::string prefix = {};
  /// Maximum memory for the contents, in bytes; 0: 1 GiB or 16 times the size of the file, whichever is larger.
  std::uint64_t max_bytes = 0;
};

/// Reads a file. Dtypes convert as in load_safetensors(): float16 and bfloat16 become float32. No value changes.
/// Tensors of any strides become contiguous. Names of one tensor (tied parameters) share their memory, as in PyTorch;
/// different views of a storage do not. Parameters become tensors that require no gradient. Devices are ignored.
///
/// Throws IoError, naming the file, if it cannot be read or is damaged; if it contains anything but tensors, None,
/// bools, ints of 64 bits, floats, strs, lists, tuples and dicts (OrderedDict included), naming the class or function;
/// for other dtypes, sparse, quantized and expanded tensors and more than 8 axes; for keys that are no str, int or
/// bool; for two values of one name, and for more than 64 levels; for TorchScript and for files of PyTorch before 1.6;
/// and if it needs more than max_bytes. Throws ValueError if no name begins with the prefix.
TorchFile load_torch(const FilePath& path, LoadTorchOptions options = {});

/// Reads the tensors of a file into a model with Module::load_state_dict(); only those with options.prefix are read,
/// and a "module." or "_orig_mod." that all others share is removed.
/// Throws ValueError, listing missing, unexpected and mis-shaped keys by name, and leaves the model unchanged. With
/// {.strict = false} missing and unexpected keys are returned instead. `max_bytes` as in LoadTorchOptions.
LoadReport load_torch(const FilePath& path, Module& model, LoadOptions options = {}, std::uint64_t max_bytes = 0);

}  // namespace normgrad
