#include "normgrad/core/kernels/elementwise/binary.hpp"

#include <cmath>
#include <type_traits>

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kBinaryGrain = std::int64_t{1} << 16;
constexpr std::int64_t kPowGrain = std::int64_t{1} << 13;

// Integers wrap around, as in NumPy.
template <class T, class F>
T wrapping(T a, T b, F f) {
  using U = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
  return static_cast<T>(f(static_cast<U>(a), static_cast<U>(b)));
}

template <class T>
T power(T base, T exponent) {
  std::uint64_t result = 1;
  for (auto square = static_cast<std::uint64_t>(base); exponent > 0; exponent /= 2, square *= square) {
    result *= exponent % 2 == 1 ? square : 1;
  }
  return static_cast<T>(result);
}

template <class T>
T combine(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::add:
      return wrapping(a, b, [](auto u, auto v) { return u + v; });
    case BinaryOp::sub:
      return wrapping(a, b, [](auto u, auto v) { return u - v; });
    case BinaryOp::mul:
    case BinaryOp::weigh:
      return wrapping(a, b, [](auto u, auto v) { return u * v; });
    case BinaryOp::div:
      return static_cast<T>(a / b);
    case BinaryOp::maximum:
      return std::max(a, b);
    case BinaryOp::minimum:
      return std::min(a, b);
    case BinaryOp::larger_share:
      return a > b ? 1 : 0;
    case BinaryOp::pow:
      break;
  }
  return power(a, b);
}

template <class T, class F>
void plain_rows(const BinaryRows<T>& r, F f) {
  for (std::int64_t row = 0; row < r.rows; ++row) {
    const T* a = r.a + row * r.a_row;
    const T* b = r.b + row * r.b_row;
    T* y = r.y + row * r.n;
    for (std::int64_t i = 0; i < r.n; ++i) {
      y[i] = f(a[r.a_walks ? i : 0], b[r.b_walks ? i : 0]);
    }
  }
}

}  // namespace

template <class T>
void binary(BinaryOp op, const Broadcast<2>& layout, const T* a, const T* b, T* y) {
  for_row_blocks(layout, op == BinaryOp::pow ? kPowGrain : kBinaryGrain, [&](const RowBlock<2>& block) {
    const BinaryRows<T> rows{a + block.offset[0], b + block.offset[1], y + block.y_offset, block.rows,        block.n,
                             block.row_stride[0], block.row_stride[1], block.step[0] != 0, block.step[1] != 0};
    if constexpr (std::is_integral_v<T>) {
      plain_rows(rows, [op](T u, T v) { return combine(op, u, v); });
    } else if (op == BinaryOp::pow) {
      if constexpr (std::is_same_v<T, float>) {
        NORMGRAD_SIMD_SELECT(power_rows)(rows);
      } else {
        plain_rows(rows, [](T u, T v) { return std::pow(u, v); });
      }
    } else {
      NORMGRAD_SIMD_SELECT(binary_rows<T>)(op, rows);
    }
  });
}

template void binary(BinaryOp, const Broadcast<2>&, const float*, const float*, float*);
template void binary(BinaryOp, const Broadcast<2>&, const double*, const double*, double*);
template void binary(BinaryOp, const Broadcast<2>&, const std::int64_t*, const std::int64_t*, std::int64_t*);
template void binary(BinaryOp, const Broadcast<2>&, const std::int32_t*, const std::int32_t*, std::int32_t*);
template void binary(BinaryOp, const Broadcast<2>&, const std::uint8_t*, const std::uint8_t*, std::uint8_t*);

}  // namespace normgrad::kernels
