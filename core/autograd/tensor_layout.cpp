// Where the elements of a Tensor lie; see ChannelsLast.
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/layout.hpp"

namespace normgrad {

namespace {

ChannelsLast order_of(const Shape& shape) {
  const std::int64_t plane = shape[0] * shape[1];
  return {shape[0], shape[1], plane == 0 ? 0 : shape.numel() / plane};
}

// Replaces the memory by a copy in which each of n matrices [rows, columns] is transposed.
void transpose_memory(const Buffer& buffer, DType dtype, std::int64_t n, std::int64_t rows, std::int64_t columns,
                      ChannelsLast order) {
  if (rows == 1 || columns == 1) {
    buffer.set_channels_last(order);
    return;
  }
  const Buffer transposed(buffer.bytes());
  kernels::transpose_batch(dtype_size(dtype), buffer.data(), transposed.data(), n, rows, columns);
  transposed.set_channels_last(order);
  buffer.swap_memory(transposed);
}

}  // namespace

bool Tensor::is_channels_last() const noexcept { return defined() && static_cast<bool>(impl_->buffer.channels_last()); }

Tensor Tensor::empty_channels_last(const Shape& shape, DType dtype) {
  require<ShapeError>(shape.rank() >= 3, "empty_channels_last: expected at least 3 axes but got ", shape);
  Tensor y = empty(shape, dtype);
  if (shape.numel() != 0) {
    y.buffer().set_channels_last(order_of(shape));
  }
  return y;
}

void Tensor::to_channels_last() const {
  require<ShapeError>(dim() >= 3, "to_channels_last: expected at least 3 axes but got ", shape());
  if (is_channels_last() || numel() == 0) {
    return;
  }
  const ChannelsLast order = order_of(shape());
  transpose_memory(buffer(), dtype(), order.n, order.c, order.s, order);
}

void Tensor::to_row_major() const {
  const ChannelsLast order = impl().buffer.channels_last();
  if (order) [[unlikely]] {
    transpose_memory(buffer(), dtype(), order.n, order.s, order.c, {});
  }
}

}  // namespace normgrad
