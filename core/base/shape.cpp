#include "normgrad/core/base/shape.hpp"

#include <algorithm>
#include <limits>
#include <ostream>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

Shape::Shape(std::initializer_list<std::int64_t> sizes)
    : Shape(std::span<const std::int64_t>(sizes.begin(), sizes.size())) {}

Shape::Shape(const std::vector<std::int64_t>& sizes) : Shape(std::span<const std::int64_t>(sizes)) {}

Shape::Shape(std::span<const std::int64_t> sizes) {
  for (const std::int64_t size : sizes) {
    push_back(size);
  }
}

std::int64_t Shape::numel() const noexcept {
  std::int64_t n = 1;
  for (const std::int64_t size : *this) {
    if (__builtin_mul_overflow(n, size, &n)) [[unlikely]] {
      n = std::numeric_limits<std::int64_t>::max();
    }
  }
  return n;
}

std::int64_t Shape::at(std::int64_t axis) const { return sizes_[normalize_axis("size", axis, dim())]; }

void Shape::check_dims(std::size_t expected) const {
  require<ShapeError>(rank_ == expected, "sizes: expected ", expected, expected == 1 ? " axis" : " axes", " but got ",
                      *this);
}

void Shape::push_back(std::int64_t size) { insert(rank_, size); }

void Shape::insert(std::size_t position, std::int64_t size) {
  require<ShapeError>(rank_ < kMaxDims, "shape: expected at most ", kMaxDims, " axes but got more");
  require<ShapeError>(size >= 0, "shape: expected sizes >= 0 but got ", size);
  std::copy_backward(sizes_.begin() + position, sizes_.begin() + rank_, sizes_.begin() + rank_ + 1);
  sizes_[position] = size;
  ++rank_;
}

void Shape::erase(std::size_t position) {
  std::copy(sizes_.begin() + position + 1, sizes_.begin() + rank_, sizes_.begin() + position);
  --rank_;
}

bool operator==(const Shape& a, const Shape& b) noexcept { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

std::array<bool, Shape::kMaxDims> Axes::mask(const char* where, std::int64_t dim) const {
  std::array<bool, Shape::kMaxDims> named{};
  if (list_.empty()) {
    std::fill_n(named.begin(), dim, true);
    return named;
  }
  for (const std::int64_t axis : list_) {
    bool& flag = named[normalize_axis(where, axis, dim)];
    require<ValueError>(!flag, where, ": expected different axes but got ", axis, " twice");
    flag = true;
  }
  return named;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }

std::size_t normalize_axis(const char* where, std::int64_t axis, std::int64_t dim) {
  require<IndexError>(dim > 0, where, ": expected a tensor with axes but got a scalar, which has no axis ", axis);
  require<IndexError>(axis >= -dim && axis < dim, where, ": expected an axis in [", -dim, ", ", dim - 1, "] but got ",
                      axis);
  return static_cast<std::size_t>(axis < 0 ? axis + dim : axis);
}

Shape broadcast_shapes(const char* where, const Shape& a, const Shape& b) {
  const std::size_t rank = std::max(a.rank(), b.rank());
  Shape out;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t sa = i + a.rank() < rank ? 1 : a[i + a.rank() - rank];
    const std::int64_t sb = i + b.rank() < rank ? 1 : b[i + b.rank() - rank];
    require<ShapeError>(sa == sb || sa == 1 || sb == 1, where, ": expected shapes that broadcast but got ", a, " and ",
                        b, "; axes are compared from the last one on: add some with unsqueeze()");
    out.push_back(sa == 1 ? sb : sa);
  }
  return out;
}

std::array<std::int64_t, Shape::kMaxDims> strides_of(const Shape& shape) noexcept {
  std::array<std::int64_t, Shape::kMaxDims> strides{};
  std::int64_t stride = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    strides[i] = stride;
    __builtin_mul_overflow(stride, shape[i], &stride);  // wraps around for shapes that no tensor can have
  }
  return strides;
}

}  // namespace normgrad
