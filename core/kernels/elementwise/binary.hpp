// y = a op b with broadcasting.
#pragma once

#include <cstdint>

#include "normgrad/core/kernels/elementwise/broadcast.hpp"
#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

/// maximum and minimum return NaN if an operand is NaN. larger_share is the derivative of maximum with respect to its
/// first operand: 1 if a > b, 1/2 if they are equal, else 0. weigh is a * b with 0 * inf = 0: a zero weight contributes
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
/// Powers, computed in float64: within 0.501 units in the last place. Special cases as those of C's powf().
NORMGRAD_SIMD_DECLARE(void power_rows(const BinaryRows<float>& rows);)

/// T: float, double, std::int64_t, std::int32_t or std::uint8_t. Integers wrap around. div, larger_share and pow of
/// integers round towards zero; integer exponents must be >= 0. y may alias an operand of y's full shape.
template <class T>
void binary(BinaryOp op, const Broadcast<2>& layout, const T* a, const T* b, T* y);

}  // namespace normgrad::kernels
