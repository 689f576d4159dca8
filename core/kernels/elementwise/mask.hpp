// Multiplication by a mask.
#pragma once

#include <cstdint>

namespace normgrad::kernels {

/// y = keep ? scale * x : 0. T: float or double.
template <class T>
void scale_masked(const T* x, const bool* keep, T scale, T* y, std::int64_t n);

}  // namespace normgrad::kernels
