#include "tests/support/safetensors.hpp"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>
#include <nlohmann/json.hpp>

#include "normgrad/core/base/error.hpp"

namespace normgrad::tests {

namespace {

DType dtype_from(const std::string& name) {
  if (name == "F32") {
    return kFloat32;
  }
  if (name == "F64") {
    return kFloat64;
  }
  require<IoError>(name == "I64", "expected dtype F32, F64 or I64 but got ", name);
  return kInt64;
}

Tensor tensor_from(const nlohmann::json& entry, const char* data, std::size_t size) {
  const DType dtype = dtype_from(entry.at("dtype").get<std::string>());
  const Shape shape(entry.at("shape").get<std::vector<std::int64_t>>());
  const auto begin = entry.at("data_offsets").at(0).get<std::size_t>();
  const auto end = entry.at("data_offsets").at(1).get<std::size_t>();
  require<IoError>(
      begin <= end && end <= size && end - begin == static_cast<std::size_t>(shape.numel()) * dtype_size(dtype),
      "offsets ", begin, " to ", end, " do not fit a shape of ", shape);
  Tensor tensor = Tensor::empty(shape, dtype);
  dispatch_all(dtype,
               [&](auto zero) { std::memcpy(tensor.mutable_data<decltype(zero)>(), data + begin, end - begin); });
  return tensor;
}

}  // namespace

Safetensors read_safetensors(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  require<IoError>(file.good(), path.string(), ": cannot be opened");
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::uint64_t length = 0;
  require<IoError>(bytes.size() >= sizeof length, path.string(), ": too short");
  std::memcpy(&length, bytes.data(), sizeof length);
  require<IoError>(length <= bytes.size() - sizeof length, path.string(), ": the header does not end");
  const char* header = bytes.data() + sizeof length;
  const char* data = header + length;
  Safetensors result;
  try {
    const auto json = nlohmann::json::parse(header, data);
    for (const auto& [name, entry] : json.items()) {
      if (name == "__metadata__") {
        result.metadata = entry.get<std::map<std::string, std::string>>();
      } else {
        result.tensors[name] = tensor_from(entry, data, static_cast<std::size_t>(bytes.data() + bytes.size() - data));
      }
    }
  } catch (const std::exception& error) {
    fail<IoError>(path.string(), ": ", error.what());
  }
  return result;
}

}  // namespace normgrad::tests
