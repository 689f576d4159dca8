// Norms of arrays, accumulated in double precision.
#pragma once

#include <cstdint>

namespace normgrad::kernels {

/// Sum of |x|^power over all elements, or the largest |x| for an infinite power; NaN when an element is. T is float or
/// double. Does not depend on the number of threads.
template <class T>
double power_sum(const T* x, std::int64_t n, double power);

}  // namespace normgrad::kernels
