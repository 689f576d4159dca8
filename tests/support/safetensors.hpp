// Reads safetensors files of tests: 8 bytes little-endian length, a JSON header, raw little-endian data.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::tests {

struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;
};

/// Throws IoError for a file that cannot be read or is not of the format; F32, F64 and I64 are known.
Safetensors read_safetensors(const std::filesystem::path& path);

}  // namespace normgrad::tests
