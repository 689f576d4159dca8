#include "normgrad/io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "normgrad/io/input_file.hpp"
#include "normgrad/io/output_file.hpp"
#include "normgrad/io/safetensors_header.hpp"

namespace normgrad {

namespace {

constexpr std::uint64_t kLengthBytes = 8;

}  // namespace

void save_safetensors(const std::filesystem::path& path, const StateDict& tensors, const Metadata& metadata) {
  detail::SafetensorsHeader header;
  header.metadata = metadata;
  std::vector<std::pair<std::size_t, const Tensor*>> order;  // the header's entry, and its tensor
  for (const auto& [name, tensor] : tensors) {
    require<ValueError>(tensor.defined(), "save_safetensors: '", name, "' is undefined");
    order.emplace_back(header.entries.size(), &tensor);
    header.entries.push_back({.name = name, .info = &detail::info_of(tensor.dtype()), .shape = tensor.shape()});
  }
  // Large elements first, so that each tensor is aligned to its elements, as the format's own library does it.
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return header.entries[a.first].info->size > header.entries[b.first].info->size;
  });
  std::uint64_t reached = 0;
  for (const auto& [index, tensor] : order) {
    detail::SafetensorsEntry& entry = header.entries[index];
    entry.begin = reached;
    entry.end = reached += static_cast<std::uint64_t>(tensor->numel()) * entry.info->size;
  }
  const std::string json = detail::dump_safetensors_header(header);

  detail::OutputFile file("save_safetensors", path);
  std::array<unsigned char, kLengthBytes> length{};
  for (std::size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<unsigned char>(json.size() >> (8 * i));
  }
  file.write(length.data(), length.size());
  file.write(json);
  for (const auto& [index, tensor] : order) {
    const detail::SafetensorsEntry& entry = header.entries[index];
    file.write(detail::element_bytes(*tensor), static_cast<std::size_t>(entry.end - entry.begin));
  }
  file.commit();
}

void save_safetensors(const std::filesystem::path& path, const Module& model, const Metadata& metadata) {
  save_safetensors(path, model.state_dict(), metadata);
}

Safetensors load_safetensors(const std::filesystem::path& path) {
  const detail::InputFile file("load_safetensors", path);
  const std::string& where = file.where();
  require<IoError>(file.size() >= kLengthBytes, where, "expected the length of a header but the file has only ",
                   file.size(), " bytes");
  std::uint64_t length = 0;
  std::array<unsigned char, kLengthBytes> bytes{};
  file.read(0, bytes.data(), bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    length |= std::uint64_t{bytes[i]} << (8 * i);
  }
  require<IoError>(length <= file.size() - kLengthBytes, where, "expected a header of ", length,
                   " bytes, as the file begins, but only ", file.size() - kLengthBytes, " bytes follow");
  require<IoError>(length <= detail::kMaxSafetensorsHeader, where, "expected a header of at most ",
                   detail::kMaxSafetensorsHeader, " bytes but got ", length);
  std::string json(length, '\0');
  file.read(kLengthBytes, json.data(), json.size());
  const std::uint64_t data = kLengthBytes + length;
  detail::SafetensorsHeader header = detail::parse_safetensors_header(where, json, file.size() - data);

  Safetensors result;
  result.metadata = std::move(header.metadata);
  for (const detail::SafetensorsEntry& entry : header.entries) {
    result.tensors[entry.name] = detail::read_elements(
        where + "tensor '" + entry.name + "': ", *entry.info, entry.shape,
        [&](std::uint64_t offset, void* to, std::size_t count) { file.read(data + entry.begin + offset, to, count); });
  }
  return result;
}

LoadReport load_safetensors(const std::filesystem::path& path, Module& model, LoadOptions options) {
  const StateDict state = load_safetensors(path).tensors;
  try {
    return model.load_state_dict(state, options);
  } catch (const ValueError& error) {
    fail<ValueError>("load_safetensors: '", path.string(), "': ", error.what());
  }
}

}  // namespace normgrad
