// For operations that copy elements of any dtype.
#pragma once

#include <cstddef>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// The bytes of x with its elements in row-major order.
inline const std::byte* row_major_bytes(const Tensor& x) {
  x.to_row_major();
  return x.buffer().data();
}

}  // namespace normgrad::detail
