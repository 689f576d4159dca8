// Sizes of convolution and pooling windows: one number for all axes, or one per axis.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <vector>

namespace normgrad {

/// `3` means 3 along every spatial axis; `{3, 5}` means 3 along the first and 5 along the second. At most 3 axes;
/// resolve() throws for more.
class PerAxis {
 public:
  /// The same size for all axes, or a list with one size per axis.
  PerAxis(int size) : PerAxis(static_cast<std::int64_t>(size)) {}  // NOLINT(google-explicit-constructor)
  PerAxis(std::int64_t size) { sizes_.fill(size); }                // NOLINT(google-explicit-constructor)
  PerAxis(std::initializer_list<std::int64_t> sizes);              // NOLINT(google-explicit-constructor)
  explicit PerAxis(const std::vector<std::int64_t>& sizes);

  /// Returns the sizes for `axes` axes, right-aligned in (depth, height, width), with `fill` for the others. Throws
  /// ShapeError, naming `where` and the argument, if another number of sizes was given, and ValueError if one is below
  /// `least`.
  std::array<std::int64_t, 3> resolve(const char* where, const char* argument, std::size_t axes, std::int64_t least,
                                      std::int64_t fill) const;
  /// The number of sizes given; 0 for one number that applies to every axis.
  std::size_t count() const noexcept { return count_; }
  std::int64_t operator[](std::size_t i) const noexcept { return sizes_[i]; }

  friend bool operator==(const PerAxis&, const PerAxis&) = default;

 private:
  std::array<std::int64_t, 6> sizes_{};  // 6 for the likely mistake of giving both ends of 3 axes
  std::size_t count_ = 0;
};

/// The padding of a convolution: sizes, or "same", which keeps the sizes of the input (for a stride of 1), or "valid",
/// no padding. Where "same" is an odd number of elements, one more is added at the end, as in PyTorch.
class ConvPadding {
 public:
  /// Sizes as in PerAxis, or "same" or "valid". Throws ValueError for another text.
  ConvPadding(int size) : sizes_(size) {}                                    // NOLINT(google-explicit-constructor)
  ConvPadding(std::int64_t size) : sizes_(size) {}                           // NOLINT(google-explicit-constructor)
  ConvPadding(std::initializer_list<std::int64_t> sizes) : sizes_(sizes) {}  // NOLINT(google-explicit-constructor)
  ConvPadding(const PerAxis& sizes) : sizes_(sizes) {}                       // NOLINT(google-explicit-constructor)
  ConvPadding(const char* name);                                             // NOLINT(google-explicit-constructor)
  bool is_same() const noexcept { return is_same_; }                         ///< whether it is "same"
  const PerAxis& sizes() const noexcept { return sizes_; }                   ///< the sizes; 0 for "same" and "valid"

  friend bool operator==(const ConvPadding&, const ConvPadding&) = default;

 private:
  PerAxis sizes_ = 0;
  bool is_same_ = false;
};

/// Prints "3", "[3, 5]" or "same".
std::ostream& operator<<(std::ostream& out, const ConvPadding& padding);

/// Prints "3" or "[3, 5]".
std::ostream& operator<<(std::ostream& out, const PerAxis& sizes);

}  // namespace normgrad
