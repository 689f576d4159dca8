// y = a op b with broadcasting.
#pragma once

#include <cstdint>

#include "normgrad/core/base/simd.hpp"
#include "normgrad/core/kernels/broadcast.hpp"

namespace normgrad::kernels {

/// maximum and minimum give NaN where an operand is NaN. larger_share is the derivative of maximum by its first
/// operand: 1 where a > b, 1/2 where they are equal, else 0. weigh is a * b with 0 * inf = 0: what has no weight counts
/// nothing.
enum class BinaryOp { add, sub, mul, weigh, div, maximum, minimum, larger_share, pow };

/// Operands and result of one RowBlock.
template <class T>
struct BinaryRows {
  const T* a;
  const T* b;
  T* y;
  std::int64_t rows, n;
  std::int64_t a_row, b_row;
  bool a_walks, b_walks;  // else one element per row
};

NORMGRAD_SIMD_DECLARE(template <class T> void binary_rows(BinaryOp op, const BinaryRows<T>& rows);)

/// T is float, double or std::int64_t; div, larger_share and pow (exponents >= 0 then) of integers round towards zero.
/// y may be a or b where that one walks with y.
template <class T>
void binary(BinaryOp op, const Broadcast<2>& layout, const T* a, const T* b, T* y);

}  // namespace normgrad::kernels
