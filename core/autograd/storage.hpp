// Memory for the elements of a tensor.
#pragma once

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/dtype.hpp"
#include "normgrad/core/base/shape.hpp"

namespace normgrad::detail {

/// Room for all elements; throws ShapeError for a shape that is too large for any memory, and OutOfMemoryError, with
/// shape, dtype and bytes, when there is none left.
Buffer storage(const Shape& shape, DType dtype, ChannelsLast order = {});

}  // namespace normgrad::detail
