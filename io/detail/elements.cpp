#include "normgrad/io/detail/elements.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

namespace normgrad::detail {

namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they lie");

constexpr std::array<ElementInfo, 13> kTypes = {{{ElementType::F16, "F16", 2, kFloat32},
                                                 {ElementType::BF16, "BF16", 2, kFloat32},
                                                 {ElementType::F32, "F32", 4, kFloat32},
                                                 {ElementType::F64, "F64", 8, kFloat64},
                                                 {ElementType::I8, "I8", 1, kInt64},
                                                 {ElementType::U8, "U8", 1, kUInt8},
                                                 {ElementType::I16, "I16", 2, kInt64},
                                                 {ElementType::U16, "U16", 2, kInt64},
                                                 {ElementType::I32, "I32", 4, kInt32},
                                                 {ElementType::U32, "U32", 4, kInt64},
                                                 {ElementType::I64, "I64", 8, kInt64},
                                                 {ElementType::U64, "U64", 8, kInt64},
                                                 {ElementType::BOOL, "BOOL", 1, kBool}}};

constexpr std::size_t kChunk = 1U << 16;  // elements converted at a time

// IEEE binary16: 1 sign, 5 exponent and 10 fraction bits.
float float_from_half(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half & 0x8000U} << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fU;
  const std::uint32_t fraction = half & 0x3ffU;
  if (exponent == 0) {  // zero or subnormal
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t biased = exponent == 0x1f ? 0xffU : exponent + 127 - 15;  // Inf and NaN: all ones
  return std::bit_cast<float>(sign | biased << 23 | fraction << 13);
}

float float_from_bfloat16(std::uint16_t value) { return std::bit_cast<float>(std::uint32_t{value} << 16); }

template <class From, class To, class Convert>
void convert_elements(Tensor& to, const void* context, ReadBytes read, Convert convert) {
  To* next = to.mutable_data<To>();
  const auto count = static_cast<std::size_t>(to.numel());
  std::vector<From> chunk(std::min(count, kChunk));
  for (std::size_t done = 0; done < count; done += chunk.size()) {
    chunk.resize(std::min(count - done, kChunk));
    read(context, done * sizeof(From), chunk.data(), chunk.size() * sizeof(From));
    next = std::transform(chunk.begin(), chunk.end(), next, convert);
  }
}

template <class From>
void widen(Tensor& to, const void* context, ReadBytes read) {
  convert_elements<From, std::int64_t>(to, context, read, [](From value) { return std::int64_t{value}; });
}

}  // namespace

const ElementInfo& info_of(ElementType type) { return kTypes[static_cast<std::size_t>(type)]; }

const ElementInfo* find_element_type(const std::string& name) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& info) { return name == info.name; });
  return found == kTypes.end() ? nullptr : found;
}

const ElementInfo& info_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return info_of(ElementType::F32);
    case DType::float64:
      return info_of(ElementType::F64);
    case DType::boolean:
      return info_of(ElementType::BOOL);
    case DType::uint8:
      return info_of(ElementType::U8);
    case DType::int32:
      return info_of(ElementType::I32);
    case DType::int64:
      break;
  }
  return info_of(ElementType::I64);
}

std::uint64_t bytes_of(const std::string& where, const Shape& shape, std::size_t element_size) {
  auto bytes = static_cast<std::int64_t>(element_size);
  bool overflow = false;
  bool empty = false;
  for (const std::int64_t size : shape) {
    empty |= size == 0;
    overflow |= size != 0 && __builtin_mul_overflow(bytes, size, &bytes);
  }
  // Also checked for an empty tensor, whose strides would overflow.
  require<IoError>(!overflow, where, "the shape ", shape, " has more elements than can be counted");
  return empty ? 0 : static_cast<std::uint64_t>(bytes);
}

Tensor read_elements(const std::string& where, const ElementInfo& info, const Shape& shape, const void* context,
                     ReadBytes read) {
  Tensor y = Tensor::empty(shape, info.dtype);
  const auto read_all = [&](void* to) { read(context, 0, to, static_cast<std::size_t>(y.numel()) * info.size); };
  switch (info.type) {
    case ElementType::F32:
      read_all(y.mutable_data<float>());
      break;
    case ElementType::F64:
      read_all(y.mutable_data<double>());
      break;
    case ElementType::I64:
      read_all(y.mutable_data<std::int64_t>());
      break;
    case ElementType::I32:
      read_all(y.mutable_data<std::int32_t>());
      break;
    case ElementType::U8:
      read_all(y.mutable_data<std::uint8_t>());
      break;
    case ElementType::F16:
      convert_elements<std::uint16_t, float>(y, context, read, float_from_half);
      break;
    case ElementType::BF16:
      convert_elements<std::uint16_t, float>(y, context, read, float_from_bfloat16);
      break;
    case ElementType::I8:
      widen<std::int8_t>(y, context, read);
      break;
    case ElementType::I16:
      widen<std::int16_t>(y, context, read);
      break;
    case ElementType::U16:
      widen<std::uint16_t>(y, context, read);
      break;
    case ElementType::U32:
      widen<std::uint32_t>(y, context, read);
      break;
    case ElementType::U64:
      convert_elements<std::uint64_t, std::int64_t>(y, context, read, [&](std::uint64_t value) {
        require<IoError>(value <= INT64_MAX, where, "holds ", value, ", which is too large for int64");
        return static_cast<std::int64_t>(value);
      });
      break;
    case ElementType::BOOL:
      convert_elements<std::uint8_t, bool>(y, context, read, [&](std::uint8_t value) {
        require<IoError>(value <= 1, where, "expected bools of 0 or 1 but got ", int{value});
        return value == 1;
      });
      break;
  }
  return y;
}

const void* element_bytes(const Tensor& tensor) {
  return dispatch_all(tensor.dtype(), [&](auto zero) -> const void* { return tensor.template data<decltype(zero)>(); });
}

}  // namespace normgrad::detail
