#include "normgrad/io/safetensors.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>
#include <utility>
#include <vector>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"
#include "normgrad/io/detail/output_file.hpp"
#include "normgrad/io/detail/safetensors_format.hpp"

namespace normgrad {

namespace detail {

namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kReadChunk = std::size_t{1} << 20;
constexpr const char* kChecksumKey = "crc32";
constexpr std::size_t kChecksumDigits = 8;
const std::string kNoChecksum(kChecksumDigits, '0');

std::string length_bytes(std::uint64_t length) {
  std::string bytes(kLengthBytes, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(length >> (8 * i));
  }
  return bytes;
}

class Crc32 {
 public:
  void add(const void* bytes, std::size_t count) { value_ = crc32_z(value_, static_cast<const Bytef*>(bytes), count); }
  void add(const std::string& bytes) { add(bytes.data(), bytes.size()); }
  std::string digits() const {
    std::string text = kNoChecksum;
    std::array<char, kChecksumDigits> hex{};
    char* end = std::to_chars(hex.data(), hex.data() + hex.size(), static_cast<std::uint32_t>(value_), 16).ptr;
    std::copy(hex.data(), end, text.end() - (end - hex.data()));
    return text;
  }

 private:
  uLong value_ = crc32_z(0, nullptr, 0);
};

/// Position of the checksum's digits in a header, or npos.
std::size_t find_checksum(const std::string& json) {
  const std::string key = std::string("\"") + kChecksumKey + "\":\"";
  const std::size_t found = json.find(key);
  return found == std::string::npos ? found : found + key.size();
}

void check_checksum(const InputFile& file, std::string json, const std::string& stated) {
  const std::size_t place = find_checksum(json);
  require<IoError>(place != std::string::npos && stated.size() == kChecksumDigits &&
                       json.compare(place, kChecksumDigits, stated) == 0,
                   file.where(), "has no checksum");
  json.replace(place, kChecksumDigits, kNoChecksum);
  Crc32 crc;
  crc.add(length_bytes(json.size()));
  crc.add(json);
  std::vector<char> chunk(kReadChunk);
  for (std::uint64_t at = kLengthBytes + json.size(); at < file.size(); at += chunk.size()) {
    chunk.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kReadChunk, file.size() - at)));
    file.read(at, chunk.data(), chunk.size());
    crc.add(chunk.data(), chunk.size());
  }
  require<IoError>(crc.digits() == stated, file.where(), "is damaged: its checksum is ", stated,
                   " but its contents have ", crc.digits());
}

}  // namespace

void write_safetensors(const char* operation, const FilePath& path, const StateDict& tensors, const Metadata& metadata,
                       Checksum checksum) {
  SafetensorsHeader header;
  header.metadata = metadata;
  if (checksum == Checksum::yes) {
    header.metadata[kChecksumKey] = kNoChecksum;
  }
  std::vector<std::pair<std::size_t, const Tensor*>> order;  // header entries and their tensors
  for (const auto& [name, tensor] : tensors) {
    require<ValueError>(tensor.defined(), operation, ": '", name, "' is undefined");
    order.emplace_back(header.entries.size(), &tensor);
    header.entries.push_back({.name = name, .info = &info_of(tensor.dtype()), .shape = tensor.shape()});
  }
  // Large elements first, so that each tensor is aligned to its elements, as in the format's own library.
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return header.entries[a.first].info->size > header.entries[b.first].info->size;
  });
  std::uint64_t reached = 0;
  for (const auto& [index, tensor] : order) {
    SafetensorsEntry& entry = header.entries[index];
    entry.begin = reached;
    entry.end = reached += static_cast<std::uint64_t>(tensor->numel()) * entry.info->size;
  }
  std::string json = dump_safetensors_header(operation, header);
  const auto for_each_tensor = [&](auto&& f) {
    for (const auto& [index, tensor] : order) {
      f(element_bytes(*tensor), static_cast<std::size_t>(header.entries[index].end - header.entries[index].begin));
    }
  };
  if (checksum == Checksum::yes) {
    Crc32 crc;
    crc.add(length_bytes(json.size()));
    crc.add(json);
    for_each_tensor([&](const void* bytes, std::size_t count) { crc.add(bytes, count); });
    json.replace(find_checksum(json), kChecksumDigits, crc.digits());
  }

  OutputFile file(operation, path);
  file.write(length_bytes(json.size()));
  file.write(json);
  for_each_tensor([&](const void* bytes, std::size_t count) { file.write(bytes, count); });
  file.commit();
}

