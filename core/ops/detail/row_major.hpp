// Element access for operations that copy elements of any dtype.
#pragma once

#include <cstddef>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// The bytes of x in row-major order.
inline const std::byte* row_major_bytes(const Tensor& x) {
  return x.is_channels_last() ? x.row_major().buffer().data() : x.buffer().data();  // x owns the copy
}

}  // namespace normgrad::detail
