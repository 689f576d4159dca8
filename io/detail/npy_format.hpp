// The .npy format, for files and archives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "normgrad/io/detail/elements.hpp"

namespace normgrad::detail {

/// What the header of an array says.
struct NpyLayout {
  const ElementInfo* info;     ///< of the elements
  Shape shape;                 ///< of the array
  bool fortran_order = false;  ///< whether the elements are in column-major order
  std::uint64_t data = 0;      ///< offset of the elements, which take the rest of the bytes
  std::uint64_t bytes = 0;     ///< of the elements
};

/// Reads the header of an array as parse_npy() does.
NpyLayout read_npy_layout(const std::string& where, std::uint64_t size, const void* context, ReadBytes read);

/// Parses an array of `size` bytes supplied by `read(context, offset, to, count)`. Throws IoError beginning with
/// `where`.
Tensor parse_npy(const std::string& where, std::uint64_t size, const void* context, ReadBytes read);
template <class F>
Tensor parse_npy(const std::string& where, std::uint64_t size, const F& read) {
  return parse_npy(where, size, &read, [](const void* context, std::uint64_t offset, void* to, std::size_t count) {
    (*static_cast<const F*>(context))(offset, to, count);
  });
}

template <class F>
NpyLayout read_npy_layout(const std::string& where, std::uint64_t size, const F& read) {
  return read_npy_layout(where, size, &read,
                         [](const void* context, std::uint64_t offset, void* to, std::size_t count) {
                           (*static_cast<const F*>(context))(offset, to, count);
                         });
}

std::string npy_bytes(const Tensor& tensor);

}  // namespace normgrad::detail
