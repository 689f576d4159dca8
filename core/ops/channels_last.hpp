// Shapes in the order in which the elements of channels-last tensors lie; not for users.
#pragma once

#include <array>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// [N, C, ...] -> [N, ..., C].
inline Shape channels_behind(const Shape& shape) {
  Shape behind = shape;
  behind.erase(1);
  behind.push_back(shape[1]);
  return behind;
}

/// Whether the elements of such a shape lie in the same order either way: one channel, or one element per channel.
inline bool lies_alike(const Shape& shape) { return shape[1] == 1 || shape.numel() == shape[0] * shape[1]; }

/// `shape` with 1s in front of it, up to `rank` axes.
inline Shape of_rank(const Shape& shape, std::size_t rank) {
  Shape full = shape;
  while (full.rank() < rank) {
    full.insert(0, 1);
  }
  return full;
}

/// A new array that lies as `like` does, which has the same shape.
inline Tensor empty_lying_as(const Tensor& like, DType dtype) {
  return like.is_channels_last() ? Tensor::empty_channels_last(like.shape(), dtype)
                                 : Tensor::empty(like.shape(), dtype);
}

/// The elements of `x`, channels last when those of `other`, of the same shape, are; else as they lie.
inline Tensor lying_with(const Tensor& x, const Tensor& other) {
  return other.is_channels_last() && !x.is_channels_last() ? x.as_channels_last() : x;
}

/// How far apart, in elements, neighbours along each axis lie in x.buffer().
inline std::array<std::int64_t, Shape::kMaxDims> strides_as_it_lies(const Tensor& x) {
  auto strides = strides_of(x.shape());
  if (x.is_channels_last()) {
    for (std::size_t i = 2; i < x.shape().rank(); ++i) {
      strides[i] *= x.shape()[1];
    }
    strides[1] = 1;
  }
  return strides;
}

}  // namespace normgrad::detail
