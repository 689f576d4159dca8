// Element types of a Tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

/// float32 and float64 can require gradients. int64 is for indices and labels, boolean for masks; uint8 and int32 store
/// images and token ids in less memory.
enum class DType : std::uint8_t { float32, float64, int64, boolean, uint8, int32 };

inline constexpr DType kFloat32 = DType::float32;  ///< float
inline constexpr DType kFloat64 = DType::float64;  ///< double
inline constexpr DType kInt64 = DType::int64;      ///< std::int64_t
inline constexpr DType kBool = DType::boolean;     ///< bool
inline constexpr DType kUInt8 = DType::uint8;      ///< std::uint8_t
inline constexpr DType kInt32 = DType::int32;      ///< std::int32_t

/// Returns "float32", "float64", "int64", "bool", "uint8" or "int32".
const char* dtype_name(DType dtype) noexcept;
std::ostream& operator<<(std::ostream& out, DType dtype);

/// Returns the size of an element in bytes.
constexpr std::size_t dtype_size(DType dtype) noexcept {
  switch (dtype) {
    case DType::float32:
    case DType::int32:
      return 4;
    case DType::boolean:
    case DType::uint8:
      return 1;
    case DType::float64:
    case DType::int64:
      break;
  }
  return 8;
}

/// Returns whether the dtype is float32 or float64.
constexpr bool is_floating_point(DType dtype) noexcept { return dtype == kFloat32 || dtype == kFloat64; }

/// Returns whether the dtype is uint8, int32 or int64.
constexpr bool is_integer(DType dtype) noexcept { return dtype == kInt64 || dtype == kInt32 || dtype == kUInt8; }

/// Returns the dtype of an operation on elements of both dtypes: the later one of bool, uint8, int32, int64, float32
/// and float64.
DType promote_types(DType a, DType b) noexcept;
/// Returns whether an in-place operation may store results of dtype `from` in a tensor of dtype `to`: not
/// floating-point numbers in integers, and no numbers in bools.
bool can_cast(DType from, DType to) noexcept;

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
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = kUInt8;  ///< std::uint8_t
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = kInt32;  ///< std::int32_t
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

/// Calls `f(T{})` with T = float, double, std::int64_t, std::int32_t, std::uint8_t or bool.
template <class F>
decltype(auto) dispatch_all(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::int64:
      return f(std::int64_t{});
    case DType::int32:
      return f(std::int32_t{});
    case DType::uint8:
      return f(std::uint8_t{});
    case DType::boolean:
      break;
  }
  return f(bool{});
}

}  // namespace normgrad
