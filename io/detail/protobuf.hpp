// Writes messages in the wire format of Protocol Buffers, https://protobuf.dev/programming-guides/encoding. ONNX needs
// three of its types of fields, which is less code than a generated class, and no library at run time.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace normgrad::detail {

class ProtobufMessage {
 public:
  void integer(int field, std::int64_t value) {
    tag(field, 0);
    varint(static_cast<std::uint64_t>(value));
  }
  void real(int field, float value) {
    tag(field, 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int i = 0; i < 4; ++i) {
      bytes_ += static_cast<char>(bits >> (8 * i));
    }
  }
  /// A string, bytes, or a message within this one.
  void bytes(int field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    bytes_ += value;
  }
  void message(int field, const ProtobufMessage& value) { bytes(field, value.bytes_); }

  const std::string& written() const noexcept { return bytes_; }

 private:
  void tag(int field, unsigned type) { varint(static_cast<std::uint64_t>(field) << 3 | type); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
      bytes_ += static_cast<char>(value | 0x80);
    }
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace normgrad::detail
