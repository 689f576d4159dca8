// A scalar argument of an operation.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <limits>
#include <type_traits>

namespace normgrad {

/// Any C++ number. Integers are stored as int64, so that they combine exactly with an int64 tensor; a double would
/// round them beyond 2^53. (An unsigned integer beyond int64 is stored as a double.)
class Scalar {
 public:
  /// Constructs from any arithmetic type; bool counts as 0 or 1.
  template <class T>
  requires std::is_arithmetic_v<T> Scalar(T value)
  noexcept {  // NOLINT(google-explicit-constructor): numbers are passed as they are
    if constexpr (std::is_floating_point_v<T>) {
      real_ = static_cast<double>(value);
    } else if (std::is_unsigned_v<T> &&
               static_cast<std::uint64_t>(value) > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      real_ = static_cast<double>(value);
    } else {
      whole_ = static_cast<std::int64_t>(value);
      is_whole_ = true;
      is_bool_ = std::is_same_v<T, bool>;
    }
  }

  /// Returns the number as a double, rounded beyond 2^53.
  double real() const noexcept { return is_whole_ ? static_cast<double>(whole_) : real_; }
  /// Returns whether the number was given as an integer (or bool); a double such as 2.0 was not.
  bool is_integer() const noexcept { return is_whole_; }
  /// Returns whether the number was given as a bool.
  bool is_bool() const noexcept { return is_bool_; }
  /// Returns whether the number equals an int64, which whole() then returns.
  bool is_whole() const noexcept;
  /// Returns the number as an int64, truncated. Requires fits_int64().
  std::int64_t whole() const noexcept { return is_whole_ ? whole_ : static_cast<std::int64_t>(real_); }
  /// Returns whether the truncated number is within the range of int64.
  bool fits_int64() const noexcept;
  /// Returns the negated number.
  Scalar operator-() const noexcept;

  /// Writes the number as std::ostream writes an int64 or a double.
  friend std::ostream& operator<<(std::ostream& out, const Scalar& scalar);

 private:
  double real_ = 0.0;
  std::int64_t whole_ = 0;
  bool is_whole_ = false;
  bool is_bool_ = false;
};

}  // namespace normgrad
