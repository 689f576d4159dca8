// Element types of a Tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

/// float32 and float64 can require gradients. int64 is for indices and labels, boolean for masks.
enum class DType : std::uint8_t { float32, float64, int64, boolean };

inline constexpr DType kFloat32 = DType::float32;  ///< float
inline constexpr DType kFloat64 = DType::float64;  ///< double
inline constexpr DType kInt64 = DType::int64;      ///< std::int64_t
inline constexpr DType kBool = DType::boolean;     ///< bool

/// Returns "float32", "float64", "int64" or "bool".
const char* dtype_name(DType dtype) noexcept;
std::ostream& operator<<(std::ostream& out, DType dtype);

/// Returns the size of an element in bytes.
constexpr std::size_t dtype_size(DType dtype) noexcept {
  switch (dtype) {
    case DType::float32:
      return 4;
    case DType::boolean:
      return 1;
    case DType::float64:
    case DType::int64:
      break;
  }
  return 8;
}

/// Returns whether the dtype is float32 or float64.
constexpr bool is_floating_point(DType dtype) noexcept { return dtype == kFloat32 || dtype == kFloat64; }

/// Maps a C++ type to its DType; undefined for other types.
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = kFloat32;  ///< float
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = kFloat64;  ///< double
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = kInt64;  ///< std::int64_t
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = kBool;  ///< bool
};
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;  ///< the DType of a C++ type

/// Calls `f(T{})` with T = float or double. Throws DTypeError, naming `where`, for other dtypes.
template <class F>
decltype(auto) dispatch_float(const char* where, DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    default:
      fail<DTypeError>(where, ": expected a float32 or float64 tensor but got ", dtype_name(dtype));
  }
}

/// Calls `f(T{})` with T = float, double, std::int64_t or bool.
template <class F>
decltype(auto) dispatch_all(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::int64:
      return f(std::int64_t{});
    case DType::boolean:
      break;
  }
  return f(bool{});
}

}  // namespace normgrad
