// The .npy format, for files and archives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "normgrad/io/detail/elements.hpp"

namespace normgrad::detail {

/// Parses an array of `size` bytes supplied by `read(context, offset, to, count)`. Throws IoError beginning with
/// `where`.
Tensor parse_npy(const std::string& where, std::uint64_t size, const void* context, ReadBytes read);
template <class F>
Tensor parse_npy(const std::string& where, std::uint64_t size, const F& read) {
  return parse_npy(where, size, &read, [](const void* context, std::uint64_t offset, void* to, std::size_t count) {
    (*static_cast<const F*>(context))(offset, to, count);
  });
}

std::string npy_bytes(const Tensor& tensor);

}  // namespace normgrad::detail
