// y += x: all that the autograd engine computes itself.
#pragma once

#include <cstdint>

#include "normgrad/core/base/simd.hpp"

namespace normgrad::kernels {

NORMGRAD_SIMD_DECLARE(template <class T> void accumulate(const T* x, T* y, std::int64_t n);)

/// y[i] += x[i] for i in [0, n); T is float or double.
template <class T>
void accumulate(const T* x, T* y, std::int64_t n);

}  // namespace normgrad::kernels
