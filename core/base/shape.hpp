// Shape: the sizes of a Tensor.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

namespace normgrad {

/// Up to 8 non-negative sizes, outermost first; none for a scalar. Printed as "[2, 3, 4]".
class Shape {
 public:
  static constexpr std::size_t kMaxDims = 8;  ///< maximum number of axes

  Shape() = default;
  /// Throw ShapeError for negative sizes and for more than kMaxDims axes.
  Shape(std::initializer_list<std::int64_t> sizes);
  Shape(const std::vector<std::int64_t>& sizes);  // NOLINT(google-explicit-constructor)
  explicit Shape(std::span<const std::int64_t> sizes);

  std::int64_t dim() const noexcept { return static_cast<std::int64_t>(rank_); }  ///< number of axes
  std::size_t rank() const noexcept { return rank_; }                             ///< the same, as an index type
  bool empty() const noexcept { return rank_ == 0; }                              ///< whether it is a scalar's shape
  /// Returns the product of the sizes: 1 for a scalar, and the largest 64-bit number on overflow.
  std::int64_t numel() const noexcept;

  std::int64_t operator[](std::size_t i) const noexcept { return sizes_[i]; }
  std::int64_t& operator[](std::size_t i) noexcept { return sizes_[i]; }
  /// Returns the size of an axis; negative axes count from the end. Throws IndexError if out of range.
  std::int64_t at(std::int64_t axis) const;
  std::int64_t back() const noexcept { return sizes_[rank_ - 1]; }

  const std::int64_t* begin() const noexcept { return sizes_.data(); }        ///< the outermost size
  const std::int64_t* end() const noexcept { return sizes_.data() + rank_; }  ///< past the innermost size

  /// Returns all sizes: `auto [n, c] = shape.sizes<2>()`. Throws ShapeError unless there are N.
  template <std::size_t N>
  std::array<std::int64_t, N> sizes() const {
    check_dims(N);
    std::array<std::int64_t, N> all;
    for (std::size_t i = 0; i < N; ++i) {
      all[i] = sizes_[i];
    }
    return all;
  }
  std::vector<std::int64_t> to_vector() const { return {begin(), end()}; }  ///< the sizes

  void push_back(std::int64_t size);                     ///< appends an innermost axis
  void insert(std::size_t position, std::int64_t size);  ///< inserts an axis before that position
  void erase(std::size_t position);                      ///< removes the axis at that position

  friend bool operator==(const Shape& a, const Shape& b) noexcept;

 private:
  void check_dims(std::size_t expected) const;

  std::array<std::int64_t, kMaxDims> sizes_{};
  std::size_t rank_ = 0;
};

/// Axes of a reduction: one axis, a list of axes, or none, which means all. Negative axes count from the end.
class Axes {
 public:
  Axes() = default;
  /// Constructs from one axis or a list of axes.
  template <std::integral T>
  requires(!std::same_as<T, bool>) Axes(T axis)  // NOLINT(google-explicit-constructor)
      : list_{static_cast<std::int64_t>(axis)} {}
  Axes(std::initializer_list<std::int64_t> axes) : list_(axes) {}
  Axes(const std::vector<std::int64_t>& axes) : list_(axes) {}  // NOLINT(google-explicit-constructor)

  bool all() const noexcept { return list_.empty(); }                       ///< whether none are named, which means all
  const std::vector<std::int64_t>& list() const noexcept { return list_; }  ///< as given
  /// Returns for each axis of a tensor of `dim` dimensions whether it is selected. Throws IndexError for an axis out of
  /// range and ValueError for a repeated one, naming `where`.
  std::array<bool, Shape::kMaxDims> mask(const char* where, std::int64_t dim) const;

 private:
  std::vector<std::int64_t> list_;
};

/// A flag of a reduction, such as keepdim: `true` or `false`, but not a number.
class ReduceFlag {
 public:
  /// Constructs from a bool only.
  constexpr ReduceFlag(std::same_as<bool> auto value) : value_(value) {}  // NOLINT(google-explicit-constructor)
  template <class T>
  ReduceFlag(T) = delete;  // several axes need a list: x.sum({0, 1}), not x.sum(0, 1)

  constexpr operator bool() const noexcept { return value_; }  // NOLINT(google-explicit-constructor)

 private:
  bool value_;
};

std::string to_string(const Shape& shape);                        ///< "[2, 3, 4]"
std::ostream& operator<<(std::ostream& out, const Shape& shape);  ///< "[2, 3, 4]"

/// Returns `axis` counted from the front, in [0, dim). Throws IndexError, naming `where`, if out of range.
std::size_t normalize_axis(const char* where, std::int64_t axis, std::int64_t dim);

/// Returns the broadcast shape by NumPy's rules. Throws ShapeError, naming `where`, if the shapes are incompatible.
Shape broadcast_shapes(const char* where, const Shape& a, const Shape& b);

/// Returns the row-major strides in elements.
std::array<std::int64_t, Shape::kMaxDims> strides_of(const Shape& shape) noexcept;

}  // namespace normgrad
