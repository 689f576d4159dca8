// Comparisons, selection by a mask, and conversion between element types.
#pragma once

#include <cstdint>

#include "normgrad/core/kernels/elementwise/broadcast.hpp"

namespace normgrad::kernels {

enum class CompareOp { eq, ne, lt, le, gt, ge };

/// y = a op b. T: float, double, std::int64_t, std::int32_t or std::uint8_t, which is for bools too.
template <class T>
void compare(CompareOp op, const Broadcast<2>& layout, const T* a, const T* b, bool* y);

/// y = condition ? a : b for elements of 1, 4 or 8 bytes: T is std::uint8_t, std::uint32_t or std::uint64_t. The
/// layout's operands are condition, a, b.
template <class T>
void select(const Broadcast<3>& layout, const bool* condition, const T* a, const T* b, T* y);

/// y[i] = x[i] in another type. To bool: x != 0. Integers wrap around. Floating point to integer: truncates; returns
/// false if an element, such as NaN, does not fit (y is then incomplete). From: bools are std::uint8_t.
template <class From, class To>
bool convert(const From* x, To* y, std::int64_t n);

}  // namespace normgrad::kernels
