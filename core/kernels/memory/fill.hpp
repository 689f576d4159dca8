// Fills arrays with a value.
#pragma once

#include <algorithm>
#include <cstdint>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

template <class T>
void fill(T* y, std::int64_t n, T value) {
  parallel_for(n, 65536, [=](std::int64_t begin, std::int64_t end) { std::fill(y + begin, y + end, value); });
}

}  // namespace normgrad::kernels
