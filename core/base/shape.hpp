// Sizes of a Tensor.
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

/// Up to 8 non-negative sizes, outermost first; a scalar has none. Printed as "[2, 3, 4]".
class Shape {
 public:
  static constexpr std::size_t kMaxDims = 8;  ///< no shape has more axes

  Shape() = default;
  /// Throw ShapeError for negative sizes and for more than kMaxDims axes.
  Shape(std::initializer_list<std::int64_t> sizes);
  Shape(const std::vector<std::int64_t>& sizes);  // NOLINT(google-explicit-constructor)
  explicit Shape(std::span<const std::int64_t> sizes);

  std::int64_t dim() const noexcept { return static_cast<std::int64_t>(rank_); }  ///< number of axes
  std::size_t rank() const noexcept { return rank_; }                             ///< the same, as an index
  bool empty() const noexcept { return rank_ == 0; }                              ///< whether it is a scalar's
  /// Product of the sizes; 1 for a scalar, and the largest 64-bit number where it would not fit.
  std::int64_t numel() const noexcept;

  std::int64_t operator[](std::size_t i) const noexcept { return sizes_[i]; }
  std::int64_t& operator[](std::size_t i) noexcept { return sizes_[i]; }
  /// Size of axis `axis`, negative counted from the end; throws IndexError out of range.
  std::int64_t at(std::int64_t axis) const;
  std::int64_t back() const noexcept { return sizes_[rank_ - 1]; }

  const std::int64_t* begin() const noexcept { return sizes_.data(); }        ///< the outermost size
  const std::int64_t* end() const noexcept { return sizes_.data() + rank_; }  ///< past the innermost size

  void push_back(std::int64_t size);                     ///< adds an innermost axis
  void insert(std::size_t position, std::int64_t size);  ///< adds an axis before that position
  void erase(std::size_t position);                      ///< removes the axis at that position

  friend bool operator==(const Shape& a, const Shape& b) noexcept;

 private:
  std::array<std::int64_t, kMaxDims> sizes_{};
  std::size_t rank_ = 0;
};

/// Axes of a reduction: one axis, a list of them, or none, which stands for all. Negative ones count from the end.
class Axes {
 public:
  Axes() = default;
  /// One axis, or a list of them.
  Axes(std::int64_t axis) : list_{axis} {}  // NOLINT(google-explicit-constructor)
  Axes(int axis) : list_{axis} {}           // NOLINT(google-explicit-constructor)
  Axes(std::initializer_list<std::int64_t> axes) : list_(axes) {}
  Axes(const std::vector<std::int64_t>& axes) : list_(axes) {}  // NOLINT(google-explicit-constructor)

  bool all() const noexcept { return list_.empty(); }                       ///< whether none are named
  const std::vector<std::int64_t>& list() const noexcept { return list_; }  ///< as given
  /// For each axis of a tensor of `dim` dimensions whether it is named; throws IndexError for one out of range and
  /// ValueError for one named twice, naming `where`.
  std::array<bool, Shape::kMaxDims> mask(const char* where, std::int64_t dim) const;

 private:
  std::vector<std::int64_t> list_;
};

/// A choice of a reduction, such as keepdim: `true` or `false`, but no number.
class ReduceFlag {
 public:
  /// From a bool alone.
  constexpr ReduceFlag(std::same_as<bool> auto value) : value_(value) {}  // NOLINT(google-explicit-constructor)
  template <class T>
  ReduceFlag(T) = delete;  // several axes are a list: x.sum({0, 1}), not x.sum(0, 1)

  constexpr operator bool() const noexcept { return value_; }  // NOLINT(google-explicit-constructor)

 private:
  bool value_;
};

std::string to_string(const Shape& shape);                        ///< "[2, 3, 4]"
std::ostream& operator<<(std::ostream& out, const Shape& shape);  ///< "[2, 3, 4]"

/// `axis` counted from the front, in [0, dim); throws IndexError naming `where`.
std::size_t normalize_axis(const char* where, std::int64_t axis, std::int64_t dim);

/// NumPy's broadcasting of two shapes; throws ShapeError naming `where` where they do not fit.
Shape broadcast_shapes(const char* where, const Shape& a, const Shape& b);

/// Row-major strides in elements.
std::array<std::int64_t, Shape::kMaxDims> strides_of(const Shape& shape) noexcept;

}  // namespace normgrad
