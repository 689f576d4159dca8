// Shapes and strides in channels-last memory format. Internal.
#pragma once

#include <array>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// [N, C, ...] -> [N, ..., C].
inline Shape nhwc_shape(const Shape& shape) {
  Shape behind = shape;
  behind.erase(1);
  behind.push_back(shape[1]);
  return behind;
}

/// Whether both memory formats agree for this shape: one channel, or one position per channel.
inline bool lies_alike(const Shape& shape) { return shape[1] == 1 || shape.numel() == shape[0] * shape[1]; }

/// `shape` with leading 1s up to `rank` axes.
inline Shape of_rank(const Shape& shape, std::size_t rank) {
  Shape full = shape;
  while (full.rank() < rank) {
    full.insert(0, 1);
  }
  return full;
}

/// A new tensor with the shape and memory format of `like`.
inline Tensor empty_like_format(const Tensor& like, DType dtype) {
  return like.is_channels_last() ? Tensor::empty_channels_last(like.shape(), dtype)
                                 : Tensor::empty(like.shape(), dtype);
}

/// Converts x to channels-last if `other`, of the same shape, is channels-last; otherwise returns x unchanged.
inline Tensor match_format(const Tensor& x, const Tensor& other) {
  return other.is_channels_last() && !x.is_channels_last() ? x.as_channels_last() : x;
}

/// The strides, in elements, of each axis in x.buffer().
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
