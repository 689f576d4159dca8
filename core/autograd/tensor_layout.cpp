// Where the elements of a Tensor lie; see ChannelsLast.
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/layout.hpp"

namespace normgrad {

namespace {

ChannelsLast order_of(const Shape& shape) {
  const std::int64_t plane = shape[0] * shape[1];
  return {shape[0], shape[1], plane == 0 ? 0 : shape.numel() / plane};
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

Tensor Tensor::as_channels_last() const {
  if (is_channels_last() || numel() == 0) {
    return detach();
  }
  Tensor y = empty_channels_last(shape(), dtype());
  const ChannelsLast order = y.buffer().channels_last();
  kernels::transpose_batch(dtype_size(dtype()), buffer().data(), y.buffer().data(), order.n, order.c, order.s);
  return y;
}

void Tensor::to_row_major() const {
  const Buffer& memory = impl().buffer;
  const ChannelsLast order = memory.channels_last();
  if (!order) [[likely]] {
    return;
  }
  if (order.c == 1 || order.s == 1) {
    memory.set_channels_last({});
    return;
  }
  const Buffer transposed(memory.bytes());
  kernels::transpose_batch(dtype_size(dtype()), memory.data(), transposed.data(), order.n, order.s, order.c);
  memory.swap_memory(transposed);
}

}  // namespace normgrad
