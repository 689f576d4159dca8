// Shared code of the operations with index tensors. Internal.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/memory/index.hpp"

namespace normgrad::detail {

/// `shape` as [outer, rows, inner] around an axis.
kernels::IndexShape index_shape(const Shape& shape, std::size_t axis, std::int64_t count);
/// `index` as int64. Throws DTypeError unless it is int64 or int32.
Tensor checked_index(const char* where, const Tensor& index);
/// `index` with its negative elements counted from the start of an axis of `size`: index itself if there are none.
/// Throws DTypeError unless it is int64 or int32, and IndexError for an element outside [-size, size). `of` ends the
/// message. The result is int64.
Tensor wrapped_index(const char* where, const Tensor& index, std::int64_t size, const std::string& of = {});
/// Calls run(elements of the index), a kernel that checks them: if some are negative, a second time with
/// wrapped_index(), which throws if some are invalid. Returns the index that was used.
template <class F>
Tensor usable_index(const char* where, const Tensor& index, std::int64_t size, F run) {
  if (index.dtype() == kInt64) {
    const kernels::IndexRange range = run(index.data<std::int64_t>());
    if (range.valid && !range.negative) {
      return index;
    }
  }
  const Tensor wrapped = wrapped_index(where, index, size);
  run(wrapped.data<std::int64_t>());
  return wrapped;
}
/// zeros(shape) with y[..., index[i], ...] += x[..., i, ...]: the adjoint of index_select.
Tensor add_rows(const Shape& shape, std::size_t axis, const Tensor& index, const Tensor& x);
/// Throws ShapeError unless `index` has the rank of `shape` and is no larger outside of the axis.
void check_reach(const char* where, const Shape& shape, std::size_t axis, const Shape& index);

}  // namespace normgrad::detail
