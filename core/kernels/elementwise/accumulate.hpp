// y += x: the only arithmetic of the autograd engine itself.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

NORMGRAD_SIMD_DECLARE(template <class T> void accumulate(const T* x, T* y, std::int64_t n);)

/// y[i] += x[i] for i in [0, n). T: float or double.
template <class T>
void accumulate(const T* x, T* y, std::int64_t n);

}  // namespace normgrad::kernels
