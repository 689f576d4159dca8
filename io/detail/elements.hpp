// Element types of files, and conversion of their elements to tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

enum class ElementType { F16, BF16, F32, F64, I8, U8, I16, U16, I32, U32, I64, U64, BOOL };

/// An element type of files: its size, and the dtype that holds all of its values.
struct ElementInfo {
  ElementType type;
  const char* name;  ///< name in safetensors
  std::size_t size;
  DType dtype;
};
const ElementInfo& info_of(ElementType type);
/// Returns the type of that name, or null.
const ElementInfo* find_element_type(const std::string& name);
/// Returns the file type of a tensor's elements.
const ElementInfo& info_of(DType dtype);

/// Returns the size of `shape` in bytes. Throws IoError beginning with `where` if the size, computed without axes of
/// size 0, exceeds 63 bits.
std::uint64_t bytes_of(const std::string& where, const Shape& shape, std::size_t element_size);

/// Returns a tensor of little-endian elements supplied by `read(context, offset, to, count)`. Throws IoError beginning
/// with `where` for values that the dtype cannot hold.
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

/// Returns a tensor's elements in file order: row-major, little-endian.
const void* element_bytes(const Tensor& tensor);

}  // namespace normgrad::detail
