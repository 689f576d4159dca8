// Memory layout of a Tensor; see ChannelsLast.
#include "normgrad/core/autograd/detail/storage.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/autograd/watch.hpp"
#include "normgrad/core/kernels/memory/layout.hpp"

namespace normgrad {

namespace {

// [n, c, s] of a shape; no channels-last layout when it would equal row-major.
ChannelsLast order_of(const Shape& shape) {
  const std::int64_t plane = shape[0] * shape[1];
  const std::int64_t places = plane == 0 ? 0 : shape.numel() / plane;
  return shape[1] > 1 && places > 1 ? ChannelsLast{shape[0], shape[1], places} : ChannelsLast{};
}

}  // namespace

bool Tensor::is_channels_last() const noexcept { return defined() && static_cast<bool>(impl_->buffer.channels_last()); }

bool Tensor::is_physically_writable() const noexcept {
  return !is_channels_last() || !impl_->buffer.keeps_row_major_copy();
}

Tensor Tensor::empty_channels_last(const Shape& shape, DType dtype) {
  require<ShapeError>(shape.rank() >= 3, "empty_channels_last: expected at least 3 axes but got ", shape);
  return from_buffer(detail::storage(shape, dtype, order_of(shape)), shape, dtype);
}

Tensor Tensor::as_channels_last() const {
  require<ShapeError>(dim() >= 3 || numel() == 0, "as_channels_last: expected at least 3 axes but got ", shape());
  if (is_channels_last() || !order_of(shape())) {
    return detach();
  }
  Tensor y = empty_channels_last(shape(), dtype());
  const ChannelsLast order = y.buffer().channels_last();
  kernels::transpose_batch(dtype_size(dtype()), buffer().data(), y.buffer().data(), order.n, order.c, order.s);
  detail::announce("clone", y, {*this});
  return y;
}

Tensor Tensor::row_major() const {
  if (!is_channels_last()) {
    return *this;
  }
  Tensor y = from_buffer(row_major_buffer(), shape(), dtype());
  y.set_node(node());
  detail::announce("clone", y, {*this});
  return y;
}

// The element size follows from the memory's size.
Buffer Tensor::row_major_buffer() const {
  const Buffer& memory = impl().buffer;
  if (!memory.channels_last()) [[likely]] {
    return memory;
  }
  return memory.kept_row_major_copy([](const Buffer& from) {
    const ChannelsLast order = from.channels_last();
    Buffer to(from.bytes());
    const auto elements = static_cast<std::size_t>(order.n * order.c * order.s);
    kernels::transpose_batch(from.bytes() / elements, from.data(), to.data(), order.n, order.s, order.c);
    return to;
  });
}

}  // namespace normgrad
