// Arithmetic on sizes that throws where it would wrap around. Not for users.
#pragma once

#include <cstdint>

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

/// a + b; throws ShapeError, naming `where`, for what no 64-bit size can hold.
inline std::int64_t checked_add(const char* where, std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  require<ShapeError>(!__builtin_add_overflow(a, b, &sum), where, ": expected sizes within 64 bits but got ", a, " + ",
                      b);
  return sum;
}

/// The same for a - b.
inline std::int64_t checked_sub(const char* where, std::int64_t a, std::int64_t b) {
  std::int64_t difference = 0;
  require<ShapeError>(!__builtin_sub_overflow(a, b, &difference), where, ": expected sizes within 64 bits but got ", a,
                      " - ", b);
  return difference;
}

/// The same for a * b.
inline std::int64_t checked_mul(const char* where, std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  require<ShapeError>(!__builtin_mul_overflow(a, b, &product), where, ": expected sizes within 64 bits but got ", a,
                      " * ", b);
  return product;
}

}  // namespace normgrad::detail
