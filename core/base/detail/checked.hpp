// Checked arithmetic on sizes: throws on overflow. Internal.
#pragma once

#include <cstdint>

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

/// Returns a + b. Throws ShapeError, naming `where`, if the result exceeds 64 bits.
inline std::int64_t checked_add(const char* where, std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  require<ShapeError>(!__builtin_add_overflow(a, b, &sum), where, ": expected sizes within 64 bits but got ", a, " + ",
                      b);
  return sum;
}

/// Returns a - b, with the same check.
inline std::int64_t checked_sub(const char* where, std::int64_t a, std::int64_t b) {
  std::int64_t difference = 0;
  require<ShapeError>(!__builtin_sub_overflow(a, b, &difference), where, ": expected sizes within 64 bits but got ", a,
                      " - ", b);
  return difference;
}

/// Returns a * b, with the same check.
inline std::int64_t checked_mul(const char* where, std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  require<ShapeError>(!__builtin_mul_overflow(a, b, &product), where, ": expected sizes within 64 bits but got ", a,
                      " * ", b);
  return product;
}

}  // namespace normgrad::detail
