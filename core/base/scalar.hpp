// A number that an operation is given beside its tensors.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <limits>
#include <type_traits>

namespace normgrad {

/// Any C++ number. Integers are kept as int64, so that an int64 tensor meets them exactly; a double would round them
/// beyond 2^53. (An unsigned one that int64 cannot hold is kept as a double.)
class Scalar {
 public:
  /// From any arithmetic type; bool counts 0 or 1.
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
    }
  }

  /// As a double: rounded beyond 2^53.
  double real() const noexcept { return is_whole_ ? static_cast<double>(whole_) : real_; }
  /// Whether it equals an int64: whole() is that.
  bool is_whole() const noexcept;
  /// As an int64: without its fraction. Not for what fits_int64() denies.
  std::int64_t whole() const noexcept { return is_whole_ ? whole_ : static_cast<std::int64_t>(real_); }
  /// Whether it is within int64, up to a fraction.
  bool fits_int64() const noexcept;
  /// The number with the other sign.
  Scalar operator-() const noexcept;

  /// As std::ostream writes an int64 or a double.
  friend std::ostream& operator<<(std::ostream& out, const Scalar& scalar);

 private:
  double real_ = 0.0;
  std::int64_t whole_ = 0;
  bool is_whole_ = false;
};

}  // namespace normgrad
