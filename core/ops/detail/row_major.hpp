// Element access for operations that copy or compare elements of any dtype.
#pragma once

#include <cstddef>
#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// The bytes of x in row-major order.
inline const std::byte* row_major_bytes(const Tensor& x) {
  return x.is_channels_last() ? x.row_major().buffer().data() : x.buffer().data();  // x owns the copy
}

/// The same as elements of type T, which has their size.
template <class T>
const T* row_major_as(const Tensor& x) {
  return reinterpret_cast<const T*>(row_major_bytes(x));
}

/// Calls f(T{}) with the unsigned integer T of the size of an element.
template <class F>
decltype(auto) dispatch_size(DType dtype, F&& f) {
  switch (dtype_size(dtype)) {
    case 1:
      return f(std::uint8_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

/// Calls f(T{}) with the type of an element, which for bool is std::uint8_t too.
template <class F>
decltype(auto) dispatch_elements(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::int64:
      return f(std::int64_t{});
    case DType::int32:
      return f(std::int32_t{});
    default:
      return f(std::uint8_t{});
  }
}

}  // namespace normgrad::detail