Safetensors read_safetensors(const char* operation, const FilePath& path, Checksum checksum) {
  const InputFile file(operation, path);
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
                   " bytes, as the file states, but only ", file.size() - kLengthBytes, " bytes follow");
  require<IoError>(length <= kMaxSafetensorsHeader, where, "expected a header of at most ", kMaxSafetensorsHeader,
                   " bytes but got ", length);
  std::string json(length, '\0');
  file.read(kLengthBytes, json.data(), json.size());
  const std::uint64_t data = kLengthBytes + length;
  SafetensorsHeader header = parse_safetensors_header(where, json, file.size() - data);
  if (checksum == Checksum::yes) {
    check_checksum(file, std::move(json), header.metadata[kChecksumKey]);
  }

  Safetensors result;
  result.metadata = std::move(header.metadata);
  for (const SafetensorsEntry& entry : header.entries) {
    result.tensors[entry.name] = read_elements(
        where + "tensor '" + entry.name + "': ", *entry.info, entry.shape,
        [&](std::uint64_t offset, void* to, std::size_t count) { file.read(data + entry.begin + offset, to, count); });
  }
  return result;
}

}  // namespace detail

namespace {

constexpr const char* kSaveSafetensors = "save_safetensors";
constexpr const char* kLoadSafetensors = "load_safetensors";

std::string where_of_safetensors(const char* operation, const FilePath& path) {
  return std::string(operation) + ": '" + path.string() + "': ";
}

}  // namespace

void save_safetensors(const FilePath& path, const StateDict& tensors, const Metadata& metadata) {
  detail::with_io_errors(where_of_safetensors(kSaveSafetensors, path), [&] {
    detail::write_safetensors(kSaveSafetensors, path, tensors, metadata, detail::Checksum::no);
  });
}

void save_safetensors(const FilePath& path, const Module& model, const Metadata& metadata) {
  StateDict tensors;
  Metadata with_aliases = metadata;
  std::unordered_map<const void*, std::string> first_name;
  for (const auto& [name, tensor] : model.state_dict()) {
    const void* memory = tensor.numel() == 0 ? nullptr : tensor.buffer().data();
    const auto [at, is_first] = first_name.emplace(memory, name);
    if (is_first || memory == nullptr || tensor.shape() != tensors.at(at->second).shape()) {
      tensors[name] = tensor;
      continue;
    }
    require<ValueError>(with_aliases.emplace(name, at->second).second, "save_safetensors: the metadata '", name,
                        "' has the name of a parameter that is tied to '", at->second,
                        "', which is recorded under this name; choose another name");
  }
  save_safetensors(path, tensors, with_aliases);
}

Safetensors load_safetensors(const FilePath& path) {
  return detail::with_io_errors(where_of_safetensors(kLoadSafetensors, path),
                                [&] { return detail::read_safetensors(kLoadSafetensors, path, detail::Checksum::no); });
}

LoadReport load_safetensors(const FilePath& path, Module& model, LoadOptions options) {
  auto [state, metadata] = load_safetensors(path);
  const StateDict own = model.state_dict();
  const auto own_name = [&](const std::string& name) {
    const std::string key = name.starts_with(options.prefix) ? name.substr(options.prefix.size()) : "";
    return options.rename && !key.empty() ? options.rename(key) : key;
  };
  for (const auto& [name, other] : metadata) {
    if (!state.contains(name) && state.contains(other) && own.contains(own_name(name))) {
      const Tensor tensor = state.at(other);  // a copy: adding an entry may move the others
      state[name] = tensor;
    }
  }
  try {
    return model.load_state_dict(state, options);
  } catch (const ValueError& error) {
    fail<ValueError>(where_of_safetensors(kLoadSafetensors, path), error.what());
  }
}

}  // namespace normgrad
