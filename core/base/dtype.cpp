#include "normgrad/core/base/dtype.hpp"

#include <ostream>

namespace normgrad {

const char* dtype_name(DType dtype) noexcept {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int64:
      return "int64";
    case DType::uint8:
      return "uint8";
    case DType::int32:
      return "int32";
    case DType::boolean:
      break;
  }
  return "bool";
}

namespace {

int rank_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::boolean:
      return 0;
    case DType::uint8:
      return 1;
    case DType::int32:
      return 2;
    case DType::int64:
      return 3;
    case DType::float32:
      return 4;
    case DType::float64:
      break;
  }
  return 5;
}

}  // namespace

DType promote_types(DType a, DType b) noexcept { return rank_of(a) < rank_of(b) ? b : a; }

bool can_cast(DType from, DType to) noexcept {
  return (is_floating_point(to) || !is_floating_point(from)) && (to != kBool || from == kBool);
}

std::ostream& operator<<(std::ostream& out, DType dtype) { return out << dtype_name(dtype); }

}  // namespace normgrad
