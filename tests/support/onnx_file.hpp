// Reads what tests need of an ONNX file: an independent reader of Protocol Buffers' wire format.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace normgrad::tests {

/// The fields of a message, in order: numbers and bytes.
class ProtobufFields {
 public:
  explicit ProtobufFields(std::string_view bytes) {
    std::size_t at = 0;
    const auto varint = [&] {
      std::uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.at(at++));
        value |= std::uint64_t{byte & 0x7fU} << shift;
        if (byte < 0x80) {
          return value;
        }
      }
    };
    while (at < bytes.size()) {
      const std::uint64_t tag = varint();
      const auto field = static_cast<int>(tag >> 3);
      const std::uint64_t type = tag & 7;
      if (type == 0) {
        numbers_[field].push_back(static_cast<std::int64_t>(varint()));
      } else if (type == 2 || type == 5) {
        const std::size_t size = type == 5 ? 4 : static_cast<std::size_t>(varint());
        if (size > bytes.size() - at) {
          throw std::runtime_error("a field is longer than its message");
        }
        texts_[field].emplace_back(bytes.substr(at, size));
        at += size;
      } else {
        throw std::runtime_error("a field of another type");
      }
    }
  }

  std::vector<std::int64_t> numbers(int field) const {
    const auto found = numbers_.find(field);
    return found == numbers_.end() ? std::vector<std::int64_t>() : found->second;
  }
  std::vector<std::string> texts(int field) const {
    const auto found = texts_.find(field);
    return found == texts_.end() ? std::vector<std::string>() : found->second;
  }
  std::string text(int field) const { return texts(field).empty() ? std::string() : texts(field)[0]; }
  ProtobufFields message(int field) const { return ProtobufFields(text(field)); }

 private:
  std::map<int, std::vector<std::int64_t>> numbers_;
  std::map<int, std::vector<std::string>> texts_;
};

struct OnnxFile {
  std::vector<std::string> types;                                                         ///< of the nodes, in order
  std::map<std::string, std::pair<std::vector<std::int64_t>, std::string>> initializers;  ///< dims and bytes by name
  std::map<std::string, std::vector<std::string>> values;  ///< the dims of inputs and outputs by name, as text
  std::int64_t opset = 0;

  explicit OnnxFile(const std::string& bytes) {
    const ProtobufFields model(bytes);
    opset = model.message(8).numbers(2).at(0);
    const ProtobufFields graph = model.message(7);
    for (const std::string& node : graph.texts(1)) {
      types.push_back(ProtobufFields(node).text(4));
    }
    for (const std::string& text : graph.texts(5)) {
      const ProtobufFields tensor(text);
      initializers[tensor.text(8)] = {tensor.numbers(1), tensor.text(9)};
    }
    for (const int field : {11, 12}) {
      for (const std::string& text : graph.texts(field)) {
        const ProtobufFields value(text);
        std::vector<std::string>& dims = values[value.text(1)];
        for (const std::string& dim : value.message(2).message(1).message(2).texts(1)) {
          const ProtobufFields size(dim);
          dims.push_back(size.numbers(1).empty() ? size.text(2) : std::to_string(size.numbers(1)[0]));
        }
      }
    }
  }
};

}  // namespace normgrad::tests
