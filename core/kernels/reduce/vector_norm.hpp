// Norms of arrays, accumulated in double precision.
#pragma once

#include <cstdint>

namespace normgrad::kernels {

/// Returns the sum of |x|^power over all elements, or the largest |x| for infinite power; NaN if an element is NaN.
/// Does not depend on the number of threads. T: float or double.
template <class T>
double power_sum(const T* x, std::int64_t n, double power);

}  // namespace normgrad::kernels
