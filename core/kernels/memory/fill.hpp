// Fills arrays with a value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

template <class T>
void fill(T* y, std::int64_t n, T value) {
  const T zero{};
  const bool is_zero = std::memcmp(&value, &zero, sizeof(T)) == 0;
  parallel_for(n, 65536, [=](std::int64_t begin, std::int64_t end) {
    if (is_zero) {  // of long arrays, memset() writes whole cache lines without reading them
      std::memset(y + begin, 0, static_cast<std::size_t>(end - begin) * sizeof(T));
    } else {
      std::fill(y + begin, y + end, value);
    }
  });
}

}  // namespace normgrad::kernels
