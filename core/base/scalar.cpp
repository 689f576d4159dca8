#include "normgrad/core/base/scalar.hpp"

#include <cmath>
#include <ostream>

namespace normgrad {

bool Scalar::fits_int64() const noexcept {
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  return is_whole_ || (real_ >= -kLimit && real_ < kLimit);
}

bool Scalar::is_whole() const noexcept { return is_whole_ || (fits_int64() && std::trunc(real_) == real_); }

Scalar Scalar::operator-() const noexcept {
  // Negating the smallest int64 wraps around, as in a tensor.
  return is_whole_ ? Scalar(static_cast<std::int64_t>(std::uint64_t{0} - static_cast<std::uint64_t>(whole_)))
                   : Scalar(-real_);
}

std::ostream& operator<<(std::ostream& out, const Scalar& scalar) {
  return scalar.is_whole_ ? out << scalar.whole_ : out << scalar.real_;
}

}  // namespace normgrad
