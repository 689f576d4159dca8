// Norms of arrays, accumulated in double precision.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

enum class PowerSum { squares, magnitudes, largest };

/// The sum of x^2 or |x|, or the largest |x|, of n elements.
NORMGRAD_SIMD_DECLARE(template <class T> double power_sum_block(PowerSum kind, const T* x, std::int64_t n);)

/// Returns the sum of |x|^power over all elements, or the largest |x| for infinite power; NaN if an element is NaN.
/// Does not depend on the number of threads. T: float or double.
template <class T>
double power_sum(const T* x, std::int64_t n, double power);

}  // namespace normgrad::kernels
