// Allocates the memory of a tensor.
#pragma once

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/dtype.hpp"
#include "normgrad/core/base/shape.hpp"

namespace normgrad::detail {

/// Returns a buffer for all elements. Throws ShapeError if the size in bytes overflows, and OutOfMemoryError, naming
/// shape, dtype and bytes, if the allocation fails.
Buffer storage(const Shape& shape, DType dtype, ChannelsLast order = {});

}  // namespace normgrad::detail
