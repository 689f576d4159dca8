// log(sigmoid(x)), exact for any x.
#pragma once

#include <cstdint>

namespace normgrad::kernels {

/// y = min(x, 0) - log1p(exp(-|x|)); T is float or double.
template <class T>
void log_sigmoid(const T* x, T* y, std::int64_t n);

}  // namespace normgrad::kernels
