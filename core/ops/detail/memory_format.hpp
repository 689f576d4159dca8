// Memory formats: row-major, and channels-last for [N, C, *]. Internal.
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
inline bool formats_agree(const Shape& shape) { return shape[1] == 1 || shape.numel() == shape[0] * shape[1]; }

/// `shape` with leading 1s up to `rank` axes.
inline Shape of_rank(const Shape& shape, std::size_t rank) {
  Shape full = shape;
  while (full.rank() < rank) {
    full.insert(0, 1);
  }
  return full;
}

/// The memory format in which an operation reads its operands and writes its results.
class MemoryFormat {
 public:
  explicit MemoryFormat(bool channels_last = false) : channels_last_(channels_last) {}
  /// That of x if the operation supports channels-last.
  MemoryFormat(const Tensor& x, bool supported) : channels_last_(supported && x.is_channels_last()) {}

  bool is_channels_last() const noexcept { return channels_last_; }
  Tensor empty(const Shape& shape, DType dtype) const {
    return channels_last_ ? Tensor::empty_channels_last(shape, dtype) : Tensor::empty(shape, dtype);
  }
  Tensor empty_like(const Tensor& x) const { return empty(x.shape(), x.dtype()); }
  /// x in a form that read() takes: in this format, or any if this is row-major.
  Tensor converted(const Tensor& x) const { return channels_last_ ? x.as_channels_last() : x; }
  template <class T>
  const T* read(const Tensor& converted) const {
    return channels_last_ ? converted.physical_data<T>() : converted.data<T>();
  }
  /// The elements of a new tensor in this format.
  template <class T>
  T* write(Tensor& y) const {
    return channels_last_ ? y.mutable_physical_data<T>() : y.mutable_data<T>();
  }

 private:
  bool channels_last_;
};

/// A new tensor with the shape and memory format of `like`.
inline Tensor empty_like_format(const Tensor& like, DType dtype) {
  return MemoryFormat(like.is_channels_last()).empty(like.shape(), dtype);
}

/// Converts x to channels-last if `other`, of the same shape, is channels-last; otherwise returns x unchanged.
inline Tensor match_format(const Tensor& x, const Tensor& other) {
  return other.is_channels_last() && !x.is_channels_last() ? x.as_channels_last() : x;
}

/// The strides, in elements, of each axis in x.buffer().
inline std::array<std::int64_t, Shape::kMaxDims> physical_strides(const Tensor& x) {
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
