// Element types of files, and tensors of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

enum class ElementType { F16, BF16, F32, F64, I8, U8, I16, U16, I32, U32, I64, U64, BOOL };

/// A type as files have it: its size, and the dtype that holds all of its values.
struct ElementInfo {
  ElementType type;
  const char* name;  ///< as safetensors calls it
  std::size_t size;
  DType dtype;
};
const ElementInfo& info_of(ElementType type);
/// The type of that name, or null.
const ElementInfo* find_element_type(const std::string& name);
/// How files call the elements of a tensor.
const ElementInfo& info_of(DType dtype);

/// The bytes that `shape` takes; throws IoError beginning with `where` when there are more than fit 63 bits,
/// sizes of 0 left out.
std::uint64_t bytes_of(const std::string& where, const Shape& shape, std::size_t element_size);

/// Makes a tensor of little-endian elements that `read(context, offset, to, count)` hands out. Throws IoError that
/// begins with `where` for values that the dtype cannot hold.
using ReadBytes = void (*)(const void* context, std::uint64_t offset, void* to, std::size_t count);
Tensor read_elements(const std::string& where, const ElementInfo& info, const Shape& shape, const void* context,
                     ReadBytes read);
template <class F>
Tensor read_elements(const std::string& where, const ElementInfo& info, const Shape& shape, const F& read) {
  return read_elements(where, info, shape, &read,
                       [](const void* context, std::uint64_t offset, void* to, std::size_t count) {
                         (*static_cast<const F*>(context))(offset, to, count);
                       });
}

/// A tensor's elements as files hold them: row-major, little-endian.
const void* element_bytes(const Tensor& tensor);

}  // namespace normgrad::detail
